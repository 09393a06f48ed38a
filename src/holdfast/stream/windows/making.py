"""Which class keeps which window."""

from holdfast.stream.evaluations import Windowing
from holdfast.stream.plans import StagePlan
from holdfast.stream.state import State
from holdfast.stream.windows.counted import LastSamples


def make_windows(state: State, plan: StagePlan) -> Windowing:
    """The windows of a stage."""
    match plan.window.kind:
        case "each" | "last":
            return LastSamples(state, plan)
        case "tumbling" | "hopping" | "calendar" | "sliding" | "session" | "count" | "state":
            raise NotImplementedError(plan.window.kind)  # until the branches `aligned` and `ordered` are merged
