"""`samples(x, 1024)`: a window as it is, in feature sets."""

from typing import Any

from holdfast.stream.aggregates.raw import KIND as RAW
from holdfast.stream.language.expressions import constant
from holdfast.stream.language.parsing import shown
from holdfast.stream.plans import WindowSpec

__all__ = ["RAW", "raw_calls"]


def raw_calls(arguments: list[Any], node: Any, window: WindowSpec, faults: list[str]) -> tuple[list[Any], int]:
    """The metrics and how many samples; nothing, and why told, when it isn't as it should be."""
    said = shown(node)
    number = constant(arguments[-1]) if arguments else None
    if len(arguments) < 2 or number is None or not number.is_integer() or number < 1:
        faults.append(f"`{said}`: write `samples(x, 1024)`, or `samples(x, y, z, 60)` for several side by side")
        return [], 0
    count = int(number)
    if window.kind not in ("last", "count"):
        faults.append(
            f"`{said}` needs a window of so many samples: `window: sliding {count} samples` for a row at every "
            f"message, `window: count {count} every {max(1, count // 2)}` for one now and then"
        )
        return [], 0
    if count > window.samples:
        faults.append(f"`{said}`: the window `{window.text}` has {window.samples} samples only")
        return [], 0
    return list(arguments[:-1]), count
