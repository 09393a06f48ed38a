"""Readings as JSON: `canonical`, `senml` (RFC 8428) and `flat`. Pure, and on columns: Python touches a row once.

Each encoder gives one JSON-ready object a message (`flat`: a device's readings of one time), with the row's series,
so that the caller can sort them by topic.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.quality import is_usable
from holdfast.model.series import Catalogue, Kind
from holdfast.routes.flat import Flat
from holdfast.routes.settings import RowsSettings
from holdfast.routes.spoken import WORDS, Objects, values


def encoder(settings: RowsSettings, catalogue: Catalogue) -> Callable[[Batch], Objects]:
    """What makes messages of a batch in this format."""
    match settings.format:
        case "canonical":
            return lambda batch: _canonical(batch, catalogue)
        case "senml":
            return lambda batch: _senml(batch, catalogue)
        case "flat":
            return Flat(settings.flat, catalogue).encode


def _canonical(batch: Batch, catalogue: Catalogue) -> Objects:
    """`node`, `device`, `metric`, `unit`, `ts` (ns UTC), `value` (null = no number) and `quality`."""
    named = {i: catalogue[i] for i in np.unique(batch.series).tolist()}
    found = [
        {
            "node": s.node,
            "device": s.device,
            "metric": s.metric,
            "unit": s.unit,
            "ts": ts,
            "value": value,
            "quality": WORDS[code],
        }
        for s, ts, value, code in zip(
            map(named.__getitem__, batch.series.tolist()),
            batch.ts.tolist(),
            values(batch, named),
            batch.quality.tolist(),
            strict=True,
        )
    ]
    return found, batch.series


def _senml(batch: Batch, catalogue: Catalogue) -> Objects:
    """Resolved records (RFC 8428 §4.6): `n` is node/device/metric, `t` seconds. Bad readings have no place in it."""
    usable = is_usable(batch.quality)
    batch = batch if usable.all() else batch.take(usable)
    named = {i: catalogue[i] for i in np.unique(batch.series).tolist()}
    found = []
    keep = np.ones(len(batch), np.bool_)
    rows = zip(batch.series.tolist(), (batch.ts / 1e9).tolist(), values(batch, named), strict=True)
    for at, (number, ts, value) in enumerate(rows):
        series = named[number]
        if value is None:
            keep[at] = False
            continue
        record: dict[str, Any] = {"n": series.name, "t": ts, _member(series.kind): value}
        if series.unit:
            record["u"] = series.unit
        found.append(record)
    return found, batch.series[keep]


def _member(kind: Kind) -> str:
    return {Kind.TEXT: "vs", Kind.BOOL: "vb"}.get(kind, "v")
