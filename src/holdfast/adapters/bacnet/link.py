"""The UDP socket of a BACnet/IP link: questions out, answers, notifications and who's-there in. Loop thread only.

Why not bacpypes3's own stack: it starts a task for each datagram that comes, binds with SO_REUSEPORT (so that a second
program takes half of the datagrams, unsaid), and tries for ever when it can't bind.
Everything that comes is dealt with at once, without a task, so a flood costs what reading it costs; see `limits`.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple

from holdfast.adapters.bacnet.errors import FrameInvalid
from holdfast.adapters.bacnet.exchanges import AllBusy, Exchanges
from holdfast.adapters.bacnet.frames import (
    Function,
    Heard,
    Kind,
    Result,
    Station,
    confirmed,
    everywhere,
    read,
    register,
    reject,
    unconfirmed,
    unicast,
)
from holdfast.adapters.bacnet.limits import Limits
from holdfast.adapters.bacnet.places import Place
from holdfast.adapters.errors import DeviceUnreachable
from holdfast.kernel.clock import Clock

_BUFFER = 1 << 20
_REJECT_UNRECOGNIZED = 9
_OWN_REASONS_FROM = 64


class Ears(NamedTuple):
    """Who hears what isn't an answer. unconfirmed: of any service; confirmed: True = it's taken, and answered later."""

    unconfirmed: Callable[[Heard], None]
    confirmed: Callable[[Heard], bool]


class Counts:
    """Datagrams and PDUs since the start."""

    __slots__ = ("foreign", "invalid", "received", "sent", "unwanted")

    def __init__(self) -> None:
        self.received = self.sent = self.invalid = self.unwanted = self.foreign = 0


class Link:
    """One socket, and beside it one that hears broadcasts, when the address has a subnet."""

    def __init__(
        self,
        place: Place,
        bbmd: tuple[str, int] | None,
        limits: Limits,
        clock: Clock,
        names: Callable[[Heard], str],
    ) -> None:
        """bbmd: broadcasts go through it; names: see `Exchanges`."""
        self.place, self.bbmd, self.limits, self._clock = place, bbmd, limits, clock
        self._names = names
        self.exchanges = Exchanges(names)
        self.counts = Counts()
        self.ears = Ears(lambda _: None, lambda _: False)
        self.registration: int | None = None
        """The BBMD's last answer; 0 = registered, None = it gave none yet."""
        self._transport: asyncio.DatagramTransport | None = None
        self._broadcasts: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind.

        Raises:
            OSError: another program has the port, or the address isn't this machine's.
        """
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Protocol(self._received), sock=_bound(self.place.host, self.place.port)
        )
        if self.place.broadcast and self.bbmd is None:
            try:
                sock = _bound(self.place.broadcast, self.place.port, shared=True)
                self._broadcasts, _ = await loop.create_datagram_endpoint(lambda: _Protocol(self._received), sock=sock)
            except OSError:
                self.close()
                raise

    def close(self) -> None:
        """Let go; questions under way fail."""
        for one in (self._transport, self._broadcasts):
            if one is not None:
                one.close()
        self._transport = self._broadcasts = None
        self.exchanges.fail_all(DeviceUnreachable("the socket was closed"))

    async def ask(self, station: Station, service: int, payload: bytes, timeout_s: float) -> bytes:
        """A confirmed request; the payload of its answer, empty for a mere acknowledgement.

        It's sent a second time when half of the time is over: datagrams get lost. Each segment of a long answer gets
        the time anew.

        Raises:
            TimeoutError: no answer.
            Refused: Error, Reject or Abort.
            DeviceUnreachable: it can't be sent.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        try:
            invoke, exchange = self.exchanges.begin(station, service, answer)
        except AllBusy:
            raise DeviceUnreachable(f"256 questions to {station} are under way") from None
        apdu = unicast(station, confirmed(invoke, service, payload), expects=True)
        try:
            self.send(station, apdu)
            await asyncio.wait((answer,), timeout=timeout_s / 2)
            if not answer.done() and not exchange.steps:
                self.send(station, apdu)
            seen = -1
            while not answer.done() and seen != exchange.steps:
                seen = exchange.steps
                await asyncio.wait((answer,), timeout=timeout_s / 2 if seen == 0 else timeout_s)
            if not answer.done():
                raise TimeoutError
            return answer.result()
        finally:
            self.exchanges.end(station, invoke)
            answer.cancel()

    def send(self, station: Station, datagram: bytes) -> None:
        """Raises DeviceUnreachable when there's no socket."""
        self._send((station.host, station.port), datagram)

    def say(self, station: Station, apdu: bytes) -> None:
        """An application PDU that needs no answer."""
        self.send(station, unicast(station, apdu))

    def shout(self, service: int, payload: bytes, to: tuple[tuple[str, int], ...] = ()) -> bool:
        """An unconfirmed request to everybody on all networks, and to these; False = nobody can be reached."""
        apdu, said = unconfirmed(service, payload), False
        if self.bbmd is not None:
            self._send(self.bbmd, everywhere(apdu, Function.DISTRIBUTE))
            said = True
        elif self.place.broadcast:
            self._send((self.place.broadcast, self.place.port), everywhere(apdu, Function.BROADCAST))
            said = True
        for one in to:
            self._send(one, everywhere(apdu, Function.UNICAST))
            said = True
        return said

    def register(self, ttl_s: int) -> None:
        """Ask the BBMD to hand broadcasts on; its answer is in `registration`."""
        if self.bbmd is not None:
            self._send(self.bbmd, register(ttl_s))

    def _send(self, address: tuple[str, int], datagram: bytes) -> None:
        if self._transport is None:
            raise DeviceUnreachable("the socket isn't open")
        self._transport.sendto(datagram, address)
        self.counts.sent += 1

    def _received(self, data: bytes, address: tuple[str, int]) -> None:
        if not self.limits.takes(address, self._clock.monotonic()):
            return
        self.counts.received += 1
        try:
            heard = read(data, *address)
        except FrameInvalid:
            self.counts.invalid += 1
            return
        if isinstance(heard, Result):
            if address == self.bbmd:
                self.registration = heard.code
        elif heard is not None and (heard.source.host, heard.source.port) != (self.place.host, self.place.port):
            self._heard(heard)

    def _heard(self, heard: Heard) -> None:
        if heard.kind is Kind.UNCONFIRMED:
            self.ears.unconfirmed(heard)
        elif heard.kind is not Kind.CONFIRMED:
            owed = self.exchanges.heard(heard)
            if owed is not None:
                self.say(heard.source, owed)
        elif heard.is_segment or not self.ears.confirmed(heard):
            self.counts.unwanted += 1
            self.say(heard.source, reject(heard.invoke, _REJECT_UNRECOGNIZED))


class _Protocol(asyncio.DatagramProtocol):
    """Hands datagrams on; what the network says of those that were sent shows as no answer."""

    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str | None, int]) -> None:
        self._received(data, (str(addr[0]), addr[1]))

    def error_received(self, exc: Exception) -> None:
        """See above."""


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        if shared:  # other BACnet programs on this machine hear the same broadcasts
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, error.strerror, f"UDP {host}:{port}") from None
    return sock
