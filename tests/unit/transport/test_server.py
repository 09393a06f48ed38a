import asyncio
import signal
import socket
from typing import Any

import pytest

from holdfast.transport.addresses import Address
from holdfast.transport.errors import ListenFailed
from holdfast.transport.server import WebServer, bind

LOCAL = Address("127.0.0.1", 0)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


async def get(address: Address) -> bytes:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_it_serves_on_the_port_the_system_chose_and_stops() -> None:
    async def run() -> None:
        server = WebServer(hello, LOCAL, None)
        assert not server.is_serving
        await server.start()
        assert server.is_serving
        assert server.address.port > 0
        answer = await get(server.address)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"server:" not in answer.lower()
        address = server.address
        await server.stop(1.0)
        assert not server.is_serving
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await get(address)

    asyncio.run(run())


def test_stopping_what_never_started_does_nothing() -> None:
    asyncio.run(WebServer(hello, LOCAL, None).stop())


def test_the_processs_signal_handlers_stay_as_they_are() -> None:
    async def run() -> None:
        before = signal.getsignal(signal.SIGTERM)
        server = WebServer(hello, LOCAL, None)
        await server.start()
        assert signal.getsignal(signal.SIGTERM) == before
        await server.stop(1.0)

    asyncio.run(run())


def test_an_answer_that_never_ends_is_cut_at_the_deadline() -> None:
    begun = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def run() -> None:
        server = WebServer(endless, LOCAL, None)
        await server.start()
        waiting = asyncio.create_task(get(server.address))
        await begun.wait()
        async with asyncio.timeout(5.0):
            await server.stop(0.1)
        await asyncio.wait({waiting})

    asyncio.run(run())


def test_a_port_in_use_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ListenFailed, match="is in use") as caught:
            bind(Address("127.0.0.1", taken.getsockname()[1]))
        assert "choose another port" in caught.value.hint


def test_an_address_of_another_machine_says_what_to_do() -> None:
    with pytest.raises(ListenFailed, match="no address of this machine"):
        bind(Address("192.0.2.1", 0))


def test_a_host_that_is_no_address_is_refused() -> None:
    with pytest.raises(ListenFailed, match="is no address"):
        bind(Address("no host", 0))


def test_plain_http_beyond_loopback_is_refused() -> None:
    with pytest.raises(ListenFailed, match="without TLS"):
        WebServer(hello, Address("0.0.0.0", 0), None)
