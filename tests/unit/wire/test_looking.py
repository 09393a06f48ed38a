"""Looks at a child's pages on the wire: what goes in comes out, nothing large gets in, older ends aren't confused."""

import msgspec
import pytest

from holdfast.wire.asking import Ask, Poll
from holdfast.wire.errors import WireError
from holdfast.wire.frame import seal
from holdfast.wire.looking import MAX_REPLY, Call, CallHeader, decode_reply, encode_reply


def test_an_answer_comes_out_as_it_went_in() -> None:
    header = CallHeader("abc", 404, "application/json")
    assert decode_reply(encode_reply(header, b'{"error":"none"}')) == (header, b'{"error":"none"}')


def test_an_answer_that_would_unpack_to_too_much_is_refused_before_it_does() -> None:
    body = encode_reply(CallHeader("abc", 200), bytes(MAX_REPLY + 1))
    assert len(body) < 100_000
    with pytest.raises(WireError, match="unpacks to more"):
        decode_reply(body)


@pytest.mark.parametrize(
    "body", [b"", b"no stream", seal(b'{"id":"", "status":200}', b"x"), seal(b'{"id":"a"}', b"x"), seal(b"{", b"x")]
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        decode_reply(body)


def test_an_older_child_says_nothing_of_calls_and_so_takes_none() -> None:
    assert not msgspec.json.decode(b'{"branch": 0, "session": 1}', type=Poll).calls


def test_a_question_about_rows_looks_as_it_did_before_there_were_calls() -> None:
    assert b"call" not in msgspec.json.encode(Ask("1", ("a/b",), 0, 1))
    asked = Ask("1", ("-/-",), 0, 1, call=Call("devices", "limit=5"))
    assert msgspec.json.decode(msgspec.json.encode(asked), type=Ask) == asked
