"""A TLS proxy before a node that keeps every byte its children send it, as they are behind the TLS."""

import asyncio
import contextlib
import re
import ssl
import threading
from pathlib import Path

from holdfast.wire.frame import unseal
from holdfast.wire.messages import Limits

_REQUEST = re.compile(
    rb"POST (\S+) HTTP/1\.1\r\n(?:[^\r\n]+\r\n)*?content-length: (\d+)\r\n(?:[^\r\n]+\r\n)*?\r\n", re.IGNORECASE
)


class Listener:
    """Takes connections at `port` with the node's own certificate and forwards them, on a thread of its own."""

    def __init__(self, certificate: Path, key: Path, ca: Path, target: int) -> None:
        self._inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._inside.load_cert_chain(certificate, key)
        self._outside = ssl.create_default_context(cafile=ca)
        self._outside.check_hostname = False
        self._target = target
        self._streams: list[bytearray] = []
        self._stopped = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self.port = 0
        is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve(is_up)))
        self._thread.start()
        is_up.wait(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._loop.close()

    def bodies(self) -> list[tuple[str, bytes]]:
        """(path, body) of every whole request; batches unpacked, so that names in them can be found."""
        found = []
        for stream in self._streams:
            at = 0
            while match := _REQUEST.search(bytes(stream), at):
                at = match.end() + int(match[2])
                path, body = match[1].decode(), bytes(stream[match.end() : at])
                if len(body) < int(match[2]):
                    break
                if path.endswith("/batch"):
                    head, content = unseal(body, Limits().max_header, Limits().max_unpacked)
                    body = bytes(head) + bytes(content)
                found.append((path, body))
        return found

    def hits(self, secret: bytes) -> int:
        """How many of the bodies, and of the bytes around them, hold the secret."""
        return sum(secret in body for _, body in self.bodies()) + sum(secret in stream for stream in self._streams)

    async def _serve(self, is_up: threading.Event) -> None:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0, ssl=self._inside)
        self.port = int(server.sockets[0].getsockname()[1])
        is_up.set()
        await self._stopped.wait()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = bytearray()
        self._streams.append(stream)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._outside)
            back = asyncio.ensure_future(_pump(far_reader, writer, bytearray()))
            await _pump(reader, far_writer, stream)
            await back
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: bytearray) -> None:
    with contextlib.suppress(OSError, asyncio.CancelledError):
        while data := await reader.read(65536):
            keep += data
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
