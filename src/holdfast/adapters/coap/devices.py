"""Devices that are servers: each resource is observed where that's possible, else polled; points are written.

A resource has a task of its own, so that a device that's dead keeps nobody waiting. It lives so:

    register ──▶ notifications ──nothing for Max-Age + 5 s──▶ register again ──no answer──▶ offline, try again later
        └──the device doesn't observe──▶ poll every `every`; registering is tried again every ten minutes

What is offline is said once a point, when it stops, and the first value that comes afterwards ends it.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Protocol

from msgspec import Struct

from holdfast.adapters.coap.errors import CoapFaulted, CoapUnreachable
from holdfast.adapters.coap.fresh import Fresh, holds_s
from holdfast.adapters.coap.values import Read, read
from holdfast.adapters.errors import AdapterError
from holdfast.kernel.clock import Clock
from holdfast.transport.backoff import Backoff

AGAIN_S = 600.0
"""A device that doesn't observe is asked so often whether it does by now."""
FIRST_S, LONGEST_S = 1.0, 60.0
"""Between tries of a resource that doesn't answer."""


class Sink(Protocol):
    """Where a resource's payloads go."""

    def values(self, found: Mapping[str, Read]) -> None:
        """These points have new values."""
        ...

    def payload(self, data: bytes) -> None:
        """A payload of a resource that has a topic instead of points."""
        ...

    def offline(self, points: tuple[str, ...]) -> None:
        """These points have no values any more."""
        ...


class Answer(Struct, frozen=True):
    """What a device answered, or told.

    kind: Content-Format; max_age_s: None = not told; number: of the Observe option; is_partial: more blocks follow
    """

    payload: bytes
    kind: int | None = None
    max_age_s: float | None = None
    number: int | None = None
    is_partial: bool = False


class Registered(Protocol):
    """A registration for notifications."""

    def end(self) -> None:
        """No more of them; nothing is called afterwards."""
        ...


Heard = Callable[[Answer], None]
Lost = Callable[[AdapterError], None]


class Network(Protocol):
    """The way to a device. A port, so that a resource's life is tested by itself."""

    timeout_s: float

    async def ask(self, path: str) -> Answer:
        """GET once, whole.

        Raises:
            AdapterError: no answer, or one that is an error.
        """
        ...

    async def register(self, path: str, heard: Heard, lost: Lost) -> Registered:
        """Ask to be told. What comes, the first answer too, comes to `heard`; what ends it, once, to `lost`."""
        ...


class Resource:
    """One resource of one device. `run` is its only task's body."""

    def __init__(
        self,
        path: str,
        records: Mapping[str, str],
        network: Network,
        sink: Sink,
        clock: Clock,
        rng: Random,
        every_s: float,
        *,
        observe: bool,
    ) -> None:
        """records: point to record; none = the payload goes to a topic as it is."""
        self.path, self._records = path, dict(records)
        self._network, self._sink, self._clock = network, sink, clock
        self._every_s, self._observe = every_s, observe
        self._backoff = Backoff(FIRST_S, LONGEST_S, rng)
        self._ask_again_at = -1.0
        self._is_marked = False
        self._news = asyncio.Event()
        self._lost: AdapterError | None = None
        self._known: Answer | None = None
        """What a device that failed answered to a plain GET, before it's observed again."""
        self._must_fetch = self._is_doubted = False
        self._holds_s = 0.0
        self.when_lost: Callable[[], None] = lambda: None
        """Called when it stops answering: what else the device has may be gone, too."""
        self.how = "starting"
        self.last_ns = self.received = self.failures = self.late = 0
        self.error: AdapterError | None = None

    async def run(self) -> None:
        """Observe or poll, for ever."""
        while True:
            try:
                if self._observe and self._clock.monotonic() >= self._ask_again_at:
                    self._known = await self._network.ask(self.path) if self.how == "failing" else None
                    await self._observing()
                else:
                    await self._polling()
            except AdapterError as error:
                self._failed(error)
                await asyncio.sleep(self._backoff.failed())
            except Exception as error:  # noqa: BLE001  # whatever a device's answers do, the others go on (G12)
                self._failed(CoapFaulted(f"{type(error).__name__}: {error}"[:300], "please report this with the log"))
                await asyncio.sleep(self._backoff.failed())

    def doubt(self) -> None:
        """The device doesn't answer elsewhere: an observed resource is asked now, not when Max-Age is over."""
        if self.how == "observed":
            self._is_doubted = True
            self._news.set()

    async def _observing(self) -> None:
        """Observe for as long as the device does; each registration ends the one before."""
        registration: Registered | None = None
        try:
            while True:
                fresh = Fresh()  # a registration's numbers begin anew
                self._lost, self._is_doubted = None, False
                self._news.clear()
                self._holds_s = self._network.timeout_s
                if registration is not None:
                    registration.end()
                registration = await self._network.register(self.path, partial(self._heard, fresh), self._ended)
                if not await self._was_answered():
                    await self._without()
                while self.how == "observed" and await self._told():
                    pass
                if self.how != "observed":
                    return
        finally:
            if registration is not None:
                registration.end()

    async def _was_answered(self) -> bool:
        """Did the registration lead to anything?"""
        try:
            return await self._told()
        except CoapUnreachable:
            return False

    async def _without(self) -> None:
        """The registration wasn't answered. Some devices choke on observing what they can be asked for."""
        if self.how == "observed":
            raise CoapUnreachable(f"{self.path} isn't told of any more and doesn't answer", "Is the device on?")
        answer = self._known or await self._network.ask(self.path)
        self.how, self._ask_again_at = "polled", self._clock.monotonic() + AGAIN_S
        self._took(answer)

    async def _told(self) -> bool:
        """Wait for news; False = none came in time. Raises what ended the stream."""
        try:
            async with asyncio.timeout(self._holds_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        if isinstance(self._lost, CoapUnreachable) and self.how == "observed":
            return False  # aiocoap ends all that a device was asked when one request isn't answered: ask again
        if self._lost is not None:
            raise self._lost
        if self._is_doubted:
            self._is_doubted = False
            return False
        if self._must_fetch:
            self._must_fetch = False
            self._took(await self._network.ask(self.path))
        return True

    def _heard(self, fresh: Fresh, answer: Answer) -> None:
        """A notification, or the registration's answer."""
        now = self._clock.monotonic()
        self._news.set()
        if answer.number is None:  # RFC 7641 §3.1: it isn't observed, but this is its value all the same
            self.how, self._ask_again_at = "polled", now + AGAIN_S
        elif not fresh.is_news(answer.number, now):
            self.late += 1
            return
        else:
            self.how = "observed"
        self._holds_s = holds_s(answer.max_age_s)
        try:
            self._took(answer)
        except CoapFaulted as error:
            self._lost = error

    def _ended(self, error: AdapterError) -> None:
        self._lost = error
        self._news.set()

    async def _polling(self) -> None:
        self.how = "polled"
        self._took(await self._network.ask(self.path))
        await asyncio.sleep(self._every_s)

    def _took(self, answer: Answer) -> None:
        if answer.is_partial:
            self._must_fetch = True
            return
        now_ns = self._clock.wall_ns()
        if self._records:
            found = read(answer.payload, answer.kind, self._records, now_ns)
            if not found:
                wanted = ", ".join(record or "a value" for record in self._records.values())
                raise CoapFaulted(f"{self.path} has none of {wanted}", "See `record` in the map")
            self._sink.values(found)
        else:
            self._sink.payload(answer.payload)
        self.last_ns, self.error = now_ns, None
        self.received += 1
        self._is_marked = False
        self._backoff.succeeded()

    def _failed(self, error: AdapterError) -> None:
        self.failures += 1
        self.error = error
        was_well, self.how = self.how != "failing", "failing"
        if was_well and isinstance(error, CoapUnreachable):
            self.when_lost()
        if not self._is_marked:
            self._is_marked = True
            self._sink.offline(tuple(self._records))
