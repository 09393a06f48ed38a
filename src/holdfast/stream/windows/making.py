"""Which class keeps which window."""

from holdfast.stream.evaluations import Windowing
from holdfast.stream.plans import StagePlan
from holdfast.stream.state import State
from holdfast.stream.windows.aligned import AlignedWindows
from holdfast.stream.windows.counted import LastSamples


def make_windows(state: State, plan: StagePlan) -> Windowing:
    """The windows of a stage."""
    match plan.window.kind:
        case "each" | "last":
            return LastSamples(state, plan)
        case "tumbling" | "hopping" | "calendar":
            return AlignedWindows(state, plan)
        case "sliding" | "session" | "count" | "state":
            raise NotImplementedError(plan.window.kind)  # until the branch `ordered` is merged
