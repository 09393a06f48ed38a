"""How devices and sites are, told upwards: what this node says of its own and of those below it, and to whom."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.devices.below import Below
from holdfast.devices.telling import Key, Telling
from holdfast.journal.devices import GapRow, gaps_of
from holdfast.kernel.clock import NS_PER_S
from holdfast.node.devices import row_of
from holdfast.node.parent_calls import ParentCalls, breaker_of
from holdfast.node.settings import NodePlan
from holdfast.node.site_health import SiteHealthOf, about
from holdfast.node.web import child_names
from holdfast.sites.below import SitesBelow
from holdfast.sites.telling import SitesAbove
from holdfast.uplink.settings import ParentSettings
from holdfast.wire.devices import MOST_GAPS, DeviceReceipt, DeviceReport, Told, ToldGap

if TYPE_CHECKING:
    from holdfast.node.node import Node

PATH = "/api/v1/sync/devices"
MOST_REPLY = 1 << 16
LOOK_BELOW_S = 5.0
_ABSENT = "it takes no children, or isn't told of their devices: is it an older version?"


class ToldDevices:
    """Devices between the nodes. Loop thread only."""

    def __init__(self, node: "Node") -> None:
        """Read what children told in an earlier life; connect to nothing yet. Blocking.

        Raises:
            HoldfastError: when the parent's files can't be used.
        """
        parent = node.plan.settings.parent
        self._node = node
        has_children = node.plan.children is not None
        self.below = Below(node.journal, node.clock) if has_children else None
        self.sites = SitesBelow(node.journal, node.clock, child_names(node.plan)) if has_children else None
        self.about, self.health = about(node), SiteHealthOf(node)
        self._link = self._telling = None
        if parent is not None:
            self._link = HttpsParentDevices(parent, node.plan)
            life, clock, telemetry = node.journal.incarnation, node.clock, node.telemetry
            own = node.plan.settings.node
            above = SitesAbove(own, self.about, self.health, self.sites)
            telling = Telling(
                life, self._everything, self._look, self._link, breaker_of(parent), clock, telemetry, above
            )
            self._telling = telling
            telling.on_orders = node.commands.call
            node.devices.on_news(lambda names: telling.news((own, name) for name in names))
            if self.below is not None:
                self.below.on_news(telling.news)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs beside the node."""
        if self.below is not None:
            yield "devices-below", self._watch(self.below)
        if self._telling is not None:
            yield "devices-above", self._telling.run()

    async def close(self) -> None:
        """Close the kept connection."""
        if self._link is not None:
            await self._link.close()

    async def _watch(self, below: Below) -> None:
        while True:
            await asyncio.sleep(LOOK_BELOW_S)
            below.turn()
            if self.sites is not None:
                self.sites.turn()

    def _everything(self) -> list[Key]:
        own = self._node.plan.settings.node
        theirs = [] if self.below is None else [(one.node, one.name) for one in self.below]
        return [(own, row.name) for row in self._node.devices.roster] + theirs

    async def _look(self, keys: Sequence[Key]) -> dict[Key, Told]:
        own, found = self._node.plan.settings.node, dict[Key, Told]()
        for key in keys:
            told = self._own(key[1]) if key[0] == own else None if self.below is None else self.below.get(*key)
            if told is not None:
                found[key] = told
        known = self._node.devices.known
        numbers = {key: row.number for key in found if key[0] == own and (row := known.roster.named(key[1]))}
        with_gaps = {key: number for key, number in numbers.items() if number in known.with_gaps}
        if with_gaps:
            gaps = await asyncio.to_thread(self._gaps, with_gaps)
            found.update((key, msgspec.structs.replace(found[key], gaps=those)) for key, those in gaps.items())
        return found

    def _own(self, name: str) -> Told | None:
        node = self._node
        row = node.devices.roster.named(name)
        if row is None or not node.leaving.may_be_known(name):
            return None
        number = row.number
        seen = row_of(node.devices.known, number, node.plan.settings.node)
        return Told(
            seen.node,
            seen.name,
            node.clock.wall_ns(),
            status=seen.status,
            state=node.devices.state(number).name.lower(),
            labels=seen.labels,
            note=seen.note,
            hardware=seen.hardware,
            former=seen.former,
            replaced=seen.replaced,
            first_ns=seen.first_ns,
            last_ns=seen.last_ns,
            messages=seen.messages,
            refused=seen.refused,
            held=seen.held,
            repeats=seen.repeats,
            bytes=seen.bytes,
            interval_s=seen.interval_s,
            day_judged=seen.day_judged,
            day_refused=seen.day_refused,
            over_budget=node.devices.is_over_budget(number),
        )

    def _gaps(self, numbers: dict[Key, int]) -> dict[Key, tuple[ToldGap, ...]]:
        journal = self._node.journal
        return {key: tuple(map(_gap, gaps_of(journal, number, MOST_GAPS))) for key, number in numbers.items()}


def _gap(gap: GapRow) -> ToldGap:
    return ToldGap(gap.from_ns, gap.to_ns, gap.missing, gap.filled, round(gap.down_ns / NS_PER_S, 3))


class HttpsParentDevices:
    """Implements `devices.telling.ParentDevices`."""

    def __init__(self, parent: ParentSettings, plan: NodePlan) -> None:
        """Connect to nothing yet. Raises like `ParentCalls`."""
        self._calls = ParentCalls(parent, plan.path, _ABSENT, MOST_REPLY)

    async def tell(self, report: DeviceReport) -> DeviceReceipt:
        """Tell a page."""
        return await self._calls.ask(PATH, report, DeviceReceipt)

    async def close(self) -> None:
        """Close the kept connection."""
        await self._calls.close()
