"""Reads the journal again, slowly and for ever, so that damage is found while the parent still has the rows.

In short looks with pauses between them: while a thread runs Python the loop runs slower, and alerts come later.
"""

import asyncio
from collections.abc import Callable, Iterator

from holdfast.journal.integrity import Damage, Progress, isolate, scan
from holdfast.journal.journal import Journal
from holdfast.journal.notices import damaged
from holdfast.journal.records import Gap
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.node.happenings import JournalDamageFound
from holdfast.telemetry.happenings import Telemetry

STEP_GROUPS = 16
SHARE = 0.03
"""Of one core, at most: a journal may have a thousand groups a second, and each costs, however small it is."""


def isolating(node: str, damage: Damage, now_ns: int) -> Callable[[Transaction], Gap | None]:
    """A write that puts a gap where rows can't be trusted, with an event; None when they're whole after all."""

    def write(tx: Transaction) -> Gap | None:
        gap = isolate(tx, damage.lane, damage.first, now_ns)
        if gap is not None:
            tx.append_events(Lane.CRITICAL, [damaged(node, gap, damage.what)])
            tx.count("events_accepted")
        return gap

    return write


class Scrub:
    """Verifies some groups a turn, lane after lane; isolates what is damaged."""

    def __init__(self, journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
        self.verified_groups = 0
        self.rounds = 0
        self._journal = journal
        self._clock = clock
        self._telemetry = telemetry
        self._walk = self._forever()
        telemetry.counter(
            "journal_scrubbed_groups", "Groups of rows read again and verified.", lambda: self.verified_groups
        )

    async def turn(self, budget_bytes: int, within_s: float) -> None:
        """Verify about `budget_bytes` of stored groups, fewer where that takes more than the share in `within_s`."""
        until = self._clock.monotonic() + within_s
        while budget_bytes > 0:
            began = self._clock.monotonic()
            found, size = await asyncio.to_thread(self._look)
            took = self._clock.monotonic() - began
            budget_bytes -= size
            for damage in found:
                await self.isolate(damage)
            if not size or began + took / SHARE >= until:
                return
            await asyncio.sleep(took / SHARE - took)

    async def isolate(self, damage: Damage) -> None:
        """Put a gap where rows can't be trusted, and say so."""
        gap = await self._journal.submit(isolating(self._journal.node, damage, self._clock.wall_ns()))
        if gap is not None:
            self._telemetry.emit(JournalDamageFound(detail=damage.what, rows=len(gap)))

    def _look(self) -> tuple[list[Damage], int]:
        """One step: what is damaged, and how many bytes were read; 0 at the end of a round."""
        found = []
        for step in self._walk:
            if isinstance(step, Damage):
                found.append(step)
            elif step is END:
                break
            else:
                self.verified_groups += STEP_GROUPS
                return found, max(1, step.bytes)
        return found, 0

    def _forever(self) -> Iterator[Damage | Progress]:
        while True:
            for lane in Lane:
                yield from scan(self._journal, lane, step=STEP_GROUPS)
            self.rounds += 1
            yield END


END = Progress(Lane.CRITICAL, 0, 0)
