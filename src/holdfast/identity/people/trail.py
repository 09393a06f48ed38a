"""Writes what people do into the journal's audit log, before it's done and after.

Failed logins are anybody's doing, and refusals at the door those of whoever may look: only some an hour are lines.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from holdfast.identity.people.errors import AuditWaits
from holdfast.identity.people.happenings import PersonActed, PersonAuditFailed, PersonAuditSettled
from holdfast.journal import audit_log
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry

WAIT_S = 5.0
MOST_OPEN = 64
"""Changes asked for at once: while a disk is full each leaves a row that waits for room."""
FAILURES_AN_HOUR = 60
_HOUR_NS = 3600 * NS_PER_S


class Act(NamedTuple):
    """A change that is on record as asked for. line: 0 = nobody keeps a record."""

    line: int
    who: str
    what: str
    address: str


class Trail(Protocol):
    """Where lines go. Its methods may be called for several at once."""

    async def ask(self, who: str, what: str, address: str, **more: Any) -> Act:
        """Put on record that somebody wants a change; on return it's on disk, and the change may be made.

        The caller owes an `ended`. One that is killed before has its act ended as unknown by the next start.

        Raises:
            AuditWaits: it can't be put on record now, so the change must not be made.
        """
        ...

    async def ended(self, act: Act, status: int) -> None:
        """What came of it, as HTTP would say; returns when it's on disk, or is late. Never raises."""
        ...

    async def write(self, who: str, what: str, status: int, address: str, **more: Any) -> None:
        """Add a line of what changes nothing; returns when it's on disk, or can't be. Never raises."""
        ...

    async def failed(self, who: str, what: str, address: str, status: int = 401, **more: Any) -> None:
        """Somebody wasn't let in, or may not; beyond so many an hour only their number is kept."""
        ...


class JournalTrail:
    """The audit log of a node."""

    def __init__(
        self, journal: Journal, clock: Clock, telemetry: Telemetry, settings: Mapping[str, str] | None = None
    ) -> None:
        """Queue the end of what a former life left open: before any row that is written from here on.

        settings: digests of the parts of node.yaml, of which other ones than at the last start are a line
        """
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._hour, self._open = 0, 0
        self._failures = Counter[str]()
        telemetry.gauge("audit_open", "Changes by people that are asked for and not over.", lambda: self._open)
        now_ns = clock.wall_ns()

        def begin(tx: Transaction) -> int:
            audit_log.notice(tx, now_ns, settings or {})
            return audit_log.settle(tx, now_ns)

        journal.submit(begin).add_done_callback(self._settled)

    async def ask(self, who: str, what: str, address: str, **more: Any) -> Act:
        """See `Trail`."""
        if self._open >= MOST_OPEN:
            raise AuditWaits(f"{MOST_OPEN} changes wait for their record already")
        now_ns, act = self._clock.wall_ns(), Act(0, who, what, address)
        body = {"who": who, "what": what, "address": address, **more}
        self._open += 1
        asked = self._journal.submit(lambda tx: audit_log.ask(tx, now_ns, body))
        try:
            async with asyncio.timeout(WAIT_S):
                return act._replace(line=(await asyncio.shield(asked))[0])
        except BaseException as error:  # cancelled, too: whoever asked is gone, and nothing will be made of it
            self._withdraw(act, asked)
            if isinstance(error, HoldfastError | TimeoutError):
                raise AuditWaits(str(error) or "the journal takes no writes") from error
            raise

    async def ended(self, act: Act, status: int) -> None:
        """See `Trail`."""
        answered = self._end(act, status)
        try:
            async with asyncio.timeout(WAIT_S):  # a full disk must not hold up who clears it
                line, chain = await asyncio.shield(answered)
        except (HoldfastError, TimeoutError) as error:
            self._missed(act, error)
            return
        self._tell(act, status, line, chain)

    async def write(self, who: str, what: str, status: int, address: str, **more: Any) -> None:
        """See `Trail`."""
        now_ns, act = self._clock.wall_ns(), Act(0, who, what, address)
        body = {"who": who, "what": what, "status": status, "address": address, **more}
        try:
            async with asyncio.timeout(WAIT_S):
                line, chain = await asyncio.shield(self._journal.submit(lambda tx: audit_log.write(tx, now_ns, body)))
        except (HoldfastError, TimeoutError) as error:
            self._missed(act, error)
            return
        self._tell(act, status, line, chain)

    async def failed(self, who: str, what: str, address: str, status: int = 401, **more: Any) -> None:
        """See `Trail`."""
        hour = self._clock.wall_ns() // _HOUR_NS
        if hour != self._hour:
            before, self._hour, self._failures = self._failures, hour, Counter()
            for name, n in before.items():
                if n > FAILURES_AN_HOUR:
                    left_out = f"{n - FAILURES_AN_HOUR} more {'changes' if name else 'logins'} refused"
                    await self.write(name, left_out, 403 if name else 401, "")
        of = "" if status == 401 else who  # any name can be guessed; who may look is somebody, and fills only their own
        self._failures[of] += 1
        if self._failures[of] <= FAILURES_AN_HOUR:
            await self.write(who, what, status, address, **more)

    def _withdraw(self, act: Act, asked: "asyncio.Future[tuple[int, str]]") -> None:
        """The change won't be made. Its row may get room yet; then it says so."""

        def landed(found: "asyncio.Future[tuple[int, str]]") -> None:
            if found.cancelled() or found.exception() is not None:
                self._open -= 1
            else:
                self._end(act._replace(line=found.result()[0]), 503).add_done_callback(_heard)

        asked.add_done_callback(landed)

    def _end(self, act: Act, status: int) -> "asyncio.Future[tuple[int, str]]":
        now_ns, body = self._clock.wall_ns(), {"who": act.who, "what": act.what}
        answered = self._journal.submit(lambda tx: audit_log.answer(tx, now_ns, act.line, body, status))
        answered.add_done_callback(self._over)
        return answered

    def _over(self, _: "asyncio.Future[tuple[int, str]]") -> None:
        self._open -= 1

    def _settled(self, found: "asyncio.Future[int]") -> None:
        if not found.cancelled() and found.exception() is None and found.result():
            self._telemetry.emit(PersonAuditSettled(changes=found.result()))

    def _tell(self, act: Act, status: int, line: int, chain: str) -> None:
        who, what, address = act.who, act.what, act.address
        self._telemetry.emit(
            PersonActed(who=who, what=what, status=status, address=address, line=line, chain=chain[:16])
        )

    def _missed(self, act: Act, error: Exception) -> None:
        self._telemetry.emit(PersonAuditFailed(who=act.who, what=act.what, error=str(error) or "no room yet"))


def _heard(found: "asyncio.Future[tuple[int, str]]") -> None:
    """Take its error: the journal has said it already."""
    if not found.cancelled():
        found.exception()
