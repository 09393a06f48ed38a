"""asyncua's protocol within bounds: whatever bytes come, in whatever pieces, it ends with a reason and stays small."""

import asyncio
import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import uatcp_to_binary
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.opcua.guards import MOST_CHUNK, BoundedClient, Protocol, bound
from holdfast.adapters.opcua.words import in_plain
from holdfast.adapters.supervised import in_words


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.is_cut = False

    def write(self, data: Any) -> None:
        """Nowhere."""

    def is_closing(self) -> bool:
        return self.is_cut

    def abort(self) -> None:
        self.is_cut = True


def heard(*pieces: bytes) -> tuple[Protocol, str]:
    """A protocol after these bytes, and what its owner is told."""

    async def run() -> tuple[Protocol, str]:
        bound()
        one = Protocol(1.0, SecurityPolicyNone())
        one.connection_made(Wire())
        asking = asyncio.ensure_future(one.send_hello("opc.tcp://h"))
        await asyncio.sleep(0)
        for piece in pieces:
            one.data_received(piece)
        if one.fault is not None or one._is_cut():
            one.connection_lost(None)
        if not one._callbackmap:
            try:
                return one, str(await asking)
            except Exception as error:  # noqa: BLE001  # in_plain takes any
                return one, str(in_plain(one.fault or error, "there", 1))
        asking.cancel()
        return one, ""

    return asyncio.run(run())


HELLO_BACK = bytes(uatcp_to_binary(ua.MessageType.Acknowledge, ua.Acknowledge(0, 8_192, 65_535, 0, 0)))


def test_an_answer_in_single_bytes_is_an_answer_and_the_servers_limits_are_not_taken_for_ours() -> None:
    one, said = heard(*(bytes([byte]) for byte in HELLO_BACK))
    assert "SendBufferSize=65535" in said
    assert one._connection._limits.max_recv_buffer == MOST_CHUNK
    assert one._connection._limits.max_send_buffer == 8_192


def test_what_is_not_opc_ua_is_said_at_its_first_bytes() -> None:
    for other in (b"HTTP/1.1 400 Bad Request\r\n", b"SSH-2.0-x\r\n", struct.pack("<4sI", b"MSGF", 2**31), bytes(8)):
        one, said = heard(other)
        assert "doesn't speak OPC UA" in said
        assert len(one._pile) < 100


def test_an_error_of_the_server_is_told_in_words_with_what_to_do() -> None:
    body = struct.pack("<Ii", 0x80550000, 4) + b"none"
    _, said = heard(struct.pack("<4sI", b"ERRF", 8 + len(body)) + body)
    assert "BadSecurityPolicyRejected" in said
    assert "holdfast opcua trust" in said


def test_an_error_whose_words_are_no_text_can_still_be_logged() -> None:
    body = struct.pack("<Ii", 0x80800000, 4) + b"\xff\xcf\x00a"
    _, said = heard(struct.pack("<4sI", b"ERRF", 8 + len(body)) + body)
    assert said.encode()
    assert in_words(ValueError("\udcff"))[0].encode()


def test_a_chunk_that_ends_early_does_not_wait_for_more() -> None:
    one, said = heard(struct.pack("<4sI", b"ACKF", 12) + bytes(4))
    assert one._is_cut()
    assert said


def test_asyncuas_own_arrays_are_no_longer_than_their_bytes() -> None:
    bound()
    with pytest.raises(ua.UaError, match="can't be in"):
        ua.ua_binary.variant_from_binary(ua.utils.Buffer(struct.pack("<Bi", 0x80, 2**31 - 1)))
    assert ua.ua_binary.variant_from_binary(ua.utils.Buffer(struct.pack("<Biii", 0x86, 2, 1, 2))).Value == [1, 2]


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=6))
def test_any_bytes_end_in_words_or_wait_for_more(pieces: list[bytes]) -> None:
    one, _ = heard(*pieces)
    assert len(one._pile) <= sum(map(len, pieces))


@given(st.sampled_from([b"ACKF", b"ERRF", b"OPNF", b"MSGF", b"MSGC", b"MSGA", b"CLOF"]), st.binary(max_size=200))
def test_any_whole_chunk_ends_in_words_or_is_taken(head: bytes, body: bytes) -> None:
    one, _ = heard(HELLO_BACK, struct.pack("<4sI", head, 8 + len(body)) + body)
    assert not one._pile


def test_a_client_starts_no_tasks_of_its_own() -> None:
    async def run() -> None:
        client = BoundedClient("opc.tcp://127.0.0.1:1", 0.2)
        client._start_renew_loop()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
