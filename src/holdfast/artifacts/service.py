"""A node's artifacts: what is here, and what is fetched from the parent because somebody asked.

One download a digest, however many ask; who asks meanwhile reads what has come so far, so an artifact passes through a
node in the middle while that keeps it. Bytes that pass so aren't verified yet: whoever fetches them does that itself.
"""

import asyncio
from collections import OrderedDict
from random import Random
from typing import Protocol

from holdfast.artifacts.entries import Opened
from holdfast.artifacts.errors import ArtifactAbsent, ArtifactError, ArtifactLate
from holdfast.artifacts.fetching import Fetch
from holdfast.artifacts.ports import NoPace, Pace, ParentArtifacts
from holdfast.artifacts.settings import ArtifactSettings
from holdfast.artifacts.status import FetchStatus
from holdfast.artifacts.store import ArtifactStore
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.patience import Patience

MOST_FETCHES = 64
"""Wanted at once, those in line too."""
REMEMBER_S = {"lied": 60.0, "else": 10.0}
"""How long a fetch that came to nothing is the answer to whoever asks again."""
MOST_REMEMBERED = 256
MOST_RESUMED = 32
"""Unfinished ones that a start goes on with, the latest; it lets the others go."""


class Source(Protocol):
    """An artifact's bytes, as somebody reads them."""

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        ...

    @property
    def name(self) -> str:
        """What it's called; empty = nothing."""
        ...

    async def read(self, start: int, most: int) -> bytes:
        """Some bytes from `start` on, at least one, at most so many.

        Raises:
            ArtifactError: there won't be any more.
        """
        ...

    def close(self) -> None:
        """Let go."""
        ...


class Artifacts:
    """The artifacts of one node. `run` is its only task's body. Loop thread only."""

    def __init__(
        self,
        settings: ArtifactSettings,
        store: ArtifactStore,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
        parent: ParentArtifacts | None = None,
        patience: Patience | None = None,
        pace: Pace | None = None,
    ) -> None:
        """parent: None = this node has none; then `patience` isn't needed."""
        self.settings, self.store = settings, store
        self._clock, self._telemetry, self._rng = clock, telemetry, rng
        self._parent, self._patience, self._pace = parent, patience, pace or NoPace()
        self._fetches: dict[str, Fetch] = {}
        self._fresh: list[Fetch] = []
        self._over: OrderedDict[str, tuple[float, HoldfastError]] = OrderedDict()
        self._rung = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.fetches)
        self._received = 0
        self._measure(telemetry)

    async def run(self) -> None:
        """Fetch what is asked for, and what was when the node ended; cancel to stop."""
        if self._parent is not None:
            parts = await asyncio.to_thread(self.store.parts)
            for digest in parts[:MOST_RESUMED]:
                self._want(digest)
            await asyncio.to_thread(self.store.drop_parts, parts[MOST_RESUMED:])
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._rung.wait()
                self._rung.clear()
                fresh, self._fresh = self._fresh, []
                for fetch in fresh:
                    tasks.create_task(self._fetched(fetch), name=f"artifact {fetch.digest[:12]}")

    def status(self) -> list[FetchStatus]:
        """What is on its way."""
        return [fetch.status() for fetch in self._fetches.values()]

    async def get(self, digest: str, within_s: float) -> None:
        """Have it here, whole and verified: then `store.path` says where.

        Raises:
            ArtifactLate: it isn't within the time; fetching goes on.
            ArtifactError, HoldfastError: it can't be had.
        """
        if await self._here(digest):
            return
        fetch = self._want(digest)
        try:
            async with asyncio.timeout(within_s):
                while not fetch.is_over:
                    await fetch.news()
        except TimeoutError:
            raise late(fetch) from None
        if fetch.failure is not None:
            raise fetch.failure

    def want(self, digest: str) -> FetchStatus | None:
        """Begin to fetch it, unless it's here; None = it is. Raises like `get`, at once."""
        if self.store.entry(digest) is not None:
            return None
        return self._want(digest).status()

    async def source(self, digest: str) -> Source:
        """Its bytes: from here, or as they come from the parent.

        Raises:
            ArtifactLate: not even its size is known within `fetch_within`.
            ArtifactError, HoldfastError: it can't be had.
        """
        if self.store.entry(digest) is not None:
            try:
                return _Here(await asyncio.to_thread(self.store.open, digest))
            except ArtifactAbsent:
                if self._parent is None:
                    raise
        fetch = self._want(digest)
        try:
            async with asyncio.timeout(self.settings.fetch_within):
                while fetch.part is None and not fetch.is_over:
                    await fetch.news()
        except TimeoutError:
            raise late(fetch) from None
        if fetch.failure is not None:
            raise fetch.failure
        if fetch.state == "done" or fetch.part is None:
            return _Here(await asyncio.to_thread(self.store.open, digest))
        return _Passing(self, fetch, fetch.part.size, self.settings.fetch_within)

    async def _here(self, digest: str) -> bool:
        if self.store.entry(digest) is None:
            return False
        try:
            await asyncio.to_thread(self.store.path, digest)
        except ArtifactAbsent:
            if self._parent is None:
                raise
            return False
        return True

    def _want(self, digest: str) -> Fetch:
        if digest in self._fetches:
            return self._fetches[digest]
        if self._parent is None or self._patience is None:
            raise ArtifactAbsent(f"{digest[:12]}… isn't here, and this node has no parent")
        until, failure = self._over.get(digest, (0.0, None))
        if failure is not None and self._clock.monotonic() < until:
            raise failure
        if len(self._fetches) >= MOST_FETCHES:
            raise ArtifactLate(f"{MOST_FETCHES} artifacts are being fetched", 30.0)
        self._fetches[digest] = fetch = Fetch(
            digest,
            self.store,
            self._parent,
            self._patience,
            self._pace,
            self._clock,
            self._rng,
            self._telemetry.emit,
        )
        self._fresh.append(fetch)
        self._rung.set()
        return fetch

    async def _fetched(self, fetch: Fetch) -> None:
        try:
            async with self._slots:
                await fetch.run()
        except Exception as bug:  # noqa: BLE001  # a fault of ours here must not end a node that stores readings
            await fetch.fail(ArtifactError(f"unexpected: {bug!r}"))
        finally:
            self._received += fetch.received
            self._fetches.pop(fetch.digest, None)
        if fetch.failure is not None:
            lasts_s = REMEMBER_S["lied" if fetch.has_lied else "else"]
            self._over[fetch.digest] = self._clock.monotonic() + lasts_s, fetch.failure
            while len(self._over) > MOST_REMEMBERED:
                self._over.popitem(last=False)
        else:
            self._over.pop(fetch.digest, None)

    def _measure(self, telemetry: Telemetry) -> None:
        telemetry.gauge("artifact_bytes", "Bytes of artifacts on this node.", lambda: self.store.size)
        telemetry.gauge("artifacts_now", "Artifacts on this node.", lambda: len(self.store.entries()))
        telemetry.gauge("artifact_fetches_now", "Artifacts on their way from the parent.", lambda: len(self._fetches))
        telemetry.gauge(
            "artifact_fetch_missing_bytes",
            "Bytes that artifacts on their way still lack, as far as it's known.",
            lambda: sum(one.bytes - one.held for one in self.status()),
        )
        telemetry.counter(
            "artifact_fetched_bytes",
            "Bytes of artifacts that came from the parent, repeated ones too.",
            lambda: self._received + sum(fetch.received for fetch in self._fetches.values()),
        )


def late(fetch: Fetch) -> ArtifactLate:
    """Why it isn't here yet."""
    stands = fetch.status()
    so_far = f"{stands.held:,} of {stands.bytes:,} bytes are here" if stands.bytes else "nothing has come"
    why = f": {stands.detail}" if stands.detail else ""
    return ArtifactLate(f"{fetch.digest[:12]}… is being fetched from the parent; {so_far}{why}")


class _Here:
    """A `Source` on disk."""

    def __init__(self, opened: Opened) -> None:
        self._opened, self.size, self.name = opened, opened.size, opened.name

    async def read(self, start: int, most: int) -> bytes:
        """See `Source.read`."""
        try:
            found = await asyncio.to_thread(self._opened.read, start, min(self.size, start + most))
        except OSError as error:
            raise ArtifactError(f"the disk refuses: {error.strerror}") from error
        if not found:
            raise ArtifactError("the file is shorter than it was")
        return found

    def close(self) -> None:
        """See `Source.close`."""
        self._opened.close()


class _Passing:
    """A `Source` that is on its way itself."""

    def __init__(self, room: Artifacts, fetch: Fetch, size: int, patience_s: float) -> None:
        self._room, self._fetch, self.size, self._patience_s = room, fetch, size, patience_s
        self.name = fetch.name
        self._opened: _Here | None = None

    async def read(self, start: int, most: int) -> bytes:
        """See `Source.read`."""
        if self._opened is not None:
            return await self._opened.read(start, most)
        try:
            async with asyncio.timeout(self._patience_s):
                while not (found := await self._come(start, most)):
                    await self._fetch.news()
                return found
        except TimeoutError:
            raise late(self._fetch) from None

    async def _come(self, start: int, most: int) -> bytes:
        """What has come of these bytes; empty = nothing yet."""
        fetch = self._fetch
        if fetch.state == "done":
            self._opened = _Here(await asyncio.to_thread(self._room.store.open, fetch.digest))
            return await self._opened.read(start, most)
        if fetch.failure is not None:
            raise ArtifactError(str(fetch.failure)) from fetch.failure
        part = fetch.part
        if part is None or part.size != self.size or (end := part.reach(start, most)) <= start:
            return b""
        try:
            return await asyncio.to_thread(part.read, start, end)
        except (OSError, ValueError) as error:  # closed meanwhile: it became whole, or the node ends
            if fetch.is_over:
                return await self._come(start, most)
            if fetch.state == "verifying":
                return b""
            raise ArtifactError("what came so far can't be read") from error

    def close(self) -> None:
        """See `Source.close`."""
        if self._opened is not None:
            self._opened.close()
