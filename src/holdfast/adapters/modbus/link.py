"""A connection to a Modbus address: questions and answers, never mixed up. Loop thread only.

It's opened by the first question, and again after it broke. Over TCP each question has a number: what answers an
older one is dropped. Serial frames have none: after a question without an answer the line is listened to until it's
quiet, and the connection closed, so that a late answer can't be taken for another question's.
"""

import asyncio
import contextlib
import os
import socket
from typing import cast

from holdfast.adapters.errors import DeviceUnreachable
from holdfast.adapters.modbus.errors import Malformed, WrongUnit
from holdfast.adapters.modbus.frames import Question, RtuFrames, TcpFrames, data_of, rtu_frame, tcp_frame
from holdfast.adapters.modbus.settings import Transport
from holdfast.transport.addresses import Address

_MOST_SILENT = 2
"""Questions in a row without any answer, after which a TCP connection is given up: the peer may have lost it."""
_QUIET_S = 0.05
_MOST_UNASKED = 64
"""Frames, or pieces of a serial line's noise, that may come unasked between two questions."""
_NUMBERS = 0x10000


class _Tcp:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._frames = loop, TcpFrames()
        self._waiting: dict[int, tuple[int, asyncio.Future[bytes]]] = {}
        self._number = 0
        self.late = self._unasked = 0

    def ask(self, unit: int, question: Question) -> tuple[bytes, asyncio.Future[bytes]]:
        number = self._number = (self._number + 1) % _NUMBERS
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting[number] = unit, answer
        self._unasked = 0
        answer.add_done_callback(lambda _: self._waiting.pop(number, None))
        return tcp_frame(number, unit, question), answer

    def feed(self, data: bytes) -> None:
        for number, unit, pdu in self._frames.feed(data):
            asked, answer = self._waiting.get(number, (unit, None))
            if answer is None or answer.done():
                self.late += 1
                self._unasked = _unasked(self._unasked + 1)
            elif unit != asked:
                answer.set_exception(WrongUnit(asked, unit))
            else:
                answer.set_result(pdu)

    @property
    def is_amid(self) -> bool:
        """Has half an answer come? What comes next would be taken for the rest of it."""
        return self._frames.is_amid

    def fail(self, error: Exception) -> None:
        for _, answer in list(self._waiting.values()):
            if not answer.done():
                answer.set_exception(error)


class _Rtu:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._frames: RtuFrames | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self.late = self._unasked = 0

    def ask(self, unit: int, question: Question) -> tuple[bytes, asyncio.Future[bytes]]:
        self._frames = RtuFrames(unit, question)
        self._answer = self._loop.create_future()
        self._unasked = 0
        return rtu_frame(unit, question.pdu), self._answer

    def feed(self, data: bytes) -> None:
        if self._frames is None or self._answer is None or self._answer.done():
            self.late += 1
            self._unasked = _unasked(self._unasked + 1)
            return
        pdu = self._frames.feed(data)
        if pdu is not None:
            self._answer.set_result(pdu)

    @property
    def is_amid(self) -> bool:
        """Serial frames begin anew with each question."""
        return False

    def fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _unasked(count: int) -> int:
    if count > _MOST_UNASKED:
        raise Malformed("it goes on talking without being asked", "is this a Modbus device?")
    return count


class _Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, talk: _Tcp | _Rtu) -> None:
        self.talk = talk
        self.transport: asyncio.Transport | None = None
        self.answered = 0
        self.silent = 0
        self.heard = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's isn't a subclass

    def data_received(self, data: bytes) -> None:
        self.heard += 1
        try:
            self.talk.feed(data)
        except Malformed as error:
            self.close(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        said = (exc.strerror if isinstance(exc, OSError) else None) or "the device closed the connection"
        self.talk.fail(Lost(said, "does something else hold its only connection?"))

    def close(self, error: Exception) -> None:
        """It's of no more use."""
        transport, self.transport = self.transport, None
        self.talk.fail(error)
        if transport is not None:
            transport.abort()


class Lost(DeviceUnreachable):
    """The connection broke while an answer was waited for."""


class Link:
    """One address."""

    def __init__(self, address: Address, transport: Transport) -> None:
        self.address, self._transport = address, transport
        self._wire: _Wire | None = None
        self._opening = asyncio.Lock()
        self._late = self.opened = 0

    @property
    def late(self) -> int:
        """Answers that came too late, and were dropped."""
        return self._late + (self._wire.talk.late if self._wire is not None else 0)

    async def ask(self, unit: int, question: Question, timeout_s: float, *, again: bool = True) -> bytes:
        """The data of the answer. Over RTU: one question at a time.

        again: ask once more when an older connection turns out to be broken (devices close those that rest)

        Raises:
            DeviceUnreachable: no connection; nothing was asked.
            Lost: it broke; the question may have arrived.
            TimeoutError: no answer.
            Refused, UnitSilent, Malformed: an answer of no use.
        """
        wire = await self._open(timeout_s)
        was_used = wire.answered > 0
        try:
            return await self._exchange(wire, unit, question, timeout_s)
        except Lost:
            if not (again and was_used):
                raise
        return await self._exchange(await self._open(timeout_s), unit, question, timeout_s)

    async def _exchange(self, wire: _Wire, unit: int, question: Question, timeout_s: float) -> bytes:
        transport = wire.transport
        if transport is None:
            raise Lost("the device closed the connection")
        loop = asyncio.get_running_loop()
        frame, answer = wire.talk.ask(unit, question)
        transport.write(frame)
        timer = loop.call_later(timeout_s, _give_up, answer)
        try:
            pdu = await answer
        except TimeoutError:
            await self._silent(wire, timeout_s)
            raise
        finally:
            timer.cancel()
            answer.cancel()
        wire.answered += 1
        wire.silent = 0
        try:
            return data_of(question, pdu)
        except Malformed:  # where the next answer begins is anybody's guess now
            wire.close(DeviceUnreachable("the connection was closed after an answer of no use"))
            raise

    async def _silent(self, wire: _Wire, timeout_s: float) -> None:
        wire.silent += 1
        if self._transport == "rtu-over-tcp":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    heard = -1
                    while heard != wire.heard and wire.transport is not None:
                        heard = wire.heard
                        await asyncio.sleep(_QUIET_S)
            wire.close(DeviceUnreachable("the connection was closed after a question without an answer"))
        elif wire.silent >= _MOST_SILENT or wire.talk.is_amid:
            wire.close(DeviceUnreachable("the connection was closed: nothing came any more"))

    async def _open(self, timeout_s: float) -> _Wire:
        wire = self._wire
        if wire is not None and wire.transport is not None:
            return wire
        async with self._opening:
            if self._wire is not None and self._wire.transport is not None:  # another question opened it meanwhile
                return self._wire
            loop = asyncio.get_running_loop()
            self._late = self.late
            self._wire = None
            talk = _Tcp(loop) if self._transport == "tcp" else _Rtu(loop)
            try:
                async with asyncio.timeout(timeout_s):
                    _, made = await loop.create_connection(lambda: _Wire(talk), self.address.host, self.address.port)
            except TimeoutError:
                raise
            except OSError as error:
                raise DeviceUnreachable(f"{self.address}: {_said(error)}", "is it on, and the address right?") from None
            self._wire = made
            self.opened += 1
            return made

    def close(self) -> None:
        """Close the connection; the next question opens one."""
        if self._wire is not None:
            self._wire.close(DeviceUnreachable("the link was closed"))


def _said(error: OSError) -> str:
    """In words; asyncio's own ones hold a tuple of Python."""
    is_plain = error.errno and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno) if is_plain and error.errno else error.strerror or str(error)


def _give_up(answer: asyncio.Future[bytes]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
