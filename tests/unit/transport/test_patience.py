import asyncio
from typing import Any

import pytest

from holdfast.transport.addresses import Address
from holdfast.transport.patience import PatientProtocol
from holdfast.transport.server import WebServer


async def slow(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(0.15)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def talk(monkeypatch: pytest.MonkeyPatch, *parts: bytes) -> bytes:
    monkeypatch.setattr(PatientProtocol, "head_deadline_s", 0.05)

    async def run() -> bytes:
        server = WebServer(slow, Address("127.0.0.1", 0), None)
        await server.start()
        reader, writer = await asyncio.open_connection(*server.address)
        answer = b""
        try:
            for part in parts:
                writer.write(part)
                answer = await reader.read(1000)
        except ConnectionResetError:
            answer = b"reset"
        writer.close()
        await server.stop(1.0)
        return answer

    return asyncio.run(asyncio.wait_for(run(), 5.0))


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: "])
def test_a_head_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    assert talk(monkeypatch, head) in (b"", b"reset")


def test_an_answer_may_take_longer_than_the_head(monkeypatch: pytest.MonkeyPatch) -> None:
    assert b"200" in talk(monkeypatch, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_the_next_head_on_a_kept_connection_must_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert talk(monkeypatch, whole, whole[:10]) in (b"", b"reset")
