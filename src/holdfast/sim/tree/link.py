"""A link between two nodes on virtual time: it can be cut, slow, lose requests or answers, and deliver twice."""

import asyncio
from dataclasses import dataclass
from random import Random

import msgspec

from holdfast.ingest.service import IngestService
from holdfast.wire.errors import LinkDown, LinkRefused, WireError
from holdfast.wire.messages import BatchReply, Hello, Welcome

DOWN_S = 1.0


@dataclass(slots=True)
class Weather:
    """How bad the link is. Probabilities of a fault per call; latency in seconds, one way."""

    cut: bool = False
    lose_request: float = 0.0
    lose_answer: float = 0.0
    twice: float = 0.0
    busy: float = 0.0
    latency: float = 0.02


class SimLink:
    """Implements `uplink.ports.ParentLink` against the ingest of another simulated node, through the wire's bytes."""

    def __init__(self, child: str, weather: Weather, rng: Random) -> None:
        self.parent: IngestService | None = None
        self.sent_bytes = 0
        self.calls = 0
        self._child = child
        self._weather = weather
        self._rng = rng

    async def hello(self, hello: Hello) -> Welcome:
        """Say hello to whoever is the parent now."""
        body = msgspec.json.encode(hello)
        await self._go(body)
        answer = await self._ingest().hello(self._child, msgspec.json.decode(body, type=Hello))
        await self._come_back()
        return msgspec.json.decode(msgspec.json.encode(answer), type=Welcome)

    async def batch(self, body: bytes) -> BatchReply:
        """Offer a batch; sometimes the network delivers it twice."""
        await self._go(body)
        try:
            answer = await self._ingest().batch(self._child, body)
            if self._rng.random() < self._weather.twice:
                await self._ingest().batch(self._child, body)
        except WireError as error:
            raise LinkRefused(f"status 400: {error}") from error
        await self._come_back()
        return answer

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _go(self, body: bytes) -> None:
        self.sent_bytes += len(body)
        self.calls += 1
        await asyncio.sleep(self._weather.latency)
        if self._weather.cut or self._rng.random() < self._weather.lose_request:
            await asyncio.sleep(DOWN_S)
            raise LinkDown("the request was lost")
        if self._rng.random() < self._weather.busy:
            raise LinkRefused("status 503: busy", 2.0)

    async def _come_back(self) -> None:
        await asyncio.sleep(self._weather.latency)
        if self._weather.cut or self._rng.random() < self._weather.lose_answer:
            await asyncio.sleep(DOWN_S)
            raise LinkDown("the answer was lost")

    def _ingest(self) -> IngestService:
        if self.parent is None:
            raise LinkDown("nobody listens there")
        return self.parent
