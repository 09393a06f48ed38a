"""A watch as bytes and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.drift.watch import Watch

Array = NDArray[Any]
Packed = tuple[str, list[int], bytes]
_COUNTS = ("ring", "quality", "reference", "edges", "laid", "_samples", "_seen")
_LIMITS = ("n", "mean", "m2", "above", "below", "alarmed")
_OWN = ("phase", "age", "distance", "spark", "_series", "_card", "_carded")


def pack(array: Array) -> Packed:
    """An array for msgpack."""
    return array.dtype.str, list(array.shape), np.ascontiguousarray(array).tobytes()


def unpack(packed: Packed) -> Array:
    """The array again."""
    kind, shape, data = packed
    return np.frombuffer(data, kind).reshape(shape).copy()


def keep(watch: Watch) -> dict[str, Any]:
    """What it knows; rows that wait are counted first by whoever asks."""
    arrays = {
        **{f"c.{name}": pack(getattr(watch.counts, name)) for name in _COUNTS},
        **{f"l.{name}": pack(getattr(watch.limits, name)) for name in _LIMITS},
        **{f"w.{name}": pack(getattr(watch, name)) for name in _OWN},
    }
    numbers = {"open": watch.open, "late": watch.late, "unwatched": watch.unwatched, "used": watch.used}
    return {
        "columns": list(watch.columns),
        "panes": watch.settings.panes,
        "pane_ns": watch.pane_ns,
        **numbers,
        **arrays,
    }


def restore(watch: Watch, kept: dict[str, Any]) -> bool:
    """Go on where it was; False: it's of other columns or windows, and nothing has changed."""
    same = (kept["columns"], kept["panes"], kept["pane_ns"]) == (
        list(watch.columns), watch.settings.panes, watch.pane_ns,
    )  # fmt: skip
    if not same or kept["used"] > watch.most + 1:
        return False
    targets = (("c.", watch.counts, _COUNTS), ("l.", watch.limits, _LIMITS), ("w.", watch, _OWN))
    for prefix, target, names in targets:
        for name in names:
            setattr(target, name, unpack(kept[prefix + name]))
    watch.open, watch.late, watch.unwatched = kept["open"], kept["late"], kept["unwatched"]
    watch.resume(kept["used"])
    return True
