"""Values, times and qualities as JSON says them: what all formats of rows share."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality
from holdfast.model.series import Kind, Series

Objects = tuple[list[Any], NDArray[np.int32]]
"""The messages, JSON-ready, and the series of each one's first row, shape (n,)."""
_PER_S = {"ns": 1_000_000_000, "us": 1_000_000, "ms": 1_000}
_WORD = {Quality.GOOD: "good", Quality.UNCERTAIN: "uncertain", Quality.BAD: "bad"}
WORDS = [_WORD.get(Quality(code & 3), "bad") if code & 3 < 3 else "bad" for code in range(256)]
"""By quality byte."""


def values(batch: Batch, named: dict[int, Series]) -> list[Any]:
    """Each row's value as JSON has it: a number, true or false, a text; None for what is no number."""
    found: list[Any] = batch.value.tolist()
    special = [i for i, s in named.items() if s.kind is not Kind.FLOAT]
    odd = ~np.isfinite(batch.value)
    if special:
        odd |= np.isin(batch.series, special)
    for at in np.flatnonzero(odd).tolist():
        found[at] = one_value(found[at], named[int(batch.series[at])].kind, batch.texts)
    return found


def one_value(value: float, kind: Kind, texts: Sequence[str]) -> Any:
    """As `values`, for one."""
    if not isfinite(value):
        return None
    match kind:
        case Kind.TEXT:
            return texts[int(value)]
        case Kind.BOOL:
            return bool(value)
        case Kind.INT:
            return int(value)
        case _:
            return value


def times(ts: NDArray[np.int64], unit: str) -> list[Any]:
    """Times in a unit, as JSON has them: whole numbers where no digit is lost, else fractions of the unit."""
    if unit == "iso8601":
        return [datetime.fromtimestamp(one / 1e9, UTC).isoformat() for one in ts.tolist()]
    if unit == "s":
        seconds: list[float] = (ts / 1e9).tolist()
        return seconds
    step = _PER_S["ns"] // _PER_S[unit]
    whole, rest = np.divmod(ts, step)
    units: list[float] = (ts / step if rest.any() else whole).tolist()
    return units
