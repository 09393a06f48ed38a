"""What a window that needs order may cost: said when a rule is loaded, not when a node runs out of memory."""

from holdfast.kernel.clock import NS_PER_S
from holdfast.stream.plans import WindowSpec
from holdfast.stream.windows.pool import MAX_SAMPLES

MOST_NS = 31 * 86_400 * NS_PER_S


def check_ordered_window(spec: WindowSpec) -> list[str]:
    """What is wrong with a sliding, session, count or state window, each fault with what to do; empty: nothing."""
    faults = []
    if spec.kind in {"sliding", "session", "state"} and not 0 <= spec.grace <= MOST_NS:
        faults.append(f"a grace is at most 31d, in `{spec.text}`")
    match spec.kind:
        case "sliding" if spec.behind < 0 or spec.ahead < 0 or not 0 < spec.behind + spec.ahead <= MOST_NS:
            faults.append(f"a sliding window is 31d long at most and longer than nothing, in `{spec.text}`")
        case "session" if not 0 < spec.gap <= MOST_NS:
            faults.append(f"a session's gap is 31d at most and longer than nothing, in `{spec.text}`")
        case "session" if spec.most and not spec.gap <= spec.most <= MOST_NS:
            faults.append(f"a session's `max` is at least its gap and at most 31d, in `{spec.text}`")
        case "count" if not 1 <= spec.samples <= MAX_SAMPLES or spec.step < 1:
            faults.append(f"a count window has 1 to {MAX_SAMPLES:,} messages, every 1 or more, not `{spec.text}`")
        case "state" if spec.begin < 0:
            faults.append(f"a state window needs the condition it begins with: `state while c`, not `{spec.text}`")
        case _:
            pass
    return faults
