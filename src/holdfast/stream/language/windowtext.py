"""The words of `window:`, `for:` and other spans."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import parse_duration, zone
from holdfast.stream.plans import WindowSpec

MAX_SAMPLES = 1_000
MAX_COUNT = 100_000
MIN_WIDTH_S = 0.001
MAX_WIDTH_S = 31 * 86_400.0
MAX_OVERLAP = 10_000
MAX_HOLD = 1_000_000
MAX_SPAN_S = 366 * 86_400.0

WINDOW_HELP = (
    "`none`, `sliding 10 samples`, `sliding 5m`, `sliding 10s ahead 5s`, `tumbling 10s`, `hopping 10m every 1m`, "
    "`session 5m max 1h`, `count 100 every 10`, `state while …`, `state from … to …` or `calendar day in Europe/Berlin`"
)
HOLD_HELP = "`3 samples`: how many evaluations in a row; or a duration such as `5m`"

_SAMPLES = re.compile(r"(\d{1,9})\s+samples?")
_TAIL = re.compile(r"\s+(grace|late)\s+(\S+)$")
_STARTS = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?(?:\s*,\s*\d{1,2}:\d{2}(?::\d{2})?)*")
_Unit = Literal["hour", "day", "week", "month", "year"]
_UNITS: tuple[_Unit, ...] = ("hour", "day", "week", "month", "year")


@dataclass(frozen=True, slots=True)
class WindowText:
    """A window as read. begin, end: the conditions of a state window, "" where it has none."""

    spec: WindowSpec
    begin: str = ""
    end: str = ""


def parse_window(text: str, faults: list[str]) -> WindowText:  # noqa: C901  # one check after the other
    """The window in `text`; when it isn't one, `faults` says why and the answer is of no use."""
    words = " ".join(text.split())
    nothing = WindowText(WindowSpec("each", words))
    if words == "none":
        return nothing
    kind, _, rest = words.partition(" ")
    if kind in {"sliding", "count"} and (kind == "count" or _SAMPLES.fullmatch(rest)):
        spec = _count(words, rest, faults) if kind == "count" else _last(words, rest, faults)
        return WindowText(spec)
    reader = _READERS.get(kind)
    if reader is None:
        faults.append(f"expected {WINDOW_HELP}, not `{words}`")
        return nothing
    tails = dict[str, str]()
    while found := _TAIL.search(rest):
        if found[1] in tails:
            faults.append(f"`{found[1]}` stands twice in `{words}`")
        tails[found[1]] = found[2]
        rest = rest[: found.start()]
    late = _span(tails.get("late", "0s"), words, faults)
    if late and kind not in {"tumbling", "hopping", "calendar"}:
        faults.append(f"`late` belongs to tumbling, hopping and calendar windows, not to a {kind} window")
    grace = _span(tails.get("grace", "0s"), words, faults)
    if max(grace, late) > MAX_WIDTH_S * NS_PER_S:
        faults.append("a grace is at most 31d, and so is `late`")
    before = len(faults)
    made = reader(words, rest, faults)
    if made is None:
        if len(faults) == before:
            faults.append(f"expected {WINDOW_HELP}, not `{words}`")
        return nothing
    return replace(made, spec=replace(made.spec, grace=grace, late=late))


@dataclass(frozen=True, slots=True)
class Hold:
    """`3 samples` or `5m`, in ns."""

    samples: int = 1
    ns: int = 0


def parse_hold(text: str, faults: list[str]) -> Hold:
    """The N of `for: N samples`, or its time; when it's neither, `faults` says why."""
    words = " ".join(text.split())
    found = _SAMPLES.fullmatch(words)
    if found is not None and 1 <= int(found[1]) <= MAX_HOLD:
        return Hold(int(found[1]))
    said: list[str] = []
    span = 0 if found is not None else parse_span(words, said)
    if found is not None or said:
        faults.append(f"expected {HOLD_HELP} (1 to {MAX_HOLD} samples, up to 366d), not `{words}`")
    return Hold(1, span)


def parse_span(text: str, faults: list[str]) -> int:
    """A duration of 1 ms to 366 days, ns."""
    where, beyond = f"not `{' '.join(text.split())}`", f"expected 1ms to 366d, not `{text}`"
    return _duration(text, MAX_SPAN_S, where, beyond, faults)


def _duration(text: str, most_s: float, where: str, beyond: str, faults: list[str]) -> int:
    """A duration of 1 ms to `most_s`, ns; else 0, and a fault: `beyond` of one that is longer or shorter."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        faults.append(f"{error}, {where}")
        return 0
    if not MIN_WIDTH_S <= seconds <= most_s:
        faults.append(beyond)
        return 0
    return round(seconds * NS_PER_S)


def _last(words: str, rest: str, faults: list[str]) -> WindowSpec:
    samples = int(rest.split(maxsplit=1)[0])
    if not 1 <= samples <= MAX_SAMPLES:
        faults.append(f"a sliding window has 1 to {MAX_SAMPLES} samples, not {samples}")
    return WindowSpec("last", words, samples=samples)


def _count(words: str, rest: str, faults: list[str]) -> WindowSpec:
    found = re.fullmatch(r"(\d{1,9})(?:\s+every\s+(\d{1,9}))?", rest)
    if found is None:
        faults.append(f"expected `count 100` or `count 100 every 10`, not `{words}`; it has no `grace` and no `late`")
        return WindowSpec("count", words)
    samples = int(found[1])
    step = samples if found[2] is None else int(found[2])
    if not 1 <= samples <= MAX_COUNT or not 1 <= step <= MAX_COUNT:
        faults.append(f"a count window has 1 to {MAX_COUNT} samples and so has its step")
    return WindowSpec("count", words, samples=samples, step=step)


def _tumbling(words: str, rest: str, faults: list[str]) -> WindowText | None:
    width = _width(rest, "a tumbling window", words, faults)
    return None if not width else WindowText(WindowSpec("tumbling", words, width=width, hop=width))


def _hopping(words: str, rest: str, faults: list[str]) -> WindowText | None:
    found = re.fullmatch(r"(\S+)\s+every\s+(\S+)", rest)
    if found is None:
        return None
    width, hop = _width(found[1], "a hopping window", words, faults), _width(found[2], "a hop", words, faults)
    if width and hop and width > hop * MAX_OVERLAP:
        faults.append(f"a reading would be in more than {MAX_OVERLAP} windows; hop further than {found[2]}")
    return WindowText(WindowSpec("hopping", words, width=width, hop=hop)) if width and hop else None


def _sliding(words: str, rest: str, faults: list[str]) -> WindowText | None:
    found = re.fullmatch(r"(\S+)(?:\s+ahead\s+(\S+))?", rest)
    if found is None:
        return None
    behind = _width(found[1], "a sliding window", words, faults)
    ahead = 0 if found[2] is None else _width(found[2], "what a sliding window looks ahead", words, faults)
    return WindowText(WindowSpec("sliding", words, behind=behind, ahead=ahead)) if behind else None


def _session(words: str, rest: str, faults: list[str]) -> WindowText | None:
    found = re.fullmatch(r"(\S+)(?:\s+max\s+(\S+))?", rest)
    if found is None:
        return None
    gap = _width(found[1], "a session's gap", words, faults)
    most = 0 if found[2] is None else _width(found[2], "a session", words, faults)
    if most and gap > most:
        faults.append(f"a session's `max` can't be shorter than its gap of {found[1]}")
    return WindowText(WindowSpec("session", words, gap=gap, most=most)) if gap else None


def _state(words: str, rest: str, faults: list[str]) -> WindowText | None:  # noqa: ARG001 - as the other readers
    spec = WindowSpec("state", words)
    if found := re.fullmatch(r"while\s+(.+)", rest, re.DOTALL):
        return WindowText(spec, found[1])
    if found := re.fullmatch(r"from\s+(.+?)\s+to\s+(.+)", rest, re.DOTALL):
        return WindowText(spec, found[1], found[2])
    return None


def _calendar(words: str, rest: str, faults: list[str]) -> WindowText | None:
    found = re.fullmatch(r"([a-z]+)(?:\s+in\s+(\S+))?(?:\s+at\s+(.+))?", rest)
    unit = next((u for u in _UNITS if found is not None and found[1] == u), None)
    if found is None or unit is None:
        faults.append(
            f"expected `calendar` and one of {', '.join(_UNITS)}, as in `calendar day in Europe/Berlin at 06:00`"
        )
        return None
    name = found[2] or "UTC"
    try:
        zone(name)
    except ValueError as error:
        faults.append(f"{error}, not `{name}`")
    starts = (0,) if found[3] is None else _starts(found[3], faults)
    if unit == "hour" and found[3] is not None:
        faults.append("an hour has no `at`; a day, week, month or year has")
    if unit != "day" and len(starts) > 1:
        faults.append(f"only a day has several `at`, not a {unit}")
    return WindowText(WindowSpec("calendar", words, unit=unit, zone=name, starts=starts))


def _starts(text: str, faults: list[str]) -> tuple[int, ...]:
    if _STARTS.fullmatch(text) is None:
        faults.append(f"expected times of the day such as `06:00, 14:00, 22:00`, not `{text}`")
        return (0,)
    found = []
    for one in text.split(","):
        hours, minutes, seconds = (*map(int, one.strip().split(":")), 0)[:3]
        if hours > 23 or minutes > 59 or seconds > 59:
            faults.append(f"`{one.strip()}` is no time of the day")
        found.append(hours * 3600 + minutes * 60 + seconds)
    if len(set(found)) < len(found):
        faults.append(f"the same time stands twice in `{text}`")
    return tuple(sorted(set(found)))


def _width(text: str, what: str, words: str, faults: list[str]) -> int:
    return _duration(text, MAX_WIDTH_S, f"in `{words}`", f"{what} is 1ms to 31d long, not {text}", faults)


def _span(text: str, words: str, faults: list[str]) -> int:
    try:
        return round(min(parse_duration(text), 1e9) * NS_PER_S)
    except ValueError as error:
        faults.append(f"{error}, in `{words}`")
        return 0


_Reader = Callable[[str, str, list[str]], WindowText | None]
_READERS: dict[str, _Reader] = {
    "tumbling": _tumbling,
    "hopping": _hopping,
    "sliding": _sliding,
    "session": _session,
    "state": _state,
    "calendar": _calendar,
}
