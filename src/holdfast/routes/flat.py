"""`flat`: one object for the neighbouring rows of a device with the same time, so what was one message is one again."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind
from holdfast.routes.settings import FlatSettings
from holdfast.routes.spoken import WORDS, Objects, one_value, times, values

_FEW = 32
_REMEMBERED = 20_000
_PATTERNS = 256


class _Facts(NamedTuple):
    """What a series is called in messages. device: its number in the catalogue."""

    device: int
    node: str
    name: str
    key: str
    kind: Kind


class Flat:
    """Makes the messages.

    A few rows are taken one by one. Many of one pattern (a device's metrics, message after message) are made column by
    column, as structs with the pattern's keys; a batch of mixed messages, or with a quality to be told, as dicts.
    """

    def __init__(self, settings: FlatSettings, catalogue: Catalogue) -> None:
        self._settings, self._catalogue = settings, catalogue
        self._facts: dict[int, _Facts] = {}
        self._structs: dict[tuple[str, ...], Any] = {}

    def encode(self, batch: Batch) -> Objects:
        """The messages in a batch."""
        if len(batch) <= _FEW:
            return self._few(batch)
        catalogue = self._catalogue
        device = catalogue.device_of[batch.series]
        metric = catalogue.metric_of[batch.series]
        is_start = np.ones(len(batch), np.bool_)
        np.not_equal(device[1:], device[:-1], out=is_start[1:])
        is_start[1:] |= batch.ts[1:] != batch.ts[:-1]
        starts = is_start.nonzero()[0]
        counts = np.diff(starts, append=len(batch))
        named = {i: catalogue[i] for i in np.unique(batch.series).tolist()}
        whole = values(batch, named)
        doubtful = np.flatnonzero(batch.quality & 3)
        width = int(counts[0])
        pattern = metric[:width]
        is_even = (counts == width).all() and (metric.reshape(-1, width) == pattern).all()
        if is_even and not len(doubtful) and len(set(pattern.tolist())) == width:
            found = self._columns(batch, device[starts], pattern.tolist(), whole)
        else:
            found = self._rows(batch, device, metric, starts, whole)
            self._mark(found, batch, metric, doubtful, np.repeat(np.arange(len(starts)), counts))
        return found, batch.series[starts]

    def _few(self, batch: Batch) -> Objects:
        """As `encode`, row by row: for a few, three dozen column operations cost more."""
        settings, found, firsts, stamps = self._settings, list[dict[str, Any]](), list[int](), list[int]()
        marks: list[tuple[dict[str, Any], str, str]] = []
        device = before = -1
        rows = zip(batch.series.tolist(), batch.ts.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True)
        for series, ts, value, code in rows:
            facts = self._facts.get(series) or self._look_up(series)
            if facts.device != device or ts != before:
                device, before = facts.device, ts
                found.append({settings.device: facts.name, settings.time: None})
                if settings.node:
                    found[-1][settings.node] = facts.node
                firsts.append(series)
                stamps.append(ts)
            found[-1][facts.key] = one_value(value, facts.kind, batch.texts)
            if code & 3:
                marks.append((found[-1], facts.key, WORDS[code]))
        for one, stamp in zip(found, times(np.array(stamps, np.int64), settings.unit), strict=True):
            one[settings.time] = stamp
        for one, key, word in marks:
            one.setdefault("quality", {})[key] = word
        return found, np.array(firsts, np.int32)

    def _columns(self, batch: Batch, device: NDArray[np.int32], pattern: Sequence[int], whole: list[Any]) -> list[Any]:
        settings, width = self._settings, len(pattern)
        keys, names = [settings.device, settings.time], [self._catalogue.device_names[d] for d in device.tolist()]
        columns: list[Sequence[Any]] = [[name for _, name in names], times(batch.ts[::width], settings.unit)]
        if settings.node:
            keys.append(settings.node)
            columns.append([node for node, _ in names])
        keys += map(self._key, pattern)
        columns += [whole[at::width] for at in range(width)]
        if len(set(keys)) < len(keys):  # two columns of one name: the later one counts, as in any object
            return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(map(self._struct(tuple(keys)), *columns))

    def _struct(self, keys: tuple[str, ...]) -> Any:
        """A type with these keys: made and encoded at a fraction of a dict's cost."""
        known = self._structs.get(keys)
        if known is None:
            if len(self._structs) >= _PATTERNS:
                self._structs.clear()
            own = {f"m{i}": key for i, key in enumerate(keys)}
            known = self._structs[keys] = msgspec.defstruct("Row", [(m, Any) for m in own], rename=own, gc=False)
        return known

    def _rows(
        self,
        batch: Batch,
        device: NDArray[np.int32],
        metric: NDArray[np.int32],
        starts: NDArray[np.intp],
        whole: list[Any],
    ) -> list[Any]:
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
        found: list[Any],
        batch: Batch,
        metric: NDArray[np.int32],
        doubtful: NDArray[np.intp],
        message: NDArray[np.intp],
    ) -> None:
        """Say which members aren't good."""
        for at in doubtful.tolist():
            words = found[message[at]].setdefault("quality", {})
            words[self._key(int(metric[at]))] = WORDS[int(batch.quality[at])]

    def _look_up(self, series: int) -> _Facts:
        if len(self._facts) >= _REMEMBERED:
            self._facts.clear()
        one = self._catalogue[series]
        key = self._settings.fields.get(one.metric, one.metric)
        device = int(self._catalogue.device_of[series])
        facts = self._facts[series] = _Facts(device, one.node, one.device, key, one.kind)
        return facts

    def _key(self, metric: int) -> str:
        name = self._catalogue.metric_names[metric]
        return self._settings.fields.get(name, name)
