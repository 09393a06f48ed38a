"""The windows of eKuiper's SQL and of Stream Analytics, as ours.

Where both have a function of the same name with other arguments (session), the unit tells them apart: eKuiper's are
dd, hh, mi, ss, ms; Stream Analytics spells them (second, minute …).
"""

from collections.abc import Callable
from typing import Any

from holdfast.stream.language import parsing
from holdfast.stream.language.expressions import constant
from holdfast.stream.language.parsing import call, canonical, shown
from holdfast.stream.language.windowtext import WindowText, parse_window

_EKUIPER = {"dd": "d", "hh": "h", "mi": "m", "ss": "s", "ms": "ms"}
_ANALYTICS = {"day": "d", "hour": "h", "minute": "m", "second": "s", "millisecond": "ms", "microsecond": "us"}
NAMES = frozenset({"tumblingwindow", "hoppingwindow", "slidingwindow", "sessionwindow", "countwindow", "statewindow"})


def is_window(node: Any) -> bool:
    """Whether a term of `group by` is a window."""
    found = call(node)
    return found is not None and found[0] in NAMES


def window_of(node: Any, faults: list[str]) -> WindowText:
    """The window that a term of `group by` is."""
    name, arguments = call(node)  # type: ignore[misc]  # the caller knows it to be one
    text = _MAKERS[name](arguments)
    if text is None:
        faults.append(f"`{shown(node)}`: write `{_USAGES[name]}`")
        return parse_window("none", [])
    return parse_window(text, faults)


def _spans(arguments: list[Any], least: int, most: int) -> tuple[str, list[str]] | None:
    """A unit and numbers of it: (unit as written, durations)."""
    if not least < len(arguments) <= most + 1:
        return None
    unit = (parsing.dotted(arguments[0]) or "").lower()
    ours = _EKUIPER.get(unit) or _ANALYTICS.get(unit) or _ANALYTICS.get(unit.removesuffix("s"))
    numbers = [constant(one) for one in arguments[1:]]
    if ours is None or any(n is None or not n > 0 for n in numbers):
        return None
    return unit, [f"{n:.6f}".rstrip("0").rstrip(".") + ours for n in numbers if n is not None]


def _tumbling(arguments: list[Any]) -> str | None:
    found = _spans(arguments, 1, 1)
    return None if found is None else f"tumbling {found[1][0]}"


def _hopping(arguments: list[Any]) -> str | None:
    found = _spans(arguments, 2, 2)
    return None if found is None else f"hopping {found[1][0]} every {found[1][1]}"


def _sliding(arguments: list[Any]) -> str | None:
    found = _spans(arguments, 1, 2)
    if found is None:
        return None
    return f"sliding {found[1][0]}" + (f" ahead {found[1][1]}" if len(found[1]) > 1 else "")


def _session(arguments: list[Any]) -> str | None:
    found = _spans(arguments, 1, 2)
    if found is None:
        return None
    unit, spans = found
    if unit in _EKUIPER:  # (unit, at most so long, gap)
        return f"session {spans[1]} max {spans[0]}" if len(spans) == 2 else None
    return f"session {spans[0]}" + (f" max {spans[1]}" if len(spans) == 2 else "")


def _count(arguments: list[Any]) -> str | None:
    numbers = [constant(one) for one in arguments]
    if not 1 <= len(numbers) <= 2 or any(n is None or not n.is_integer() or n < 0 for n in numbers):
        return None
    return " every ".join(str(int(n)) for n in numbers if n is not None).join(("count ", ""))


def _state(arguments: list[Any]) -> str | None:
    conditions = [canonical(one).replace("hf__", "") for one in arguments]
    if len(conditions) == 1:
        return f"state while {conditions[0]}"
    return f"state from {conditions[0]} to {conditions[1]}" if len(conditions) == 2 else None


_MAKERS: dict[str, Callable[[list[Any]], str | None]] = {
    "tumblingwindow": _tumbling,
    "hoppingwindow": _hopping,
    "slidingwindow": _sliding,
    "sessionwindow": _session,
    "countwindow": _count,
    "statewindow": _state,
}
_USAGES = {
    "tumblingwindow": "TUMBLINGWINDOW(ss, 10) or TumblingWindow(second, 10)",
    "hoppingwindow": "HOPPINGWINDOW(mi, 10, 1) or HoppingWindow(minute, 10, 1)",
    "slidingwindow": "SLIDINGWINDOW(ss, 10[, 5]) or SlidingWindow(second, 10)",
    "sessionwindow": "SESSIONWINDOW(ss, 60, 5): at most 60 s, ended by 5 s of silence; or SessionWindow(second, 5, 60)",
    "countwindow": "COUNTWINDOW(100[, 10])",
    "statewindow": "STATEWINDOW(begins, ends) or STATEWINDOW(condition)",
}
