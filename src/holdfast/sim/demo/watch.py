"""What the demo sees while it runs: read from the two journals, which are the truth, and from the proxy it owns."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.journal.reader import JournalReader
from holdfast.kernel.errors import HoldfastError
from holdfast.model.lane import Lane
from holdfast.sim.demo.plan import GATEWAY, HUB, DemoPlan


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look. backlog: rows per lane that the gateway has and the hub hasn't."""

    counters: dict[str, int] = field(default_factory=dict)
    gateway_rows: int = 0
    hub_rows: int = 0
    backlog: tuple[int, ...] = (0, 0, 0)
    journal_bytes: int = 0
    payload_bytes: int = 0

    @property
    def waiting(self) -> int:
        """Rows of all lanes that the hub hasn't yet."""
        return sum(self.backlog)


class Watch:
    """Looks at both journals with read-only connections."""

    def __init__(self, plan: DemoPlan) -> None:
        self._gateway = JournalReader(plan.journal(GATEWAY))
        self._hub = JournalReader(plan.journal(HUB))
        self._file = plan.journal(GATEWAY)

    async def look(self) -> Snapshot:
        """A snapshot; an empty one while a journal isn't there yet."""
        try:
            return await asyncio.to_thread(self._look)
        except HoldfastError:
            return Snapshot()

    def close(self) -> None:
        """Close the connections."""
        self._gateway.close()
        self._hub.close()

    def _look(self) -> Snapshot:
        branches = self._hub.branches(
            GATEWAY
        )  # the hub first: a row that moves in between counts as waiting, never as gone
        counters = self._gateway.counters()
        heads = self._gateway.heads()
        done = [mark.wm for mark in branches[-1].marks] if branches else [0] * len(Lane)
        backlog = tuple(heads[lane] - done[lane] for lane in Lane)
        return Snapshot(
            counters=counters,
            gateway_rows=sum(heads.values()),
            hub_rows=sum(done),
            backlog=backlog,
            journal_bytes=_size(self._file),
            payload_bytes=counters.get("payload_bytes", 0),
        )


def _size(path: Path) -> int:
    files = (path, path.with_name(path.name + "-wal"))
    return sum(f.stat().st_size for f in files if f.exists())
