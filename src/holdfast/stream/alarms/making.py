"""Which class keeps which alarm."""

from holdfast.stream.alarms.absence import AbsenceAlarm
from holdfast.stream.alarms.condition import ConditionAlarm
from holdfast.stream.alarms.ports import Alarm
from holdfast.stream.alarms.sequence import SequenceAlarm
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.state import State


def make_alarm(state: State, spec: AlarmSpec) -> Alarm:
    """The alarm of a rule."""
    match spec.kind:
        case "condition":
            return ConditionAlarm(state, spec)
        case "absence":
            return AbsenceAlarm(state, spec)
        case "sequence":
            return SequenceAlarm(state, spec)
