"""Writes what people do into the journal's audit log. Failed logins are anybody's doing, so only some an hour."""

import asyncio
from typing import Any, Protocol

from holdfast.identity.people.happenings import PersonActed, PersonAuditFailed
from holdfast.journal import audit_log
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry

WAIT_S = 5.0
FAILURES_AN_HOUR = 60
_HOUR_NS = 3600 * NS_PER_S


class Trail(Protocol):
    """Where lines go."""

    async def write(self, who: str, what: str, status: int, address: str, **more: Any) -> None:
        """Add a line; returns when it's on disk, or can't be. Never raises. May be called for several at once."""
        ...

    async def failed(self, who: str, what: str, address: str) -> None:
        """Somebody wasn't let in; beyond so many an hour only their number is kept."""
        ...


class JournalTrail:
    """The audit log of a node."""

    def __init__(self, journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._hour, self._failures = 0, 0

    async def write(self, who: str, what: str, status: int, address: str, **more: Any) -> None:
        """See `Trail`."""
        now_ns = self._clock.wall_ns()
        body = {"who": who, "what": what, "status": status, "address": address, **more}

        def add(tx: Transaction) -> tuple[int, str]:
            return audit_log.write(tx, now_ns, body)

        try:
            async with asyncio.timeout(WAIT_S):  # a full disk must not hold up who clears it
                line, chain = await asyncio.shield(self._journal.submit(add))
        except (HoldfastError, TimeoutError) as error:
            self._telemetry.emit(PersonAuditFailed(who=who, what=what, error=str(error) or "no room yet"))
            return
        self._telemetry.emit(
            PersonActed(who=who, what=what, status=status, address=address, line=line, chain=chain[:16])
        )

    async def failed(self, who: str, what: str, address: str) -> None:
        """See `Trail`."""
        hour = self._clock.wall_ns() // _HOUR_NS
        if hour != self._hour:
            left_out, self._hour, self._failures = self._failures - FAILURES_AN_HOUR, hour, 0
            if left_out > 0:
                await self.write("", f"{left_out} more logins refused", 401, "")
        self._failures += 1
        if self._failures <= FAILURES_AN_HOUR:
            await self.write(who, what, 401, address)
