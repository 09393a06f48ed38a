"""Readings as JSON: `canonical`, `senml` (RFC 8428) and `flat`. Pure, and on columns: Python touches a row once.

Each encoder gives one JSON-ready object a message (`flat`: a device's readings of one time), with the row's series,
so that the caller can sort them by topic.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.quality import Quality, is_usable, quality_of
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.routes.settings import FlatSettings, RowsSettings

Objects = tuple[list[dict[str, Any]], NDArray[np.int32]]
"""The messages, and the series of each one's first row, shape (n,)."""
_PER_S = {"ns": 1_000_000_000, "us": 1_000_000, "ms": 1_000}
_WORD = {Quality.GOOD: "good", Quality.UNCERTAIN: "uncertain", Quality.BAD: "bad"}
_WORDS = [_WORD.get(Quality(code & 3), "bad") if code & 3 < 3 else "bad" for code in range(256)]


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
            "quality": _WORDS[code],
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


def values(batch: Batch, named: dict[int, Series]) -> list[Any]:
    """Each row's value as JSON has it: a number, true or false, a text; None for what is no number."""
    found: list[Any] = batch.value.tolist()
    special = [i for i, s in named.items() if s.kind is not Kind.FLOAT]
    odd = ~np.isfinite(batch.value)
    if special:
        odd |= np.isin(batch.series, special)
    for at in np.flatnonzero(odd).tolist():
        found[at] = _one(found[at], named[int(batch.series[at])].kind, batch.texts)
    return found


def _one(value: float, kind: Kind, texts: Sequence[str]) -> Any:
    if not np.isfinite(value):
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


class Flat:
    """One object for the neighbouring rows of a device with the same time: what was one message is one again.

    Messages of the same series pattern are made column by column; a batch from one kind of device has one pattern, or
    one a device, so rows are told apart by metric alone.
    """

    def __init__(self, settings: FlatSettings, catalogue: Catalogue) -> None:
        self._settings, self._catalogue = settings, catalogue

    def encode(self, batch: Batch) -> Objects:
        """The messages in a batch."""
        if not len(batch):
            return [], batch.series
        catalogue = self._catalogue
        device = catalogue.device_of[batch.series]
        metric = catalogue.metric_of[batch.series]
        starts = np.flatnonzero(np.concatenate([[True], (device[1:] != device[:-1]) | (batch.ts[1:] != batch.ts[:-1])]))
        counts = np.diff(starts, append=len(batch))
        named = {i: catalogue[i] for i in np.unique(batch.series).tolist()}
        whole = values(batch, named)
        width = int(counts[0])
        pattern = metric[:width]
        if (counts == width).all() and (metric.reshape(-1, width) == pattern).all() and len(set(pattern)) == width:
            found = self._columns(batch, device[starts], pattern, whole, width)
        else:
            found = self._rows(batch, device, metric, starts, whole)
        self._mark(found, batch, metric, starts, counts)
        return found, batch.series[starts]

    def _columns(
        self, batch: Batch, device: NDArray[np.int32], pattern: NDArray[np.int32], whole: list[Any], width: int
    ) -> list[dict[str, Any]]:
        settings = self._settings
        keys = [settings.device, settings.time, *(self._key(int(m)) for m in pattern)]
        names = self._catalogue.device_names
        columns: list[Sequence[Any]] = [
            [names[d][1] for d in device.tolist()],
            times(batch.ts[::width], settings.unit),
            *(whole[at::width] for at in range(width)),
        ]
        if settings.node:
            keys.append(settings.node)
            columns.append([names[d][0] for d in device.tolist()])
        return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]

    def _rows(
        self,
        batch: Batch,
        device: NDArray[np.int32],
        metric: NDArray[np.int32],
        starts: NDArray[np.intp],
        whole: list[Any],
    ) -> list[dict[str, Any]]:
        settings, names = self._settings, self._catalogue.device_names
        keys = {m: self._key(m) for m in np.unique(metric).tolist()}
        members = [keys[m] for m in metric.tolist()]
        ends = [*starts[1:].tolist(), len(batch)]
        found = []
        stamps = times(batch.ts[starts], settings.unit)
        for start, end, ts, d in zip(starts.tolist(), ends, stamps, device[starts].tolist(), strict=True):
            one = {settings.device: names[d][1], settings.time: ts}
            if settings.node:
                one[settings.node] = names[d][0]
            one.update(zip(members[start:end], whole[start:end], strict=True))
            found.append(one)
        return found

    def _mark(
        self,
        found: list[dict[str, Any]],
        batch: Batch,
        metric: NDArray[np.int32],
        starts: NDArray[np.intp],
        counts: NDArray[np.intp],
    ) -> None:
        """Say which members aren't good; nothing where all are."""
        doubtful = np.flatnonzero(batch.quality & 3)
        if not len(doubtful):
            return
        message = np.repeat(np.arange(len(starts)), counts)
        for at in doubtful.tolist():
            words = found[message[at]].setdefault("quality", {})
            words[self._key(int(metric[at]))] = _WORD[quality_of(int(batch.quality[at]))]

    def _key(self, metric: int) -> str:
        name = self._catalogue.metric_names[metric]
        return self._settings.fields.get(name, name)


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
