"""What the devices showed, played again from the same seed, against what the hub's journal holds. Blocking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.kernel.clock import NS_PER_MS, NS_PER_S
from holdfast.model.lane import Lane
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Series
from holdfast.model.units import canonical, conversion, payload_unit
from holdfast.sim.demo.plant.plan import PlantPlan, is_polled
from holdfast.sim.demo.plant.report import ProtocolRow
from holdfast.sim.ends.port import End as DeviceEnd
from holdfast.sim.ends.port import Faults, Scalar
from holdfast.sim.site.tally import Tally

_ALL_TIME = 1 << 62
_EXACT = 1e-9
_F32 = 2e-7
"""What is left of a number in 32 bits."""
_STEPS_S = 3.0
"""A polled value is one that was shown within so long before it was read: the poll's way, and the sim's own lag."""
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Shown:
    """What one device showed: moments, ns UTC, and the values of each point."""

    times: list[int] = field(default_factory=list)
    values: dict[str, list[Scalar]] = field(default_factory=dict)


class _Noting:
    """An end that notes what its devices show."""

    def __init__(self, end: DeviceEnd, into: dict[str, Shown]) -> None:
        self._end, self._into = end, into

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """Note, and let the end make its frames."""
        shown = self._into.setdefault(device, Shown())
        shown.times.append(at_ns)
        for name, value in values.items():
            shown.values.setdefault(name, []).append(value)
        return self._end.frames(device, at_ns, values)

    async def start(self) -> None:
        """Nothing is opened here."""

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """Nothing is sent here."""

    async def stop(self) -> None:
        """Nothing was opened."""

    def map_yaml(self) -> str:
        """The end's own."""
        return self._end.map_yaml()


def played(plan: PlantPlan, start_ns: int) -> tuple[dict[str, Shown], str]:
    """What each device showed in a run that began then, by name; and the hash over all of it."""
    found: dict[str, Shown] = {}
    ends = {group.name: _Noting(group.end(), found) for group in plan.scenario.groups}
    tally = Tally({group.name: (group.settings.protocol, len(group.devices)) for group in plan.scenario.groups})
    for showing in plan.scenario.play(start_ns, ends).showings(round(plan.seconds * NS_PER_S)):
        tally.take(showing)
    return found, tally.digest


class Kept(NamedTuple):
    """A series' readings, in order of time."""

    unit: str
    ts: NDArray[np.int64]
    value: Floats
    quality: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """A journal's readings. doubled: those of one series with equal times."""

    by_series: dict[Series, Kept]
    readings: int
    doubled: int


def stored(path: Path) -> Stored:
    """Read a stopped node's journal."""
    catalogue = load_catalogue(path).since(0)
    reader = JournalReader(path)
    try:
        groups = [g for g in reader.between(0, _ALL_TIME, Lane.BULK) if g.kind is GroupKind.READINGS]
    finally:
        reader.close()
    batches = [decode_readings(group.blob) for group in groups]
    if not batches:
        return Stored({}, 0, 0)
    series, ts, value, quality = (
        np.concatenate([getattr(batch, name) for batch in batches]) for name in ("series", "ts", "value", "quality")
    )
    order = np.lexsort((ts, series))
    series, ts, value, quality = series[order], ts[order], value[order], quality[order]
    doubled = int(((series[1:] == series[:-1]) & (ts[1:] == ts[:-1])).sum())
    ends = np.append(np.flatnonzero(np.diff(series)) + 1, len(series))
    found: dict[Series, Kept] = {}
    begin = 0
    for end in ends.tolist():
        one = catalogue[int(series[begin])]
        found[one] = Kept(one.unit, ts[begin:end], value[begin:end], quality[begin:end])
        begin = end
    return Stored(found, len(series), doubled)


def compare(plan: PlantPlan, shown: Mapping[str, Shown], gateway: Stored, hub: Stored) -> list[ProtocolRow]:
    """Each protocol's devices: what they showed, what arrived, and what of it is wrong."""
    rows: list[ProtocolRow] = []
    for group in plan.scenario.groups:
        protocol, points = group.settings.protocol, next(iter(group.plans().values())).points
        polled, wrong, missing, late = is_polled(protocol), 0, 0, 0
        for device in group.devices:
            for name, point in points.items():
                times, values = np.array(shown[device].times, np.int64), shown[device].values[name]
                kept = _of(hub, device, point.metric)
                if kept is None:
                    missing += 0 if protocol == "lorawan" and point.type == "text" else 1
                    continue
                late += _offline(kept.quality)
                if point.type != "text":
                    wrong += _wrong(times, _line(point.unit, kept.unit, values), kept, protocol, polled=polled)
            if not polled:
                missing += _not_there(shown[device].times, _any(hub, device))
        rows.append(
            ProtocolRow(
                protocol,
                len(group.devices),
                sum(len(shown[device].times) for device in group.devices),
                _count(gateway, group.devices),
                _count(hub, group.devices),
                wrong,
                missing,
                late,
            )
        )
    return rows


def _line(unit: str, stored_unit: str, values: Sequence[Scalar]) -> Floats:
    """What was shown, in the unit it's stored in."""
    numbers = np.array([float(value) for value in values])
    if unit == stored_unit:
        return numbers
    to = canonical(stored_unit)
    a, b = (float(part) for part in conversion(payload_unit(unit, to), to))
    return a * numbers + b


def _of(found: Stored, device: str, metric: str) -> Kept | None:
    return next((kept for s, kept in found.by_series.items() if (s.device, s.metric) == (device, metric)), None)


def _any(found: Stored, device: str) -> NDArray[np.int64]:
    """The times of all that is stored of a device."""
    mine = [kept.ts for series, kept in found.by_series.items() if series.device == device]
    return np.unique(np.concatenate(mine)) if mine else np.empty(0, np.int64)


def _count(found: Stored, devices: Sequence[str]) -> int:
    names = set(devices)
    return sum(len(kept.ts) for series, kept in found.by_series.items() if series.device in names)


def _offline(quality: NDArray[Any]) -> int:
    return int((quality == encode_quality(Quality.BAD, Reason.OFFLINE)).sum())


def _not_there(times: Sequence[int], kept: NDArray[np.int64]) -> int:
    """Messages that were sent with a time of their own, and aren't stored."""
    return len(np.setdiff1d(np.array(times, np.int64) // NS_PER_MS, kept // NS_PER_MS))


def _wrong(
    times: NDArray[np.int64],
    values: Floats,
    kept: Kept,
    protocol: str,
    *,
    polled: bool,
) -> int:
    """Stored good readings that the device didn't show."""
    is_good = kept.quality == 0
    ts, value = kept.ts[is_good], kept.value[is_good]
    if not polled:
        at = np.minimum(np.searchsorted(times // NS_PER_MS, ts // NS_PER_MS), len(times) - 1)
        if protocol == "lorawan":  # Cayenne LPP has a few digits, and ends at 327.67
            return int((times[at] // NS_PER_MS != ts // NS_PER_MS).sum())
        return int((~np.isclose(values[at], value, rtol=_EXACT, atol=_EXACT)).sum())
    last = np.searchsorted(times, ts, side="right")
    first = np.searchsorted(times, ts - round(_STEPS_S * NS_PER_S))
    reach = int((last - first).max(initial=0)) + 1
    found = np.zeros(len(ts), np.bool_)
    for back in range(-1, reach):
        at = np.clip(last - 1 - back, 0, len(times) - 1)
        found |= np.isclose(values[at], value, rtol=_F32, atol=_EXACT)
    return int((~found).sum())
