"""One artifact on its way from the parent: asks for what is missing until it's whole, whatever happens meanwhile.

What has come is kept over cuts and restarts (`parts.py`). Only the whole is believed: its digest. Ends with the
artifact in the store, or with why there'll be none: the parent has none, lied, or there's no room.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Literal

from holdfast.artifacts.errors import (
    ArtifactAbsent,
    ArtifactsFull,
    ArtifactTooLarge,
    ArtifactWrong,
    ParentLied,
)
from holdfast.artifacts.happenings import ArtifactFetchBegun, ArtifactFetchFailed, ArtifactFetchWaits
from holdfast.artifacts.parts import BLOCK, Part
from holdfast.artifacts.ports import Coming, Pace, ParentArtifacts
from holdfast.artifacts.ranges import Span
from holdfast.artifacts.status import FetchStatus, State
from holdfast.artifacts.store import ArtifactStore
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Happening
from holdfast.transport.backoff import Backoff
from holdfast.wire.errors import LinkDown, LinkRefused
from holdfast.wire.patience import Patience

BLOCK_S = 60.0
"""For how long a block (64 KiB) may be on its way: a link that drips slower than a kilobyte a second is cut."""
PAUSES_S = (0.5, 60.0)
"""After a refusal; the parent may ask for more."""
LONGEST_NAP_S = 5.0
"""How long a wait for the link is at most before it's asked again whether it still has to be."""


class Fetch:
    """One of them. `run` is its only task's body; everything else is looked at on the same loop."""

    def __init__(
        self,
        digest: str,
        store: ArtifactStore,
        parent: ParentArtifacts,
        patience: Patience,
        pace: Pace,
        clock: Clock,
        rng: Random,
        tell: Callable[[Happening], None],
    ) -> None:
        """Ask nothing yet."""
        self.digest, self._store, self._parent = digest, store, parent
        self._patience, self._pace, self._clock, self._tell = patience, pace, clock, tell
        self._backoff = Backoff(*PAUSES_S, rng)
        self.part: Part | None = None
        self.state: State = "waiting"
        self.detail = self.name = ""
        self.failure: HoldfastError | None = None
        self.received = 0
        """Bytes of the artifact that came since the start, repeated ones too."""
        self._news = asyncio.Event()
        self._has_told = False

    @property
    def is_over(self) -> bool:
        """Has it ended?"""
        return self.state in ("done", "failed")

    @property
    def has_lied(self) -> bool:
        """Did the parent send something that can't be it?"""
        return isinstance(self.failure, ParentLied)

    def status(self) -> FetchStatus:
        """How it stands."""
        part = self.part
        size, held = (0, 0) if part is None else (part.size, part.held)
        return FetchStatus(self.digest, self.state, held, size, self.received, self.detail)

    async def news(self) -> None:
        """Wait until something changes."""
        await self._news.wait()

    async def run(self) -> None:
        """Fetch it; returns when it's over."""
        try:
            self.part = await asyncio.to_thread(self._store.part, self.digest)
            self._tell(ArtifactFetchBegun(digest=self.digest, had=0 if self.part is None else self.part.held))
            while not await self._step():
                pass
        except HoldfastError as error:
            await self.fail(error)
        except OSError as error:
            await self.fail(HoldfastError(f"the disk refuses: {error.strerror}"))
        finally:
            if self.part is not None and self.state != "done":
                self.part.close()

    async def _step(self) -> bool:
        """Ask once; is it done?"""
        part = self.part
        if part is not None and part.is_whole:
            self._stands("verifying")
            await asyncio.to_thread(self._adopt, part)
            self._stands("done")
            return True
        await self._turn()
        began, before = self._clock.monotonic(), self.received
        try:
            wanted = Span(0, self._pace.span()) if part is None else part.gap(self._pace.span())
            await self._ask(wanted or Span(0, 1))
        except LinkRefused as error:
            await self._rest(error, max(self._backoff.failed(), error.retry_after_s))
        except (LinkDown, TimeoutError) as error:
            said = error if isinstance(error, LinkDown) else LinkDown(f"a block took longer than {BLOCK_S:.0f} s")
            self._patience.failed(self._clock.monotonic())
            await self._rest(said, 0.0)
        else:
            self._patience.succeeded()
            self._backoff.succeeded()
            self._has_told = False
        finally:
            self._pace.carried(self.received - before, self._clock.monotonic() - began)
        return False

    async def _ask(self, wanted: Span) -> None:
        async with self._parent.read(self.digest, wanted.start, wanted.end) as coming:
            if self.part is None:
                self.part = await asyncio.to_thread(self._store.begin_part, self.digest, coming.size)
            self.name = coming.name
            if coming.size != self.part.size:
                raise ParentLied(f"it was {self.part.size:,} bytes, and is {coming.size:,} now")
            self._stands("fetching")
            await self._take(coming, self.part)

    async def _take(self, coming: Coming, part: Part) -> None:
        """Write what comes, block by block; of one that is cut nothing is kept."""
        at, waiting = coming.span.start, bytearray()
        pieces = aiter(coming.pieces)
        deadline = self._clock.monotonic() + BLOCK_S
        while at < coming.span.end:
            async with asyncio.timeout(max(0.1, deadline - self._clock.monotonic())):
                piece = await anext(pieces, None)
            if piece is None:
                raise LinkDown("the answer was shorter than it said")
            self.received += len(piece)
            waiting += piece
            if at + len(waiting) > coming.span.end:
                raise ParentLied("the answer was longer than it said")
            while len(waiting) >= (whole := min(BLOCK, coming.span.end - at)) and whole:
                if whole == BLOCK or at + whole == part.size:
                    await asyncio.to_thread(part.write, at, bytes(waiting[:whole]))
                del waiting[:whole]
                at, deadline = at + whole, self._clock.monotonic() + BLOCK_S
                self._stands("fetching")

    async def _turn(self) -> None:
        """Wait until the parent may be called, and the link may carry it."""
        while not self._patience.may_call(now := self._clock.monotonic()):  # noqa: ASYNC110  # the time is known
            await asyncio.sleep(max(0.01, min(self._patience.quiet_until - now, LONGEST_NAP_S)))
        while (pause := self._pace.pause_s()) > 0:
            self._stands("waiting", "the link has no room for it now")
            await asyncio.sleep(min(pause, LONGEST_NAP_S))

    async def _rest(self, error: HoldfastError, pause_s: float) -> None:
        self._stands("waiting", str(error))
        if not self._has_told:
            self._has_told = True
            self._tell(ArtifactFetchWaits(digest=self.digest, detail=str(error)))
        await asyncio.sleep(pause_s)

    def _adopt(self, part: Part) -> None:
        try:
            self._store.adopt(self.digest, part, self.name)
        except ArtifactWrong as error:
            self.part = None
            raise ParentLied(f"what it sent is another file: {error}") from error

    async def fail(self, error: HoldfastError) -> None:
        """There'll be none."""
        if isinstance(error, ParentLied | ArtifactAbsent) and self.part is not None:  # what is kept takes room
            part, self.part = self.part, None
            await asyncio.to_thread(part.drop)
        self.failure = error
        self._stands("failed", str(error))
        self._tell(ArtifactFetchFailed(why=_WHY.get(type(error), "disk"), digest=self.digest, detail=str(error)))

    def _stands(self, state: State, detail: str = "") -> None:
        self.state, self.detail = state, detail
        self._news.set()
        self._news = asyncio.Event()


_WHY: dict[type[HoldfastError], Literal["absent", "lied", "too_large", "full"]] = {
    ArtifactAbsent: "absent",
    ParentLied: "lied",
    ArtifactTooLarge: "too_large",
    ArtifactsFull: "full",
}
