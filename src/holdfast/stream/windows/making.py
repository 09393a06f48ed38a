"""Which class keeps which window."""

from holdfast.stream.evaluations import Windowing
from holdfast.stream.plans import StagePlan
from holdfast.stream.state import State
from holdfast.stream.windows.counted import LastSamples
from holdfast.stream.windows.counts import Counts
from holdfast.stream.windows.reorder import Ordered
from holdfast.stream.windows.sessions import Sessions
from holdfast.stream.windows.states import States
from holdfast.stream.windows.timed import Sliding


def make_windows(state: State, plan: StagePlan) -> Windowing:
    """The windows of a stage."""
    match plan.window.kind:
        case "each" | "last":
            return LastSamples(state, plan)
        case "sliding":
            return Ordered(state, plan, Sliding(state, plan))
        case "session":
            return Ordered(state, plan, Sessions(state, plan))
        case "state":
            return Ordered(state, plan, States(state, plan))
        case "count":
            return Counts(state, plan)
        case "tumbling" | "hopping" | "calendar":
            raise NotImplementedError(plan.window.kind)  # until the branch `aligned` is merged
