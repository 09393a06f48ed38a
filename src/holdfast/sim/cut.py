"""A TCP proxy that can be cut: the demo's and the tests' way to take a link away for real."""

import asyncio
import contextlib
from typing import Any

_CHUNK = 1 << 16


class CutProxy:
    """Forwards loopback connections and counts bytes; while cut, connections are refused."""

    def __init__(self, host: str, target_port: int, *, port: int = 0) -> None:
        self.port = port
        self.up_bytes = self.down_bytes = 0
        self._host, self._target = host, target_port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._under_way: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Close every connection and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def restore(self) -> None:
        """Listen again, on the same port."""
        if self._server is None:
            await self.start()

    async def stop(self) -> None:
        """Cut, and wait for what is under way to end."""
        await self.cut()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = self._server
        if server is None:  # met before the cut, told after it
            self._drop(writer)
            return
        self._open.add(writer)
        dialling = asyncio.ensure_future(asyncio.open_connection(self._host, self._target))
        self._keep(dialling)
        try:
            far_reader, far_writer = await dialling
        except (OSError, asyncio.CancelledError):
            self._drop(writer)
            return
        if server is not self._server:  # cut meanwhile
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
