"""A TCP relay that counts bytes and, when asked, is as narrow as a bad modem line.

python -m benchmarks.proxy LISTEN TARGET BYTES_PER_S DELAY_MS; at SIGTERM it prints the bytes of both ways as JSON.

BYTES_PER_S (0 = no bound) holds for each way, all connections together: pieces of up to 1,200 bytes take turns among
the connections, as packets do in a router with fair queues. Socket buffers on this side are 4 KiB, so that no more
than those and one piece a connection hide in here; what the gateway's own kernel buffers hide is the product's affair.
DELAY_MS is added one way, after the bottleneck.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

_PIECE, _WIDE_PIECE = 1_200, 65_536
_BUFFER = 4_096
_OVERHEAD = 40  # IP and TCP headers of a piece, counted against a narrow link only


@dataclass
class Way:
    """One direction of the link."""

    bytes_per_s: float
    delay_s: float
    carried: int = 0
    busy_s: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _free_at: float = 0.0

    async def carry(self, size: int) -> None:
        """Wait until `size` bytes have passed the bottleneck."""
        self.carried += size
        if not self.bytes_per_s:
            return
        async with self._turn:  # first come, first served, one piece each
            takes = (size + _OVERHEAD) / self.bytes_per_s
            self.busy_s += takes
            self._free_at = max(self._free_at, time.monotonic()) + takes
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))


class Relay:
    def __init__(self, target: int, bytes_per_s: float, delay_s: float) -> None:
        self.target = target
        self.up, self.down = Way(bytes_per_s, delay_s), Way(bytes_per_s, delay_s)
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            self.connections += 1
            self._start(self.connect(client))

    async def connect(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        parent = socket.socket()
        self._fit(parent)
        self._fit(client)
        try:
            await loop.sock_connect(parent, ("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        self._start(self.pump(client, parent, self.up))
        self._start(self.pump(parent, client, self.down))

    async def pump(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        loop = asyncio.get_running_loop()
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._start(self.deliver(late, sink))
        with contextlib.suppress(OSError):
            while piece := await loop.sock_recv(source, _PIECE if way.bytes_per_s else _WIDE_PIECE):
                await way.carry(len(piece))
                if way.delay_s:
                    late.put_nowait((time.monotonic() + way.delay_s, piece))
                else:
                    await loop.sock_sendall(sink, piece)
        late.put_nowait((time.monotonic() + way.delay_s, b""))

    async def deliver(self, late: asyncio.Queue[tuple[float, bytes]], sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while True:
                due, piece = await late.get()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    break
                await loop.sock_sendall(sink, piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _fit(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.up.bytes_per_s:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


async def serve(listen: int, relay: Relay) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if relay.up.bytes_per_s:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)  # accepted sockets inherit it
    listener.bind(("127.0.0.1", listen))
    listener.listen(64)
    listener.setblocking(False)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    accepting = asyncio.ensure_future(relay.accept(listener))
    await stop.wait()
    accepting.cancel()
    figures = {
        "up": relay.up.carried,
        "down": relay.down.carried,
        "up_busy_s": relay.up.busy_s,
        "connections": relay.connections,
    }
    print(json.dumps(figures), flush=True)


def main() -> None:
    listen, target, bytes_per_s, delay_ms = (float(a) for a in sys.argv[1:5])
    asyncio.run(serve(int(listen), Relay(int(target), bytes_per_s, delay_ms / 1000)))


if __name__ == "__main__":
    main()
