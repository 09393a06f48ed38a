import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.adapters.mqtt.doubles import connect, subscribe, text

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.packets import Connect, Will
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.reasons import Reason


def decoded(raw: bytes) -> Connect:
    assert raw[1] < 128
    return packets.decode_connect(raw[2:])


def test_a_plain_connect_says_who_and_how_long() -> None:
    said = decoded(connect("d", keep_alive=30))
    assert (said.version, said.client, said.clean_start, said.keep_alive_s) == (4, "d", True, 30)
    assert (said.session_expiry_s, said.username, said.will) == (0, None, None)
    assert decoded(connect("d", flags=0)).session_expiry_s is None


def test_a_full_connect_of_version_5_is_read() -> None:
    will = b"\x05\x18\0\0\0\x07" + text("w/t") + text("gone")
    said = b"\x11\0\0\0\x3c" + b"\x21\0\x05" + b"\x27\0\0\x10\0"
    found = decoded(connect("d", version=5, flags=0xEE, said=said, more=will + text("u") + text("p")))
    assert (found.username, found.password) == ("u", b"p")
    assert found.will == Will("w/t", b"gone", 1, retain=True, delay_s=7)
    assert (found.session_expiry_s, found.receive_maximum, found.maximum_packet) == (60, 5, 4096)
    assert decoded(connect("d", version=5, said=b"\x11\xff\xff\xff\xff")).session_expiry_s is None
    assert decoded(connect("d", version=5, said=b"\x15\0\1x")).auth_method == "x"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (connect("d", version=3), Reason.UNSUPPORTED_VERSION),
        (connect("d", version=6), Reason.UNSUPPORTED_VERSION),
        (b"\x10\x08" + text("MQIsdp"), Reason.UNSUPPORTED_VERSION),
        (connect("d", flags=3), Reason.MALFORMED),
        (connect("d", flags=0x22), Reason.MALFORMED),
        (connect("d", flags=0x1E), Reason.MALFORMED),
        (connect("d", flags=0x42), Reason.MALFORMED),
        (connect("d", more=b"x"), Reason.MALFORMED),
        (connect("d", flags=0x06, more=text("a/#") + text("x")), Reason.TOPIC_INVALID),
    ],
)
def test_a_bad_connect_has_its_reason(raw: bytes, reason: Reason) -> None:
    with pytest.raises(ProtocolFault) as caught:
        decoded(raw)
    assert caught.value.reason is reason


def test_subscription_options_are_read() -> None:
    found = packets.decode_subscribe(subscribe("a/+", 1, options=0x2C, said=b"\x0b\x07")[2:], 5)
    (wish,) = found.wishes
    assert (wish.topic_filter, wish.qos, wish.no_local, wish.retain_as_published, wish.retain_handling) == (
        "a/+",
        1,
        True,
        True,
        2,
    )
    assert found.identifier == 7


@pytest.mark.parametrize(("options", "version"), [(3, 4), (3, 5), (0x30, 5), (0x40, 5), (4, 4)])
def test_impossible_subscription_options_are_malformed(options: int, version: int) -> None:
    raw = subscribe("a", 0, options=options, said=b"" if version == 5 else None)
    with pytest.raises(ProtocolFault):
        packets.decode_subscribe(raw[2:], version)


def test_disconnect_may_change_the_session_expiry() -> None:
    assert packets.decode_disconnect(b"", 5).session_expiry_s is None
    assert packets.decode_disconnect(b"\x04", 5).reason == 4
    assert packets.decode_disconnect(b"\x00\x05\x11\0\0\0\x09", 5).session_expiry_s == 9


def test_answers_have_the_bytes_of_the_standard() -> None:
    assert packets.connack(4, Reason.BAD_CREDENTIALS) == b"\x20\x02\x00\x04"
    assert packets.connack(4, Reason.BAD_AUTHENTICATION_METHOD) == b""
    assert (
        packets.connack(5, Reason.SUCCESS, present=True, said=[(Prop.MAXIMUM_QOS, 1)])
        == b"\x20\x05\x01\x00\x02\x24\x01"
    )
    assert packets.suback(4, b"\0\1", [1, 0x8F]) == b"\x90\x04\0\1\x01\x80"
    assert packets.suback(5, b"\0\1", [1, 0x8F]) == b"\x90\x05\0\1\x00\x01\x8f"
    assert packets.unsuback(4, b"\0\1", [0]) == b"\xb0\x02\0\1"
    assert packets.unsuback(5, b"\0\1", [0x11]) == b"\xb0\x04\0\1\x00\x11"
    assert packets.disconnect(4, Reason.MALFORMED) == b""
    assert packets.disconnect(5, Reason.MALFORMED) == b"\xe0\x01\x81"
    assert packets.pubacks([]) == b""


@given(st.lists(st.binary(min_size=2, max_size=2)))
def test_pubacks_in_one_piece_are_as_many_packets(pids: list[bytes]) -> None:
    assert packets.pubacks(pids) == b"".join(b"\x40\x02" + pid for pid in pids)
