"""Keeps the journal inside its quota: what the parent safely holds goes first (DESIGN §5)."""

import asyncio

from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.model.lane import Lane
from holdfast.node.happenings import JournalDeliveredDropped
from holdfast.telemetry.happenings import Telemetry

EVERY_S = 2.0
CONSUMER = "uplink"
# Small enough that intake's commits are not held up, large enough to free faster than intake fills.
GROUPS_PER_COMMIT = 500


class Upkeep:
    """Drops delivered groups while the journal is above its mark."""

    def __init__(self, journal: Journal, telemetry: Telemetry) -> None:
        self._journal = journal
        self._telemetry = telemetry

    async def run(self) -> None:
        """Look every few seconds, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.once()

    async def once(self) -> int:
        """Drop until below the mark or nothing delivered is left; returns the rows dropped."""
        settings = self._journal.settings
        dropped = 0
        while (used := await asyncio.to_thread(self._journal.used_bytes)) > settings.quota * settings.drop_delivered_at:
            rows = await self._journal.submit(_drop)
            if not rows:
                break
            dropped += rows
        if dropped:
            self._telemetry.emit(JournalDeliveredDropped(rows=dropped, used_bytes=used))
        return dropped


def _drop(transaction: Transaction) -> int:
    for lane in reversed(Lane):
        rows = transaction.drop_delivered(CONSUMER, lane, GROUPS_PER_COMMIT)
        if rows:
            return rows
    return 0
