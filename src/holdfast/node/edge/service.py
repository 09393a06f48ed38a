"""The adapters of node.yaml that meet devices by a link of their own, brokers included. Loop thread only."""

import asyncio
from collections.abc import Coroutine, Iterator
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from holdfast.adapters.port import DeviceState, EdgeAdapter, Inbox
from holdfast.adapters.supervised import AdapterStatus
from holdfast.kernel.clock import Clock
from holdfast.node.edge.kinds import KINDS
from holdfast.node.edge.port import Making
from holdfast.node.foreign import make_brokers
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows

if TYPE_CHECKING:
    from holdfast.node.settings import NodePlan

_STATES = ("waiting", "working", "failing")
_SUMS = (
    ("polls", "polls", "Polls of devices."),
    ("polls_failed", "failures", "Polls that weren't answered, or not as they should."),
    ("polls_skipped", "skipped", "Polls that weren't made: the one before was late, or the inbox full."),
)


class Edge:
    """Every such adapter of a node."""

    def __init__(
        self,
        plan: "NodePlan",
        inbox: Inbox,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Make them; nothing is connected yet.

        Raises:
            HoldfastError: when a protocol's library or a file isn't there, or can't be used.
        """
        making = Making(plan, inbox, clock, telemetry, Random())
        self.brokers = make_brokers(plan, inbox, clock, telemetry)
        self.adapters: tuple[EdgeAdapter, ...] = tuple(
            adapter for kind in KINDS if getattr(plan.settings, kind.key) for adapter in kind.make(making)
        )
        if self.adapters:
            self._measure(telemetry)

    def _measure(self, telemetry: Telemetry) -> None:
        said = "Devices that adapters ask, or that send to them, by how they are."
        telemetry.table("gauge", "edge_devices", said, ("adapter", "state"), self._counts)
        said = "How late polls of devices that answer begin: 99 of 100 of the latest ones."
        telemetry.table("gauge", "poll_lateness_seconds", said, ("adapter",), self._lateness)
        for name, key, said in _SUMS:
            telemetry.table("counter", name, said, ("adapter",), partial(self._sums, key))

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs them, by name."""
        for broker in self.brokers:
            yield f"broker {broker.name}", broker.run()
        for adapter in self.adapters:
            yield adapter.name, adapter.run()

    async def stop(self, deadline_s: float) -> None:
        """Take no more from devices; what is under way gets the deadline."""
        parts = [*(broker.stop(deadline_s) for broker in self.brokers), *(a.stop(deadline_s) for a in self.adapters)]
        await asyncio.gather(*parts)

    def statuses(self) -> list[AdapterStatus]:
        """How each is."""
        return [*(one.status() for one in self.adapters), *(one.status() for one in self.brokers)]

    def devices(self, name: str) -> list[DeviceState] | None:
        """How the devices of one adapter are; None = there's no such adapter, or none that has devices of its own."""
        found = next((one for one in self.adapters if one.name == name), None)
        return None if found is None else found.devices()

    def _counts(self) -> Rows:
        rows: list[tuple[tuple[str, ...], float]] = []
        for adapter in self.adapters:
            found = adapter.devices()
            rows += [((adapter.name, state), float(sum(d.state == state for d in found))) for state in _STATES]
        return rows

    def _sums(self, key: str) -> Rows:
        return [((one.name,), float(sum(getattr(d, key) for d in one.devices()))) for one in self.adapters]

    def _lateness(self) -> Rows:
        return [((one.name,), max((d.late_s for d in one.devices()), default=0.0)) for one in self.adapters]
