"""Which class keeps which alarm."""

from holdfast.stream.alarms.condition import ConditionAlarm
from holdfast.stream.alarms.ports import Alarm
from holdfast.stream.plans import AlarmSpec
from holdfast.stream.state import State


def make_alarm(state: State, spec: AlarmSpec) -> Alarm:
    """The alarm of a rule."""
    return ConditionAlarm(state, spec)
