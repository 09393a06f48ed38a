"""WebSocket handshakes that no honest client sends (found by tests/unit/fuzz)."""

import asyncio

import pytest
from tests.unit.fuzz.parsers import Below

from holdfast.adapters.mqtt.websocket import WebSocket

HELLO = (
    "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n"
)


@pytest.mark.parametrize(("target", "protocol"), [("/mqtt", "\xff\xfett"), ("//[", "mqtt")])
def test_a_handshake_that_cannot_be_read_is_refused_and_closed(target: str, protocol: str) -> None:
    refused, below = list[bool](), Below()
    one = WebSocket(asyncio.Protocol(), (), lambda: refused.append(True))
    one.connection_made(below)
    one.data_received(HELLO.format(target=target, protocol=protocol).encode("latin-1"))
    assert refused == [True]
    assert below.is_closing()
