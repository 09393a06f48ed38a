"""Reads the journal again, slowly and for ever, so that damage is found while the parent still has the rows."""

import asyncio
from collections.abc import Iterator

from holdfast.journal.integrity import Damage, Progress, isolate, scan
from holdfast.journal.journal import Journal
from holdfast.journal.notices import damaged
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.node.happenings import JournalDamageFound
from holdfast.telemetry.happenings import Telemetry

STEP_GROUPS = 64


class Scrub:
    """Verifies some groups a turn, lane after lane; isolates what is damaged."""

    def __init__(self, journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
        self.verified_groups = 0
        self.rounds = 0
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._walk = self._forever()
        telemetry.gauge("journal_scrubbed_groups", "groups verified since the start", lambda: self.verified_groups)

    async def turn(self, budget_bytes: int) -> None:
        """Verify about `budget_bytes` of stored groups."""
        for damage in await asyncio.to_thread(self._look, budget_bytes):
            await self.isolate(damage)

    async def isolate(self, damage: Damage) -> None:
        """Put a gap where rows can't be trusted, and say so."""
        now_ns = self._clock.wall_ns()

        def write(tx: Transaction) -> int:
            gap = isolate(tx, damage.lane, damage.first, now_ns)
            if gap is None:
                return 0
            tx.append_events(Lane.CRITICAL, [damaged(self._journal.node, gap, damage.what)])
            tx.count("events_accepted")
            return len(gap)

        rows = await self._journal.submit(write)
        if rows:
            self._telemetry.emit(JournalDamageFound(detail=damage.what, rows=rows))

    def _look(self, budget: int) -> list[Damage]:
        found = []
        begun = self.verified_groups
        for step in self._walk:
            if isinstance(step, Damage):
                found.append(step)
            else:
                self.verified_groups += STEP_GROUPS
                budget -= step.bytes
            if budget <= 0 or step is END or self.verified_groups - begun > 100_000:
                break
        return found

    def _forever(self) -> Iterator[Damage | Progress]:
        while True:
            for lane in Lane:
                yield from scan(self._journal, lane, step=STEP_GROUPS)
            self.rounds += 1
            yield END


END = Progress(Lane.CRITICAL, 0, 0)
