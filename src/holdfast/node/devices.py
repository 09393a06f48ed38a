"""This node's devices and its children's, as the API tells and changes them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from holdfast.devices.errors import DeviceUnknown
from holdfast.devices.known import Known
from holdfast.devices.roster import Change
from holdfast.journal import devices as stored
from holdfast.journal.devices import GAPS_EACH, GapRow
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.series import Catalogue
from holdfast.node.device_sources import sources_of
from holdfast.web.device_answers import DeviceChange, DeviceChanged, DeviceDetail, DeviceGap, DeviceRow
from holdfast.wire.devices import Told

if TYPE_CHECKING:
    from holdfast.node.node import Node

_SKEWS = 200_000


class Book:
    """Implements `web.deps.DeviceBook`. Loop thread only."""

    def __init__(self, node: "Node") -> None:
        self._node, self._devices = node, node.devices

    def rows(self) -> list[DeviceRow]:
        """All, by node and name."""
        self._devices.work_up()
        skews = {row.device: row.skew_s for row in self._node.skew.worst(_SKEWS)[1] if row.node == self._own}
        series = _series_by_device(self._node.journal.catalogue)
        own = [self._row(number, skews, series) for number in sorted(row.number for row in self._devices.roster)]
        return sorted(own, key=lambda row: row.name) + sorted(self._theirs(), key=lambda row: (row.node, row.name))

    @property
    def _own(self) -> str:
        return self._node.plan.settings.node

    def _row(self, number: int, skews: dict[str, float], series: dict[tuple[str, str], int]) -> DeviceRow:
        devices = self._devices
        row = row_of(devices.known, number, self._own)
        return replace(
            row,
            state=devices.state(number).name.lower(),
            rate=round(devices.tally.rate(number, devices.started_boot), 2),
            over_budget=devices.is_over_budget(number),
            skew_s=skews.get(row.name),
            series=sum(series.get((self._own, name), 0) for name in (row.name, *row.former)),
        )

    def _theirs(self) -> list[DeviceRow]:
        """As their nodes told, and what this node sees of their readings."""
        catalogue, own = self._node.journal.catalogue, self._own
        newest, readings = self._node.last_values.by_device()
        series = _series_by_device(catalogue)
        below = self._node.told_devices.below
        found = {(one.node, one.name): _told(one) for one in below or ()}
        former = {(row.node, name): (row.node, row.name) for row in found.values() for name in row.former}
        for i, (node, name) in enumerate(catalogue.device_names[: len(newest)]):
            if node == own or (node, name) not in series:
                continue
            key = former.get((node, name), (node, name)) if (node, name) not in found else (node, name)
            row = found.get(key, DeviceRow(name, node))
            found[key] = replace(
                row,
                last_ns=max(row.last_ns, int(newest[i])),
                readings=row.readings + int(readings[i]),
                series=row.series + series[node, name],
            )
        return list(found.values())

    def children_series(self) -> list[int]:
        """Series of children's devices."""
        catalogue = self._node.journal.catalogue
        theirs = [i for i, (node, _) in enumerate(catalogue.device_names) if node != self._own]
        found: list[int] = np.flatnonzero(np.isin(catalogue.device_of, theirs)).tolist()
        return found

    async def detail(self, name: str, node: str) -> DeviceDetail:
        """One by any of its names.

        Raises:
            DeviceUnknown: when there is none.
        """
        if node not in ("", self._own):
            return self._their_detail(name, node)
        number = self._devices.roster.find(name).number
        row = next(row for row in self.rows() if row.node == self._own and self._is(row, number))
        await self._devices.store()  # gaps just found
        gaps = await asyncio.to_thread(stored.gaps_of, self._node.journal, number, GAPS_EACH)
        sources, profiles = sources_of(self._node, number)
        return replace(detail_of(row, gaps, self._node.journal.catalogue), sources=sources, profiles=profiles)

    def _their_detail(self, name: str, node: str) -> DeviceDetail:
        rows = [row for row in self._theirs() if row.node == node]
        others = [row for row in rows if name in (row.hardware, *row.former, *row.replaced)]
        theirs = next((row for row in rows if row.name == name), next(iter(others), None))
        if theirs is None:
            raise DeviceUnknown(f"there is no device {name[:80]!r} of {node[:80]!r} here")
        below = self._node.told_devices.below
        told = None if below is None else below.get(node, theirs.name)
        gaps = [DeviceGap(g.from_ns, g.to_ns, g.missing, g.filled, g.down_s) for g in told.gaps] if told else []
        return DeviceDetail(theirs, gaps, _names(self._node.journal.catalogue, node, (theirs.name, *theirs.former)))

    def _is(self, row: DeviceRow, number: int) -> bool:
        return self._devices.roster.find(row.name).number == number

    async def change(self, wanted: DeviceChange) -> DeviceChanged:
        """Do it, and store the messages that waited for it.

        Raises:
            DeviceError: nothing has changed.
        """
        devices, names = self._devices, wanted.devices
        was = devices.roster.find(names[0]).name if wanted.do == "rename" else ""
        if wanted.do == "accept":
            changes = await devices.accept(names)
        elif wanted.do == "retire":
            changes = await devices.retire(names)
        elif wanted.do == "describe":
            changes = await devices.describe(names, wanted.labels, wanted.note)
        elif wanted.do == "rename":
            changes = await devices.rename(names[0], wanted.to)
        else:
            changes = await devices.replace(names[0], wanted.to)
        done = await release(changes, self._node.intake.everything_stored, self._replay)
        silent = [one.row for one in changes if not devices.tally.counts(one.row.number).messages]
        unheard = [row.name for row in silent if wanted.do == "accept" and not done.released]
        return replace(done, was=was, unheard=unheard)

    async def _replay(self, wanted: QuarantineFilter) -> tuple[int, int, int]:
        done = await self._node.quarantine.replay(wanted, dry_run=False)
        return done.replayed, done.readings, sum(done.still_rejected.values())


async def release(
    changes: Sequence[Change],
    everything_stored: Callable[[], Awaitable[None]],
    replay: Callable[[QuarantineFilter], Awaitable[tuple[int, int, int]]],
) -> DeviceChanged:
    """Decode messages again that waited for these changes."""
    names, details = [one.row.name for one in changes], tuple(d for one in changes for d in one.released)
    if not details:
        return DeviceChanged(names)
    await everything_stored()  # what was refused before the change is in the quarantine then
    replayed, readings, still = await replay(QuarantineFilter(details=details))
    return DeviceChanged(names, replayed, readings, still)


def row_of(known: Known, number: int, node: str) -> DeviceRow:
    """What is stored of a device."""
    row = known.roster.row(number)
    assert row is not None  # noqa: S101  # asked for known ones only
    counts, day = known.tally.counts(number), known.tally.day(number)
    names = known.roster.names(number)
    interval = float(known.beats.interval[number]) if number < len(known.beats.interval) else float("nan")
    return DeviceRow(
        row.name,
        node,
        status=row.status,
        labels=row.labels,
        note=row.note,
        hardware=known.roster.hardware(number),
        former=tuple(one.name for one in names if one.role == "former"),
        replaced=tuple(one.name for one in names if one.role == "replaced"),
        first_ns=counts.first_ns,
        last_ns=counts.last_ns,
        messages=counts.messages,
        readings=counts.readings,
        refused=counts.refused,
        held=counts.held,
        repeats=counts.repeats,
        bytes=counts.bytes,
        interval_s=None if interval != interval else round(interval, 3),  # noqa: PLR0124  # NaN
        day_judged=day.judged,
        day_refused=day.refused,
    )


def _told(one: Told) -> DeviceRow:
    """A child's device as it was told; readings and series are what came of it here."""
    return DeviceRow(
        one.name,
        one.node,
        one.state,
        one.status,
        one.labels,
        one.note,
        one.hardware,
        one.former,
        one.replaced,
        one.first_ns,
        one.last_ns,
        messages=one.messages,
        refused=one.refused,
        held=one.held,
        repeats=one.repeats,
        bytes=one.bytes,
        interval_s=one.interval_s,
        day_judged=one.day_judged,
        day_refused=one.day_refused,
        over_budget=one.over_budget,
        told_ns=one.at_ns,
    )


def detail_of(row: DeviceRow, gaps: Sequence[GapRow], catalogue: Catalogue) -> DeviceDetail:
    """A device with its gaps and series."""
    told = [DeviceGap(g.from_ns, g.to_ns, g.missing, g.filled, round(g.down_ns / NS_PER_S, 3)) for g in gaps]
    return DeviceDetail(row, told, _names(catalogue, row.node, (row.name, *row.former)))


def _names(catalogue: Catalogue, node: str, devices: Sequence[str]) -> list[str]:
    return sorted(s.name for s in catalogue.since(0) if s.node == node and s.device in devices)


def _series_by_device(catalogue: Catalogue) -> dict[tuple[str, str], int]:
    """How many series each device has that were read, not made."""
    device = catalogue.device_of
    read = np.ones(len(device), np.bool_)
    read[[i for i in catalogue.made if i < len(read)]] = False
    counts = np.bincount(device[read])
    return {catalogue.device_names[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}
