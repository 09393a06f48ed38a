"""A parent in memory behind the room's port, with faults in the order they're given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Literal

from holdfast.artifacts.errors import ArtifactAbsent
from holdfast.artifacts.ports import Coming, NoPace
from holdfast.artifacts.ranges import Span
from holdfast.artifacts.service import Artifacts
from holdfast.artifacts.settings import ArtifactSettings
from holdfast.artifacts.store import ArtifactStore
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.breaker import Breaker
from holdfast.wire.errors import LinkDown, LinkRefused

PIECE = 10_000
Fault = Literal["down", "refused", "cut", "short", "long", "other bytes", "other size", "hangs"]


@dataclass
class Parent:
    """bodies: what it has; faults: one is used up by each answer; cut_at: bytes of an answer before its cut."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    cut_at: int = 150_000
    asked: list[Span] = field(default_factory=list)
    sent: int = 0
    may_go: asyncio.Event | None = None

    def has(self, body: bytes) -> str:
        digest = sha256(body).hexdigest()
        self.bodies[digest] = body
        return digest

    @asynccontextmanager
    async def read(self, digest: str, start: int, end: int | None) -> AsyncIterator[Coming]:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "down":
            raise LinkDown("nothing listens there")
        if fault == "refused":
            raise LinkRefused("busy")
        if digest not in self.bodies:
            raise ArtifactAbsent("it has none")
        body = self.bodies[digest]
        if fault == "other bytes":
            body = bytes(len(body))
        if fault == "other size":
            body += b"!"
        span = Span(start, len(body) if end is None else min(end, len(body)))
        self.asked.append(span)
        yield Coming(span, len(body), self._pieces(body[span.start : span.end], fault))

    async def _pieces(self, body: bytes, fault: Fault | None) -> AsyncIterator[bytes]:
        if fault == "hangs":
            await asyncio.Event().wait()
        if fault == "short":
            body = body[:-1]
        if fault == "long":
            body += b"!"
        for at in range(0, len(body), PIECE):
            if fault == "cut" and at >= self.cut_at:
                raise LinkDown("cut")
            if self.may_go is not None and at >= self.cut_at:
                await self.may_go.wait()
            self.sent += len(body[at : at + PIECE])
            yield body[at : at + PIECE]
            await asyncio.sleep(0)


class Pace(NoPace):
    """Small requests; keeps what it's told."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.size, self.told, self.pauses = size, 0, 0

    def span(self) -> int:
        return self.size

    def pause_s(self) -> float:
        self.pauses -= 1
        return 0.01 if self.pauses >= 0 else 0.0

    def carried(self, size: int, seconds: float) -> None:
        assert seconds >= 0
        self.told += size


class House:
    """A node's room with its parent."""

    def __init__(self, root: Path, parent: Parent | None, settings: ArtifactSettings | None = None) -> None:
        self.log, self.pace = list[str](), Pace()
        self.telemetry = Telemetry(SystemClock(), self.log.append)
        settings = settings or ArtifactSettings(fetch_within=5.0)
        self.store = ArtifactStore(root, settings, SystemClock(), self.telemetry.emit)
        patience = Breaker(3, 0.001, 0.01, Random(1))
        self.room = Artifacts(
            settings, self.store, SystemClock(), self.telemetry, Random(1), parent, patience, self.pace
        )

    def do(self, what: Callable[[], Awaitable[None]]) -> None:
        """With the room's task running."""

        async def body() -> None:
            task = asyncio.ensure_future(self.room.run())
            try:
                async with asyncio.timeout(10):
                    await what()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(body())

    def read(self, digest: str) -> bytes:
        opened = self.store.open(digest)
        try:
            return opened.read(0, opened.size)
        finally:
            opened.close()
