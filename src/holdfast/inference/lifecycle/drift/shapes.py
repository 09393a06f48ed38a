"""How columns lie over their bins, then and now: what a PSI was made of, for people to look at. Reads only."""

import numpy as np
from msgspec import Struct

from holdfast.inference.lifecycle.drift.watch import Watch

MOST = 200


class Shape(Struct, frozen=True):
    """One column. edges: inner, ascending; then, now: shares of rows, one more than edges, each with the sum 1."""

    edges: list[float]
    then: list[float]
    now: list[float]


def shapes_of(watch: Watch) -> dict[str, Shape]:
    """By column, of the deployment as a whole over the last long window; what has no rows or no bins is left out."""
    if watch.open < 0:
        return {}
    _, (now, then) = watch._windows(watch.open - 1)  # noqa: SLF001  # the very counts that were judged, not others
    found = {}
    for at, name in enumerate(watch.columns[:MOST]):
        edges = watch.counts.edges[:, 0, at]
        used = int(np.isfinite(edges).sum()) + 1
        a, b = then[0, at, :used], now[0, at, :used]
        if used > 1 and a.sum() > 0 and b.sum() > 0:
            found[name] = Shape(*(_short(one) for one in (edges[: used - 1], a / a.sum(), b / b.sum())))
    return found


def _short(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float]:
    return [float(f"{x:.5g}") for x in values.tolist()]
