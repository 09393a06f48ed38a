"""Keeps a session's connection: connects, pings, connects again."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from holdfast.adapters.broker.errors import BrokerError, BrokerUnreachable
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.mqtt.session import Message, Session
from holdfast.transport.brokers import BrokerLogin
from holdfast.transport.causes import explain

_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
_READ = 256 * 1024
_UNANSWERED = 3
_WRITE_LIMIT = 1024 * 1024


class MqttClient:
    """One connection, made anew whenever it breaks. All on one loop."""

    def __init__(self, login: BrokerLogin, session: Session, heard: Callable[[Message], None] | None = None) -> None:
        """heard: called with each message that comes, in order."""
        self.session = session
        self.error: HoldfastError | None = None
        """Why there is no connection just now."""
        self._login, self._heard = login, heard
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._is_silent = self._has_heard = self._is_over = False
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Connect, and stay connected.

        Raises:
            HoldfastError: when the first connection fails.
        """
        reader = await self._connect()
        self._task = asyncio.create_task(self._live(reader), name=f"mqtt {self._login.url}")

    async def stop(self) -> None:
        """Say goodbye and close."""
        task, self._task, self._is_over = self._task, None, True
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.write(b"\xe0\x00")
            self._close()

    def flush(self) -> None:
        """Send what the session has to say."""
        writer, session = self._writer, self.session
        if writer is None or self._is_silent or not session.out:
            return
        writer.write(bytes(session.out))
        session.out.clear()

    def cut(self, *, on: bool) -> None:
        """Break the connection and stay away, as a device without power, or come back."""
        if on and self._allowed.is_set():
            self._allowed.clear()
            if self._writer is not None:
                self._writer.transport.abort()
        elif not on:
            self._allowed.set()

    def silence(self, *, on: bool) -> None:
        """Keep the connection and say nothing, not even pings, or speak again."""
        self._is_silent = on

    @property
    def keeps_up(self) -> bool:
        """Does the socket take more?"""
        return self._writer is None or self._writer.transport.get_write_buffer_size() < _WRITE_LIMIT

    async def drained(self, deadline_s: float) -> bool:
        """Wait until everything is acknowledged; False = it isn't yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self.room(0)
        return not self.session.left

    async def room(self, most: int) -> None:
        """Wait until at most `most` messages wait or aren't acknowledged, and the socket takes more."""
        await self.when(lambda: self.session.left <= most and self.keeps_up)

    async def when(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, for what comes may change it."""
        while not is_so():
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):  # a socket that takes more again tells nobody
                    await self._changed.wait()

    async def _connect(self) -> asyncio.StreamReader:
        login, address = self._login, self._login.address
        try:
            async with asyncio.timeout(login.timeout):
                context = login.context(Path)
                name = address.host if context is not None else None
                reader, self._writer = await asyncio.open_connection(
                    address.host, address.port, ssl=context, server_hostname=name
                )
                self.session.begin()
                self.flush()
                while not self.session.greeted:
                    data = await reader.read(_READ)
                    if not data:
                        raise BrokerUnreachable(f"{address}: the broker closed the connection")
                    self._take(data)
        except TimeoutError as error:
            self._close()
            raise BrokerUnreachable(f"{address} didn't answer within {login.timeout:g} s") from error
        except OSError as error:
            self._close()
            raise explain(error, str(address), login.ca or "the system's store") from error
        except BrokerError:
            self._close()
            raise
        return reader

    async def _live(self, reader: asyncio.StreamReader) -> None:
        pause = _PAUSE_S
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    pinging = group.create_task(self._ping())
                    await self._read(reader)
                    pinging.cancel()
                self.error = BrokerUnreachable(f"{self._login.address}: the broker closed the connection")
            except* (OSError, BrokerError) as errors:
                first = errors.exceptions[0]
                self.error = first if isinstance(first, BrokerError) else BrokerUnreachable(str(first))
            self._close()
            while self._writer is None:
                if self._is_over:  # a group that ends by a fault forgets that it was cancelled meanwhile (Python 3.11)
                    return
                await asyncio.sleep(pause)
                await self._allowed.wait()
                try:
                    reader = await self._connect()
                    pause, self.error = _PAUSE_S, None
                except HoldfastError as error:
                    self.error, pause = error, min(pause * 2, _LONGEST_PAUSE_S)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_READ):
            self._take(data)

    async def _ping(self) -> None:
        """Ask every half keep-alive; after three without a byte nobody is there.

        Raises:
            BrokerUnreachable: then.
        """
        unanswered = 0
        while True:
            self._has_heard = False
            await asyncio.sleep(self._login.keep_alive / 2)
            unanswered = 0 if self._has_heard or self._is_silent else unanswered + 1
            if unanswered >= _UNANSWERED:
                raise BrokerUnreachable(f"{self._login.address}: the broker doesn't answer any more")
            self.session.ping()
            self.flush()

    def _take(self, data: bytes) -> None:
        session = self.session
        self._has_heard = True
        session.take(data)
        heard, session.heard = session.heard, []
        if self._heard is not None:
            for message in heard:
                self._heard(message)
        self.flush()
        self._changed.set()

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        self.session.greeted = False
        if writer is not None:
            writer.close()
