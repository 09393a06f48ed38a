"""The link that the demo and the tests cut: what was on its way when it was cut doesn't get through."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

from holdfast.sim.cut import CutProxy


@contextlib.contextmanager
def full_server() -> Iterator[int]:
    """A port whose queue is full: a connection to it hangs until something is accepted."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        while True:
            caller = stack.enter_context(socket.socket())
            caller.settimeout(0.3)
            try:
                caller.connect(server.getsockname())
            except TimeoutError:
                break
        yield server.getsockname()[1]


def test_a_connection_still_on_its_way_to_the_other_end_is_cut_too() -> None:
    async def body(port: int) -> None:
        proxy = CutProxy("127.0.0.1", port)
        await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for _ in range(20):  # turns of the loop: it has met the connection, and dials
            await asyncio.sleep(0)
        await proxy.cut()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.transport.abort()
        await asyncio.wait_for(proxy.stop(), 5)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with full_server() as port:
        asyncio.run(body(port))
