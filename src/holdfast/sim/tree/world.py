"""Gateways, a regional node and a hub; what was published and acked; and the check that nothing is lost or doubled."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.branches import is_token_of
from holdfast.journal.journal import Journal
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Branch, GapReason, GroupKind
from holdfast.journal.relief import Level
from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import OPEN_LANES, READING_LANES, STAY_LANES, SYNCED_LANES, Lane, Stay
from holdfast.sim.tree.node import SimNode, kept
from holdfast.sim.tree.virtual import VirtualLoop

T = TypeVar("T")
H = TypeVar("H", int, str)
EPOCH_NS = 1_750_000_000 * 10**9
_ALL = 10**12


class CheckFailed(HoldfastError):
    """The simulation found a fault: a value lost, doubled or unaccounted for."""


CHECK_IN_S = 1_000.0
"""Longer than `parent.check_in`."""


@dataclass(slots=True)
class Machine:
    """A gateway's record that the gateway can't touch: the values it acked, and which of them a restore destroyed."""

    node: SimNode
    acked: set[int] = field(default_factory=set)
    alerts: set[str] = field(default_factory=set)
    destroyed: set[int] = field(default_factory=set)
    destroyed_alerts: set[str] = field(default_factory=set)


class World:
    """The tree. Values are numbers that never repeat, so every reading has an identity of its own."""

    def __init__(self, folder: Path, seed: int, gateways: int = 3) -> None:
        self.folder = folder
        self.seed = seed
        self.log: list[str] = []
        self.hub = self._node("hub", "hub", place="us")
        self.region = self._node("region", "region")
        self._join(self.region, self.hub)
        self.machines = [self._gateway(f"gw{n}", f"gw{n}") for n in range(gateways)]
        self.images: dict[str, Path] = {}
        self._next = 1

    @property
    def nodes(self) -> list[SimNode]:
        """Every node, parents first."""
        return [self.hub, self.region, *(machine.node for machine in self.machines)]

    def start(self) -> None:
        """Start all of them."""
        for node in self.nodes:
            node.start()

    async def stop(self) -> None:
        """Kill all of them."""
        for node in reversed(self.nodes):
            await node.kill()

    async def publish(self, at: int, count: int, *, alert: bool = False) -> None:
        """A device of gateway `at` publishes; what's acked is recorded."""
        machine = self.machines[at]
        if not machine.node.is_up:
            return
        first = self._next
        self._next += count
        await machine.node.publish(first, count, alert)
        machine.acked.update(range(first, first + count))
        if alert:
            machine.alerts.add(f"{machine.node.name}-{first}")

    def take_image(self, node: SimNode) -> None:
        """Remember the disk of a node as it is now."""
        self.images[node.folder.name] = node.image(self.folder / f"image-{node.folder.name}")

    async def restore(self, node: SimNode) -> None:
        """Kill a node, put its last image back, start it."""
        image = self.images.get(node.folder.name)
        if image is None:
            return
        await node.kill()
        for machine in self.machines:
            if machine.node is node:
                self._destroy(machine, image)
        node.put_back(image)
        node.start()

    async def clone(self, at: int) -> None:
        """A second machine starts from a copy of gateway `at`'s disk, under the same name."""
        original = self.machines[at].node
        folder = f"{original.folder.name}c{len(self.machines)}"
        original.image(self.folder / folder)
        twin = self._gateway(original.name, folder)
        self.machines.append(twin)
        twin.node.start()

    async def shed(self, at: int) -> None:
        """Space runs out at gateway `at`."""
        if self.machines[at].node.is_up:
            await self.machines[at].node.shed(Level.RED, steps=5)

    async def heal(self, hours: float = 200.0) -> None:
        """Everything runs and no link is cut, until all is where it belongs.

        A node with nothing to send learns at its next check-in only that its parent came back from an old image.
        """
        for node in self.nodes:
            node.weather.cut = False
            node.weather.lose_request = node.weather.lose_answer = node.weather.twice = node.weather.busy = 0.0
            if not node.is_up:
                node.start()
        until = asyncio.get_running_loop().time() + hours * 3600
        while asyncio.get_running_loop().time() < until:
            await asyncio.sleep(60)
            if not self._are_drained():
                continue
            await asyncio.sleep(CHECK_IN_S)
            if self._are_drained():
                return
        raise CheckFailed("the tree did not drain: " + "; ".join(self.log[-6:]))

    def _are_drained(self) -> bool:
        return all(self._is_drained(node) for node in self.nodes if node.parent is not None)

    def check(self) -> dict[str, int]:
        """After `heal`: every acked value is at the hub once, or in a gap with exact counts, or on a destroyed disk.

        Raises:
            CheckFailed: when one is not.
        """
        at_hub = _once(readings(self.hub.open), "values")
        in_region = _once(readings(self.region.open, Lane.REGION), "values of the region")
        at_sites = {v for m in self.machines for lane in (Lane.REGION, Lane.SITE) for v in readings(m.node.open, lane)}
        # A value is where it belongs: at the hub, at the regional node, or with its gateway.
        stored = at_hub | in_region | {v for v in at_sites if kept(v) is Stay.SITE}
        alerts = _once(events(self.hub.open), "alerts")
        counts = {"acked": 0, "gone": 0, "destroyed": 0}
        missing: set[int] = set()
        lost_alerts: set[str] = set()
        for machine in self.machines:
            lost = machine.acked - stored
            counts["acked"] += len(machine.acked)
            counts["destroyed"] += len(lost & machine.destroyed)
            missing |= lost - machine.destroyed
            lost_alerts |= machine.alerts - alerts - machine.destroyed_alerts
        counts["gone"] = len(missing)
        for lane, stay in zip(STAY_LANES, Stay, strict=True):
            lost = {value for value in missing if kept(value) is stay}
            if len(lost) > (shed := self._gone_at_gateways(lane)):
                raise CheckFailed(f"{len(lost)} acked values are nowhere, only {shed} are in a gap of {lane.name}")
        self._check_residency()
        if len(lost_alerts) > (shed := self._gone_at_gateways(Lane.CRITICAL)):
            raise CheckFailed(f"alerts are lost: {sorted(lost_alerts)[:3]}; only {shed} are in a gap")
        self._check_ledgers()
        self._check_gaps()
        return counts

    def _check_residency(self) -> None:
        """Nothing that stays is where it must not be, neither a row nor a name."""
        for node in (self.hub, self.region):
            most = Stay.ANYWHERE if node is self.hub else Stay.REGION
            for lane in Lane:
                strays = [value for value in readings(node.open, lane) if kept(value) > most]
                if strays:
                    raise CheckFailed(f"{node.name} has {strays[:3]} in its {lane.name} lane")
            for series in node.open.catalogue.since(0):
                if series.device.startswith(tuple(f"{stay.word}-" for stay in Stay if stay > most)):
                    raise CheckFailed(f"{node.name} knows {series.name}")
        for node in self.nodes:
            open_rows = (value for lane in OPEN_LANES for value in readings(node.open, lane))
            strays = [value for value in open_rows if kept(value) is not Stay.ANYWHERE]
            if strays:
                raise CheckFailed(f"{node.name} has {strays[:3]} in an open lane")

    def _check_ledgers(self) -> None:
        for node in self.nodes:
            ledger = balance(node.open.accounts(CONSUMER, count=True), has_parent=node.parent is not None)
            if not ledger.balanced:
                raise CheckFailed(f"{node.folder.name} does not balance: {ledger}")

    def _check_gaps(self) -> None:
        """No disk is damaged in this world: a hole that mending had to report is rows deleted without a gap."""
        for node in self.nodes:
            holes = [gap for gap in node.open.gaps() if gap.reason is GapReason.DAMAGED]
            if holes:
                raise CheckFailed(f"{node.folder.name} deleted rows without a word, such as {holes[0]}")

    def _gone_at_gateways(self, lane: Lane) -> int:
        """Rows that are in a gap: of a gateway, or reported by one that was set back to before the gap since."""
        journals = [self.region.open, *(machine.node.open for machine in self.machines)]
        return sum(len(gap) for journal in journals for gap in journal.gaps() if gap.lane is lane)

    def _destroy(self, machine: Machine, image: Path) -> None:
        reader = JournalReader(image / "journal.db")
        held, held_alerts = {value for lane in READING_LANES for value in readings(reader, lane)}, set(events(reader))
        reader.close()
        machine.destroyed |= machine.acked - held
        machine.destroyed_alerts |= machine.alerts - held_alerts

    def _is_drained(self, node: SimNode) -> bool:
        """Does the parent have everything, and has it said so in its present life?"""
        journal, parent = node.journal, node.parent
        if journal is None or parent is None or parent.journal is None:
            return False
        lanes = SYNCED_LANES if node.place == parent.place else OPEN_LANES
        if any(journal.cursor(CONSUMER, lane) != journal.head(lane) for lane in lanes):
            return False
        known = parent.journal.branches(node.name)
        return any(self._is_heard(journal, branch, parent.journal.incarnation) for branch in known)

    @staticmethod
    def _is_heard(journal: Journal, branch: Branch, life: str) -> bool:
        """Is this the branch of that very machine, in a session of the parent's present life?"""
        return branch.incarnations[-1].uuid == journal.incarnation and is_token_of(branch.session, life)

    def _node(self, name: str, folder: str, place: str = "eu") -> SimNode:
        return SimNode(name, self.folder / folder, EPOCH_NS, self.seed, self.log.append, place)

    def _gateway(self, name: str, folder: str) -> Machine:
        node = self._node(name, folder)
        self._join(node, self.region)
        return Machine(node)

    @staticmethod
    def _join(child: SimNode, parent: SimNode) -> None:
        child.parent = parent
        parent.children.append(child)


def readings(reader: Journal | JournalReader, lane: Lane = Lane.BULK) -> Iterator[int]:
    """Every value in a lane."""
    for group in reader.read(lane, 0, _ALL):
        if group.kind is GroupKind.READINGS:
            yield from decode_readings(group.blob).value.astype(int).tolist()


def events(reader: Journal | JournalReader) -> Iterator[str]:
    """Every alert's id in the critical lane."""
    for group in reader.read(Lane.CRITICAL, 0, _ALL):
        if group.kind is GroupKind.EVENTS:
            yield from (event.id for event in decode_events(group.blob) if event.kind == "alert.raised")


def run(folder: Path, seed: int, body: Callable[[World], Awaitable[T]], gateways: int = 3) -> T:
    """Run a coroutine function on a world of its own and virtual time; returns what it returned."""

    async def main() -> T:
        world = World(folder, seed, gateways)
        world.start()
        try:
            return await body(world)
        finally:
            await world.stop()

    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _once(found: Iterator[H], what: str) -> set[H]:
    counted = Counter(found)
    doubled = [one for one, n in counted.items() if n > 1]
    if doubled:
        raise CheckFailed(f"{len(doubled)} {what} are stored more than once at the hub, such as {doubled[0]}")
    return set(counted)
