import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerError, BrokerFaulted, BrokerRefused
from holdfast.sim.mqtt.session import Message, Session, Will

CONNACK = b"\x20\x02\x00\x00"


def greeted(**more: int) -> Session:
    session = Session("me", **more)  # type: ignore[arg-type]  # whole numbers only
    session.begin()
    session.take(CONNACK)
    session.out.clear()
    return session


def puback(pid: int) -> bytes:
    return b"\x40\x02" + pid.to_bytes(2, "big")


def published(topic: str, payload: bytes, qos: int = 0, pid: int = 7) -> bytes:
    name = len(topic).to_bytes(2, "big") + topic.encode()
    return packets._packet(0x30 | qos << 1, name, pid.to_bytes(2, "big") if qos else b"", payload)


def test_connect_says_will_user_and_password() -> None:
    session = Session("me", user="u", password=b"p", will=lambda: Will("w", b"x"))
    session.begin()
    assert bytes(session.out) == (
        b"\x10\x1d\0\x04MQTT\x04\xce\0\x1e\0\x02me\0\x01w\0\x01x\0\x01u\0\x01p".replace(b"\x1d", b"\x1a")
    )


def test_a_refusal_is_told() -> None:
    session = Session("me")
    session.begin()
    with pytest.raises(BrokerRefused, match="wrong"):
        session.take(b"\x20\x02\x00\x04")


def test_the_window_bounds_what_is_under_way_and_acks_open_it() -> None:
    session = greeted(window=2)
    for n in range(4):
        session.publish("t", bytes((n,)))
    assert (session.sent, session.left) == (2, 4)
    session.take(puback(1))
    assert (session.sent, session.acked, session.left) == (3, 1, 3)


def test_what_is_not_acknowledged_is_said_again_in_order_and_marked() -> None:
    session = greeted(window=3)
    for n in range(3):
        session.publish("t", bytes((n,)))
    session.take(puback(2))
    session.begin()
    session.take(CONNACK)
    said = bytes(session.out)
    again = said[said.index(b"\x3a") :]
    assert again == b"\x3a\x06\0\x01t\0\x01\0" + b"\x3a\x06\0\x01t\0\x03\x02"


def test_beyond_its_bound_the_oldest_is_lost_and_counted() -> None:
    session = Session("me", most_waiting=2)
    for n in range(5):
        session.publish("t", bytes((n,)))
    assert (session.lost, session.left) == (3, 2)


def test_qos_0_is_lost_without_a_connection() -> None:
    session = Session("me")
    session.publish("t", b"x", 0)
    assert (session.lost, session.sent) == (1, 0)
    session = greeted()
    session.publish("t", b"x", 0, retain=True)
    assert bytes(session.out) == b"\x31\x04\0\x01tx"


def test_messages_of_several_topics_come_out_in_the_order_in_which_they_came() -> None:
    session = greeted()
    session.take(published("a", b"1") + published("b", b"2", 1) + published("a", b"3"))
    assert session.heard == [Message("a", b"1", 0, False), Message("b", b"2", 1, False), Message("a", b"3", 0, False)]
    assert bytes(session.out) == b"\x40\x02\0\x07"


def test_subscriptions_are_said_at_every_connection() -> None:
    session = Session("me")
    session.subscribe("a/#", "b")
    for _ in range(2):
        session.begin()
        session.take(CONNACK)
        assert b"\0\x03a/#\x01\0\x01b\x01" in session.out
    session.take(b"\x90\x04\0\x01\x01\x80")
    assert session.granted == (1, 0x80)


@given(st.lists(st.tuples(st.sampled_from(["a", "b/c"]), st.binary(max_size=300), st.integers(0, 1))), st.data())
def test_however_the_bytes_are_cut_the_messages_are_the_same(
    said: list[tuple[str, bytes, int]], data: st.DataObject
) -> None:
    stream = b"".join(published(t, p, q) for t, p, q in said)
    session, rest = greeted(), stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        session.take(rest[:size])
        rest = rest[size:]
    assert session.heard == [Message(t, p, q, False) for t, p, q in said]


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_end_the_connection(rubbish: bytes) -> None:
    session = greeted()
    try:
        session.take(rubbish)
    except BrokerError:
        return
    assert len(session._tail) <= len(rubbish)


@pytest.mark.parametrize("bad", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f", b"\x30\x03\0\x01\xff"])
def test_impossible_packets_are_faults(bad: bytes) -> None:
    with pytest.raises(BrokerFaulted):
        greeted().take(bad)
