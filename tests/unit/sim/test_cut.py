"""The link that the demo and the tests cut: what was on its way when it was cut doesn't get through."""

import asyncio
import contextlib
import gc
import socket
import warnings
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


def test_a_link_cut_in_the_moment_of_meeting_leaves_nothing_open() -> None:
    async def body() -> None:
        target = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        proxy = CutProxy("127.0.0.1", target.sockets[0].getsockname()[1])
        await proxy.start()
        for turns in (0, 1, 2, 3, 4, 5) * 4:
            with socket.create_connection(("127.0.0.1", proxy.port)):
                for _ in range(turns):
                    await asyncio.sleep(0)
                await proxy.cut()
                await proxy.restore()
        await proxy.stop()
        await asyncio.sleep(0.05)
        target.close()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        asyncio.run(body())
        gc.collect()
    assert [str(one.message) for one in said if one.category is ResourceWarning] == []
