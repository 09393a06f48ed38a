"""A TCP proxy that can be cut: the demo's and the tests' way to take a link away for real."""

import asyncio
import contextlib
import socket
from typing import Any

_CHUNK = 1 << 16
_BACKLOG = 100


class CutProxy:
    """Forwards loopback connections and counts bytes; while cut, connections are refused."""

    def __init__(self, host: str, target_port: int, *, port: int = 0) -> None:
        self.port = port
        self.up_bytes = self.down_bytes = 0
        self._host, self._target = host, target_port
        self._door: socket.socket | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._under_way: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Listen."""
        door = socket.create_server((self._host, self.port), backlog=_BACKLOG)
        door.setblocking(False)
        self._door, self.port = door, door.getsockname()[1]
        # asyncio's own server loses connections that it has met but not yet told of when it's closed (Python 3.11)
        asyncio.get_running_loop().add_reader(door, self._meet, door)

    async def cut(self) -> None:
        """Close every connection and listen no more."""
        if self._door is not None:
            asyncio.get_running_loop().remove_reader(self._door)
            self._door.close()
            self._door = None
        for writer in list(self._open):
            writer.transport.abort()

    async def restore(self) -> None:
        """Listen again, on the same port."""
        if self._door is None:
            await self.start()

    async def stop(self) -> None:
        """Cut, and wait for what is under way to end."""
        await self.cut()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _meet(self, door: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it has gone already
            near, _ = door.accept()
            near.setblocking(False)
            task = asyncio.ensure_future(self._forward(near, door))
            task.add_done_callback(lambda ended: near.close() if ended.cancelled() else None)  # it may not have begun
            self._keep(task)

    async def _forward(self, near: socket.socket, door: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=near)
        self._open.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._target)
        except (OSError, asyncio.CancelledError):
            self._drop(writer)
            return
        if door is not self._door:  # cut meanwhile
            self._drop(writer)
            far_writer.transport.abort()
            return
        self._open.add(far_writer)
        self._keep(asyncio.ensure_future(self._pump(reader, far_writer, is_up=True)))
        self._keep(asyncio.ensure_future(self._pump(far_reader, writer, is_up=False)))

    def _keep(self, task: asyncio.Future[Any]) -> None:
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if is_up:
                    self.up_bytes += len(data)
                else:
                    self.down_bytes += len(data)
                writer.write(data)
                await writer.drain()
        self._drop(writer)
