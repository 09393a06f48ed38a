"""An open line: bytes in by callback, bytes out, paused and resumed. A device by pyserial, or a serial server by TCP.

pyserial opens the port and sets baud, parity and flow control; reading and writing are asyncio's own, on the port's
file descriptor, so that no thread waits for bytes.
"""

import asyncio
import errno
import importlib.util
import os
import socket
from collections.abc import Callable
from typing import Any

from holdfast.adapters.errors import ExtraMissing
from holdfast.adapters.serial.errors import LineLost, PortUnusable
from holdfast.adapters.serial.settings import SerialSettings

_OPEN_S = 10.0
_WRITE_S = 5.0
_MOST_UNSENT = 65_536
_PARITY = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}
_HINTS = {
    errno.ENOENT: "Is it plugged in? `ls /dev/serial/by-id/` shows what is",
    errno.EACCES: "Let the node's user into the group that owns it: `ls -l` shows which (often dialout)",
    errno.EBUSY: "Another program has it: `fuser -v` shows which",
    errno.ENOTTY: "Is it a serial port at all?",
    errno.EISDIR: "Name the port in it",
    errno.ECONNREFUSED: "Does the serial server listen there?",
}


class Wire:
    """An open line. Loop thread only."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        """heard: called with what came."""
        self.heard = heard
        self.lost: asyncio.Future[LineLost] = asyncio.get_running_loop().create_future()
        self._reader: asyncio.ReadTransport | None = None
        self._out: asyncio.WriteTransport | None = None
        self._port: Any = None

    async def open(self, settings: SerialSettings) -> None:
        """Open it.

        Raises:
            PortUnusable: when that fails; the hint says what to do.
        """
        try:
            async with asyncio.timeout(_OPEN_S):
                if settings.address is None:
                    await self._open_device(settings)
                else:
                    await self._open_tcp(*settings.address)
        except TimeoutError as error:
            raise PortUnusable(f"{settings.port} doesn't open within {_OPEN_S:g} s") from error
        except OSError as error:
            why = error.strerror or str(error)
            raise PortUnusable(f"{settings.port}: {why}", _HINTS.get(error.errno or 0, "")) from error

    async def send(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            LineLost: when it can't be.
        """
        try:
            async with asyncio.timeout(_WRITE_S):
                await self._write(data)
        except TimeoutError as error:
            raise LineLost("the port takes no bytes", "Is flow control (`flow`) as the instrument has it?") from error
        except OSError as error:
            raise LineLost(f"the port can't be written to: {error.strerror or error}") from error

    def hold(self, *, on: bool) -> None:
        """Read no more, or again."""
        if self._reader is None or self._reader.is_closing():
            return
        if on and self._reader.is_reading():
            self._reader.pause_reading()
        elif not on and not self._reader.is_reading():
            self._reader.resume_reading()

    def close(self) -> None:
        """Close it; nothing is heard any more."""
        self.heard = _deaf
        if self._reader is not None:
            self._reader.close()
        if self._port is not None:
            self._port.close()
        self._reader = self._port = self._out = None
        if not self.lost.done():
            self.lost.cancel()

    def gone(self, error: Exception | None) -> None:
        """The other end closed it, or the device was unplugged."""
        if not self.lost.done():
            why = f": {error}" if error is not None else ""
            self.lost.set_result(LineLost(f"the line was closed{why}", "Unplugged, or the other end went away"))

    async def _open_tcp(self, host: str, port: int) -> None:
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: _Ears(self), host, port)
        peer = transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._reader = self._out = transport

    async def _open_device(self, settings: SerialSettings) -> None:
        self._port = await asyncio.to_thread(_open_port, settings)
        read_end = os.fdopen(os.dup(self._port.fileno()), "rb", buffering=0)
        try:
            self._reader, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: _Ears(self), read_end)
        except BaseException:
            read_end.close()
            self._port.close()
            self._port = None
            raise

    async def _write(self, data: bytes) -> None:
        if self._out is not None:
            if self._out.get_write_buffer_size() > _MOST_UNSENT:
                raise LineLost("the serial server takes no bytes", "It may be frozen")
            self._out.write(data)
            return
        if self._port is None:
            raise LineLost("the port isn't open")
        fd, loop = self._port.fileno(), asyncio.get_running_loop()
        while data:
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                ready = asyncio.Event()
                loop.add_writer(fd, ready.set)
                try:
                    await ready.wait()
                finally:
                    loop.remove_writer(fd)


class _Ears(asyncio.Protocol):
    """What the transport tells goes to the wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._wire.heard(data)

    def eof_received(self) -> None:
        """The other end sends no more; the transport closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It's over."""
        self._wire.gone(exc)


def require_library() -> None:
    """Is what opens a device there?

    Raises:
        ExtraMissing: when it isn't.
    """
    if importlib.util.find_spec("serial") is None:
        raise ExtraMissing("serial")


def _open_port(s: SerialSettings) -> Any:
    require_library()
    import serial  # noqa: PLC0415  # an extra: only where a device is opened

    try:
        return serial.Serial(
            s.port,
            s.baud,
            bytesize=s.bits,
            parity=_PARITY[s.parity],
            stopbits=s.stop,
            timeout=0,
            xonxoff=s.flow == "xonxoff",
            rtscts=s.flow == "rtscts",
            exclusive=True,
        )
    except serial.SerialException as error:
        number = error.errno if error.errno is not None else _number_of(error.__context__)
        if number in (errno.EAGAIN, errno.EWOULDBLOCK):  # its lock is taken
            number = errno.EBUSY
        why = os.strerror(number) if number else str(error)
        raise PortUnusable(f"{s.port}: {why}", _HINTS.get(number or 0, "")) from error
    except ValueError as error:
        raise PortUnusable(f"{s.port}: {error}") from error


def _number_of(error: BaseException | None) -> int | None:
    """The errno of what pyserial has put into words: an OSError's, or a termios.error's, which is none."""
    number = error.args[0] if error is not None and error.args else None
    return number if isinstance(number, int) else None


def _deaf(_: bytes) -> None:
    """Nobody listens any more."""
