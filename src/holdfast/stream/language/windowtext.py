"""The words of `window:` and `for:`."""

import re

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import parse_duration
from holdfast.stream.plans import WindowSpec

MAX_SAMPLES = 1_000
MIN_WIDTH_S = 0.001
MAX_WIDTH_S = 31 * 86_400.0
DEFAULT_GRACE_S = 0.0
MAX_HOLD = 1_000_000

WINDOW_HELP = "`sliding 10 samples`, `tumbling 10s`, `tumbling 10s grace 2s`, or `none`"
HOLD_HELP = "`3 samples`: how many evaluations in a row"

_SLIDING = re.compile(r"sliding\s+(\d{1,9})\s+samples?")
_TUMBLING = re.compile(r"tumbling\s+(\S+)(?:\s+grace\s+(\S+))?")
_HOLD = re.compile(r"(\d{1,9})\s+samples?")


def parse_window(text: str, faults: list[str]) -> WindowSpec:
    """The window in `text`; when it isn't one, `faults` says why and the answer is of no use."""
    words = " ".join(text.split())
    if words == "none":
        return WindowSpec("each", words)
    if found := _SLIDING.fullmatch(words):
        return _sliding(words, int(found[1]), faults)
    if found := _TUMBLING.fullmatch(words):
        return _tumbling(words, found[1], found[2], faults)
    faults.append(f"expected {WINDOW_HELP}, not `{words}`")
    return WindowSpec("each", words)


def parse_hold(text: str, faults: list[str]) -> int:
    """The N of `for: N samples`; when there is none, `faults` says why."""
    words = " ".join(text.split())
    found = _HOLD.fullmatch(words)
    if found is None or not 1 <= int(found[1]) <= MAX_HOLD:
        faults.append(f"expected {HOLD_HELP} (1 to {MAX_HOLD}), not `{words}`")
        return 1
    return int(found[1])


def _sliding(words: str, samples: int, faults: list[str]) -> WindowSpec:
    if not 1 <= samples <= MAX_SAMPLES:
        faults.append(f"a sliding window has 1 to {MAX_SAMPLES} samples, not {samples}")
    return WindowSpec("last", words, samples=samples)


def _tumbling(words: str, width: str, grace: str | None, faults: list[str]) -> WindowSpec:
    try:
        width_s = parse_duration(width)
        grace_s = DEFAULT_GRACE_S if grace is None else parse_duration(grace)
    except ValueError as error:
        faults.append(f"{error}, in `{words}`")
        return WindowSpec("tumbling", words, width=1, hop=1)
    if not MIN_WIDTH_S <= width_s <= MAX_WIDTH_S:
        faults.append(f"a tumbling window is 1ms to 31d long, not {width}")
    if grace_s > MAX_WIDTH_S:
        faults.append(f"a grace is at most 31d, not {grace}")
    width_ns = round(width_s * NS_PER_S)
    return WindowSpec("tumbling", words, width=width_ns, hop=width_ns, grace=round(grace_s * NS_PER_S))
