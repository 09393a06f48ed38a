"""What models are fed: rows side by side, standardised in float64, cast, and checked. Arithmetic on whole batches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.card import Inputs

Array = NDArray[Any]
Fed = tuple[Array, Array | None]
"""Numbers for the tensor, (n, f), and which rows may be scored; None = all."""
Feeder = Callable[[Sequence[Array], "Room"], Fed]
"""Makes that of rows in parts, (n, f) each, in a room: good until the room is used again."""
_LONG = 256
_LARGE = 8192
"""Numbers of a part that is worth letting go of the GIL for: numpy does so for each, and may have to wait to get it
back."""


class Room:
    """Arrays that are kept from batch to batch; one thread's. Fresh pages would cost as much as the arithmetic."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, np.dtype[Any]], Array] = {}

    def array(self, name: str, n: int, width: int, dtype: Any = np.float64) -> Array:
        """An array of this name, (n, width), with anything in it; another of the name isn't good any more."""
        key = (name, np.dtype(dtype))
        held = self._held.get(key)
        if held is None or held.size < n * width:
            held = self._held[key] = np.empty(n * width, dtype)
        return held[: n * width].reshape(n, width)


def together(parts: Sequence[Array], room: Room) -> Array:
    """All rows, (n, f): the part itself if there's one, else float64 side by side in the room."""
    if len(parts) == 1:
        return parts[0]
    n, width = _shape(parts)
    values = room.array("values", n, width)
    if n * width >= _LARGE * len(parts):
        _copy(parts, values)
        return values
    held, at = values.data.cast("B"), 0
    for part in parts:
        mine = np.ascontiguousarray(part, np.float64).data.cast("B")
        held[at : at + len(mine)] = mine
        at += len(mine)
    return values


def feeder(inputs: Inputs) -> Feeder:
    """What turns values into the tensor's numbers. Numpy would warn of what isn't finite: see `Model`."""
    dtype = np.dtype(inputs.dtype)
    cast = _float if dtype.kind == "f" else _whole
    if not inputs.mean and not inputs.std:
        return lambda parts, room: cast(parts, dtype, room)
    standardised = _standardiser(spread(inputs, inputs.mean, 0.0), 1 / spread(inputs, inputs.std, 1.0))
    return lambda parts, room: cast([standardised(together(parts, room), room)], dtype, room)


def spread(inputs: Inputs, values: tuple[float, ...], default: float) -> Array:
    """A number for each value of a row, (f,), of what the card gives."""
    if not values:
        return np.full(int(np.prod(inputs.shape)), default)
    given = np.array(values, np.float64)
    if len(given) == inputs.shape[0] and len(inputs.shape) > 1 and len(given) != inputs.shape[-1]:
        given = given.reshape(-1, *([1] * (len(inputs.shape) - 1)))
    return np.broadcast_to(given, inputs.shape).reshape(-1) if given.size < np.prod(inputs.shape) else given


def _shape(parts: Sequence[Array]) -> tuple[int, int]:
    return sum(len(part) for part in parts), parts[0].shape[1]


def _copy(parts: Sequence[Array], to: Array) -> None:
    at = 0
    for part in parts:
        np.copyto(to[at : at + len(part)], part, casting="unsafe")
        at += len(part)


def _standardiser(mean: Array, scale: Array) -> Callable[[Array, Room], Array]:
    """(x - mean) * scale of each row. Numpy is slow along short rows, so as many as make a long one go together."""
    lanes = max(1, _LONG // len(mean))
    means, scales = np.tile(mean, lanes), np.tile(scale, lanes)

    def standardised(values: Array, room: Room) -> Array:
        out = room.array("values", *values.shape)
        if len(values) < lanes:
            np.subtract(values, mean, out=out)
            out *= scale
            return out
        whole = len(values) - len(values) % lanes
        for some, centre, factor in ((slice(whole), means, scales), (slice(whole, None), mean, scale)):
            if len(values[some]):
                here = out[some].reshape(-1, len(centre))
                np.subtract(values[some].reshape(-1, len(centre)), centre, out=here)
                here *= factor
        return out

    return standardised


def _float(parts: Sequence[Array], dtype: np.dtype[Any], room: Room) -> Fed:
    n, width = _shape(parts)
    if len(parts) > 1 and n * width < _LARGE * len(parts):
        parts = [together(parts, room)]
    fed = parts[0]
    if len(parts) > 1 or fed.dtype != dtype or not fed.flags.c_contiguous:
        fed = room.array("fed", n, width, dtype)
        _copy(parts, fed)  # beyond the type's range it is infinite, and not scored
    finite = np.isfinite(fed, out=room.array("finite", n, width, np.bool_))
    return fed, None if finite.all() else np.asarray(finite.all(axis=1))


def _whole(parts: Sequence[Array], dtype: np.dtype[Any], room: Room) -> Fed:
    limits = np.iinfo(dtype)
    near = np.rint(together(parts, room).astype(np.float64, copy=False))
    fits = (near >= limits.min) & (near <= limits.max)  # false of NaN too
    return np.where(fits, near, 0).astype(dtype), None if fits.all() else np.asarray(fits.all(axis=1))
