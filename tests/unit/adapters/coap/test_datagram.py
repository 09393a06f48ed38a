"""RFC 7252 §3, §4.1, §5.4."""

from aiocoap import Message
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.coap.datagram import LARGEST, is_request, refusal, vet

HEAD = bytes([0x44, 0x03, 0x12, 0x34]) + b"toke"  # CON PUT


def option(delta: int, value: bytes) -> bytes:
    """One with a delta below 65,804 and a value below 13 bytes."""
    if delta < 13:
        return bytes([delta << 4 | len(value)]) + value
    if delta < 269:
        return bytes([13 << 4 | len(value), delta - 13]) + value
    return bytes([14 << 4 | len(value)]) + (delta - 269).to_bytes(2, "big") + value


def test_a_message_of_known_options_passes_as_it_came() -> None:
    data = HEAD + option(11, b"senml") + option(1, b"\x6e") + b"\xff[]"
    assert vet(data) == ("fine", data, 0)


def test_an_unknown_elective_option_is_taken_out_and_the_rest_stands() -> None:
    data = HEAD + option(11, b"senml") + option(2053, b"new") + option(4, b"") + b"\xff[]"
    vetted = vet(HEAD + option(11, b"senml") + option(1, b"\x6e") + option(2056, b"new") + b"\xff[]")
    assert vetted.data == HEAD + option(11, b"senml") + option(1, b"\x6e") + b"\xff[]"
    assert vet(data).data == HEAD + option(11, b"senml") + b"\xff[]"


def test_what_follows_an_option_taken_out_keeps_its_number() -> None:
    vetted = vet(HEAD + option(10, b"x") + option(1, b"senml") + option(300 - 11, b"y") + b"\xff[]")
    assert vetted.data == HEAD + option(11, b"senml") + b"\xff[]"
    assert Message.decode(vetted.data).opt.uri_path == ("senml",)


def test_an_unknown_critical_option_is_refused_by_its_number() -> None:
    vetted = vet(HEAD + option(11, b"a") + option(2054, b"new"))
    assert (vetted.verdict, vetted.option) == ("bad_option", 2065)
    answer = Message.decode(refusal(vetted.data, vetted.option))
    assert (answer.code.dotted, answer.mid, answer.token) == ("4.02", 0x1234, b"toke")
    assert b"2065" in answer.payload


def test_an_option_of_a_wrong_length_counts_as_unknown() -> None:
    assert vet(HEAD + option(12, b"\0\0\x6e")).data == HEAD  # Content-Format: elective
    assert vet(HEAD + option(7, b"\0\0\1")).verdict == "bad_option"  # Uri-Port: critical


def test_a_second_one_of_an_option_that_stands_once_counts_as_unknown() -> None:
    assert vet(HEAD + option(12, b"\x32") + option(0, b"\x3c")).data == HEAD + option(12, b"\x32")
    assert vet(HEAD + option(11, b"a") + option(0, b"b")).verdict == "fine"


def test_what_is_no_message_is_malformed() -> None:
    no_messages = [
        b"",
        b"\x40\x01\x00",
        b"\x80\x01\x00\x01",  # version 2
        b"\x49\x01\x00\x01123456789",  # a token of 9
        b"\x44\x01\x00\x01abc",  # a token that isn't all there
        b"\x40\x00\x00\x01\xff",  # an empty message that isn't
        HEAD + b"\xff",  # a marker without payload
        HEAD + b"\xf1a",  # delta 15
        HEAD + b"\xbfsenml",  # length 15
        HEAD + b"\xb9senml",  # a value that isn't all there
        HEAD + b"\xd0",  # an extended delta that isn't there
        HEAD + b"\xff" + bytes(LARGEST),
        HEAD + b"\xb0" + b"\x00" * 64,  # 65 options
    ]
    assert [vet(one).verdict for one in no_messages] == ["malformed"] * len(no_messages)


def test_only_confirmable_messages_are_refused_aloud() -> None:
    assert refusal(b"\x50\x01\x00\x01", 9) == b""
    assert refusal(b"\x40\x45\x00\x01", 9) == b"\x70\x00\x00\x01"
    assert is_request(b"\x40\x02\x00\x01")
    assert not is_request(b"\x40\x45\x00\x01")


@given(st.binary(max_size=200))
def test_any_bytes_get_a_verdict_and_what_passes_can_be_decoded(data: bytes) -> None:
    for each in (data, HEAD + data):
        vetted = vet(each)
        if vetted.verdict == "fine":
            assert vet(vetted.data) == vetted
            try:
                Message.decode(vetted.data)
            except UnicodeDecodeError:
                pass  # a path that isn't UTF-8: the door counts it
            except ValueError as error:
                raise AssertionError(vetted.data.hex()) from error
        refusal(each.ljust(4, b"\0"), 9)


TEXTS = (8, 15, 20)
"""Options of text that may stand several times."""
Values = st.text(st.characters(codec="ascii"), max_size=12).map(str.encode)


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 5, 7, 8, 40, 300, 2_000]), Values), max_size=12), st.binary(min_size=1)
)
def test_known_options_and_the_payload_survive_whatever_stands_between_them(
    options: list[tuple[int, bytes]], payload: bytes
) -> None:
    vetted = vet(HEAD + b"".join(option(delta, value) for delta, value in options) + b"\xff" + payload)
    if vetted.verdict != "fine":
        return
    numbers = [sum(delta for delta, _ in options[: i + 1]) for i in range(len(options))]
    wanted = [(n, value) for n, (_, value) in zip(numbers, options, strict=True) if n in TEXTS]
    message = Message.decode(vetted.data)
    assert [(int(o.number), o.encode()) for o in message.opt.option_list() if o.number in TEXTS] == wanted
    assert message.payload == payload
