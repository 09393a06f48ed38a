"""How this node is, as its parent is told: numbers of the open lanes only, so that nothing is said of what stays."""

import asyncio
from typing import TYPE_CHECKING

from holdfast import __version__
from holdfast.journal.errors import JournalError
from holdfast.journal.parent import CONSUMER
from holdfast.journal.relief import level_of
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.trust import Trust
from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.sites.telling import rounded
from holdfast.storage.errors import StorageError
from holdfast.wire.acts import ABLE
from holdfast.wire.sites import MOST_TROUBLE, SiteAbout, SiteHealth

if TYPE_CHECKING:
    from holdfast.node.node import Node

_RATED = (Lane.BULK, Lane.LOCAL)
"""Lanes of readings that are no secret; what a filter keeps here counts as well."""


def about(node: "Node") -> SiteAbout:
    """What node.yaml says of the place, and what runs here."""
    site = node.plan.settings.site
    started = max(0, node.clock.wall_ns() - node.uptime_ns)
    can = (ABLE,) if node.plan.settings.alerts.from_parent else ()
    if site is None:
        return SiteAbout(version=__version__, started_ns=started, can=can)
    return SiteAbout(site.name, site.latitude, site.longitude, site.zone or "", site.note, __version__, started, can)


class SiteHealthOf:
    """Called by whoever tells, every 15 s, or asks; keeps what the rate needs between two calls."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._at: float | None = None
        self._rows, self._rate = 0, 0.0

    async def __call__(self) -> SiteHealth:
        """How the node is now."""
        node = self._node
        journal = node.journal
        rows, seconds, pace, kbps = await self._lag()
        used = journal.used_bytes()
        return SiteHealth(
            rows,
            seconds,
            pace,
            kbps,
            node.timekeeper.watch.trust.value,
            level_of(used, journal.settings).name.lower(),
            journal.condition.value,
            round(100 * used / max(1, journal.settings.quota)),
            self._speed(),
            tuple(self._trouble())[:MOST_TROUBLE],
        )

    async def _lag(self) -> tuple[tuple[int, ...], tuple[int, ...], str, int]:
        uplink = self._node.uplink
        if uplink is None:
            return (), (), "", 0
        status = uplink.status()
        rows = [max(0, status.backlog[lane]) for lane in OPEN_LANES]
        ages = await asyncio.to_thread(self._ages, [lane for lane, n in zip(OPEN_LANES, rows, strict=True) if n])
        seconds = [round(rounded(ages.get(lane, 0.0))) for lane in OPEN_LANES]
        kbps = round(rounded((status.link.goodput_bps or 0.0) / 1_000))
        return tuple(round(rounded(n)) for n in rows), tuple(seconds), status.link.level.value, kbps

    def _ages(self, lanes: list[Lane]) -> dict[Lane, float]:
        """How old the first group is that waits, by its own time. Blocking."""
        journal, uplink, now = self._node.journal, self._node.uplink, self._node.clock.wall_ns()
        acked = {} if uplink is None else uplink.plan.acked()
        found: dict[Lane, float] = {}
        for lane in lanes:
            after = max(acked.get(lane, 0), journal.cursor(CONSUMER, lane))
            try:
                groups = journal.read(lane, after, 1)[:1]
            except (JournalError, StorageError):
                continue  # the scrub tells of it
            found.update((lane, max(0.0, (now - group.ts_min) / NS_PER_S)) for group in groups)
        return found

    def _speed(self) -> float:
        now = self._node.clock.monotonic()
        rows = sum(self._node.journal.head(lane) for lane in _RATED)
        if self._at is None or now - self._at >= 1.0:
            if self._at is not None:
                self._rate = rounded(max(0, rows - self._rows) / (now - self._at))
            self._at, self._rows = now, rows
        return self._rate

    def _trouble(self) -> list[str]:
        """Closed words and counts: names of devices, rules and files may be what stays."""
        node, found = self._node, list[str]()
        if node.journal.condition is not Condition.OK:
            found.append(f"the journal is {node.journal.condition.value}")
        level = level_of(node.journal.used_bytes(), node.journal.settings).name.lower()
        if level != "green":
            found.append(f"the journal's space is {level}")
        if node.timekeeper.watch.trust is Trust.UNSET:
            found.append("the clock isn't set")
        failing = sum(one.state == "failing" for one in node.adapters.statuses())
        if failing:
            found.append(f"{failing} of its adapters {'is' if failing == 1 else 'are'} failing")
        rules = node.rulebook.status()
        if rules.problems:
            found.append("a rules file can't be put in force")
        if rules.throttled:
            found.append(f"{len(rules.throttled)} rules are throttled")
        return found
