"""Errors of the OPC UA client.

DeviceFaulted
├── Malformed   bytes that aren't what the standard says
└── ServerSaid  a bad StatusCode
"""

from holdfast.adapters.errors import DeviceFaulted


class Malformed(DeviceFaulted):
    """The server's bytes aren't OPC UA."""


class ServerSaid(DeviceFaulted):
    """A bad StatusCode. code: without its info bits (Part 4 §7.39.1)."""

    def __init__(self, sentence: str, hint: str = "", code: int = 0x80000000) -> None:
        super().__init__(sentence, hint)
        self.code = code & 0xFFFF0000
