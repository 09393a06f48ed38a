"""Calls of the vibration aggregates that take more than a column: which numbers they need, in which order."""

from collections.abc import Sequence
from typing import Any

from holdfast.stream.aggregates.vibrations import BEARINGS
from holdfast.stream.language.expressions import Kind, Leaf, constant
from holdfast.stream.language.parsing import shown, text_of
from holdfast.stream.language.staging import Stage
from holdfast.stream.plans import WindowSpec
from holdfast.stream.rowops.speeds import WithSpeed
from holdfast.stream.vibration.bearings import bearing

USAGES: dict[str, str] = {
    "band_power": "band_power(x, rate_hz, low_hz, high_hz)",
    "velocity_rms": "velocity_rms(x, rate_hz, low_hz, high_hz)",
    **{name: f"{name}(x, rate_hz, rpm, '6205')" for name in sorted(BEARINGS)},
}
"""By name, how each is written."""
_AT_EVERY_MESSAGE = frozenset({"each", "last", "sliding"})
_FEWEST_HZ, _MOST_HZ = 1.0, 1e6


def vibration_call(  # a call, where it stands, and where it is told of
    stage: Stage, window: WindowSpec, name: str, arguments: list[Any], node: Any, faults: list[str]
) -> Leaf | None:
    """The column of a call of one of `USAGES`; None, and the fault told, when it isn't as it should be."""
    said, before = shown(node), len(faults)
    if window.kind in _AT_EVERY_MESSAGE:
        faults.append(
            f"`{said}` would be worked out anew at every sample in `window: {window.text}`; use one such as "
            "`count 12000`, `tumbling 1s` or `hopping 10s every 1s`"
        )
        return None
    if len(arguments) != 4:
        faults.append(f"`{said}`: write `{USAGES[name]}`")
        return None
    column = stage.column(arguments[0], faults)
    if column is not None and column.kind == "text":
        faults.append(f"`{said}`: {name} of a text")
    rate = constant(arguments[1])
    if rate is None or not _FEWEST_HZ <= rate <= _MOST_HZ:
        faults.append(f"`{said}`: rate_hz is how many samples come in a second, a number as written, 1 to 1000000")
    if len(faults) > before or column is None or rate is None:
        return None
    if name in BEARINGS:
        return _bearing(stage, name, column, rate, arguments[2:], node, faults)
    low, high = _band(arguments[2:], rate, said, faults)
    return None if high is None or low is None else Leaf(
        stage.call(name, column.position, (rate, low, high)), "number"
    )  # fmt: skip


def _band(arguments: Sequence[Any], rate: float, said: str, faults: list[str]) -> tuple[float | None, float | None]:
    low, high = (constant(one) for one in arguments)
    if low is None or high is None or not 0 <= low < high <= rate / 2:
        faults.append(f"`{said}`: a band goes from low_hz up to high_hz, at most half of rate_hz: {rate / 2:g}")
        return None, None
    return low, high


def _bearing(
    stage: Stage, name: str, column: Leaf, rate: float, arguments: list[Any], node: Any, faults: list[str]
) -> Leaf | None:
    said = shown(node)
    text = text_of(arguments[1])
    try:
        orders = bearing(text or "")
    except ValueError as error:
        faults.append(f"`{said}`: {error}")
        return None
    rpm, place = constant(arguments[0]), column.position
    if rpm is None:
        speed = stage.column(arguments[0], faults)
        if speed is None:
            return None
        if speed.kind == "text":
            faults.append(f"`{said}`: rpm is the shaft's speed, a number or a metric, and that is text")
            return None
        first, second = column.position, speed.position
        place = stage.step(
            f"sample {first} at speed {second}", lambda _state, _name: WithSpeed(first, second), "number"
        ).position
    elif rpm <= 0:
        faults.append(f"`{said}`: rpm is the shaft's speed, above 0")
        return None
    given = (rate, rpm or 0.0, orders.outer, orders.inner, orders.ball, orders.cage)
    kind: Kind = "text" if name == "bearing_fault" else "number"
    return Leaf(stage.call(name, place, given), kind)
