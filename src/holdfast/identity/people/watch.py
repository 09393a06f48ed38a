"""Looks over the audit's chain again and again, a piece at a time, so that tampering is said and not only found."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from holdfast.identity.people.happenings import AuditChainBroken
from holdfast.journal import audit_log
from holdfast.journal.audit_log import Checked, Head
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.storage.sqlite import Connection
from holdfast.telemetry.happenings import Telemetry

EVERY_S = 600.0
PAUSE_S = 0.05
"""Between two pieces: each takes a few ms of a core that devices want."""
Look = Callable[[Callable[[Connection], Any]], Any]


class ChainWatch:
    """The verdict on one node's audit. Loop thread only."""

    def __init__(self, look: Look, clock: Clock, telemetry: Telemetry) -> None:
        """look: runs a question over the journal, blocking."""
        self.broken_at = 0
        """The first line that was tampered with, as of the last look; 0 = none."""
        self.checked_ns = 0
        """When that was; ns UTC, 0 = not yet."""
        self._look, self._clock, self._telemetry = look, clock, telemetry
        self._seen = Head(0, b"")
        text = "First line of the audit that was tampered with; 0 = none."
        telemetry.gauge("audit_broken_line", text, lambda: self.broken_at)
        text = "When the audit's chain was last looked over; 0 = not yet."
        telemetry.gauge("audit_checked_timestamp_seconds", text, lambda: self.checked_ns / NS_PER_S)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            with contextlib.suppress(HoldfastError):  # the disk or the journal, which say it themselves
                await self.turn()
            await asyncio.sleep(EVERY_S)

    async def turn(self, pause_s: float = PAUSE_S) -> int:
        """Look over all of it once; returns the first line that was tampered with, 0 = none."""
        found: Checked | None = None
        while found is None or not found.is_over:
            if found is not None:
                await asyncio.sleep(pause_s)
            found = await asyncio.to_thread(self._look, partial(audit_log.check, before=found))
        seen = (self._seen,)
        broken: int = found.broken or await asyncio.to_thread(self._look, partial(audit_log.witness, seen=seen))
        if broken and broken != self.broken_at:
            self._telemetry.emit(AuditChainBroken(line=broken))
        if not broken:
            self._seen = found.upto
        self.broken_at, self.checked_ns = broken, self._clock.wall_ns()
        return broken
