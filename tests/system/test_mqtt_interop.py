"""What Eclipse Paho's interoperability suite asks of a broker (paho.mqtt.testing, client_test and client_test5), asked
of a real node in our own words: with paho-mqtt where it can say it, and raw packets where it can't.

The names of the cases there stand in brackets in the docstrings.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt.packettypes import PacketTypes
from tests.system.mqtt_peers import House, Peer, Raw, house, leave, said
from tests.unit.adapters.mqtt.doubles import connect, puback, publish, subscribe, text
from tests.waiting import wait_until

from holdfast.adapters.mqtt import packets

pytestmark = pytest.mark.system
QUIET_S = 0.3
"""How long to listen for what must not come."""
both = pytest.mark.parametrize("five", [False, True], ids=["3.1.1", "5"])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture(autouse=True)
def tidy() -> Iterator[None]:
    yield
    while Raw.opened:
        Raw.opened.pop().close()


@pytest.fixture
def at(request: pytest.FixtureRequest) -> str:
    """A topic no other test uses."""
    return str(request.node.name).replace("[", "/").rstrip("]")


# Both versions


@both
def test_messages_of_every_qos_arrive_once(node: House, at: str, *, five: bool) -> None:
    """[basic]"""
    listener, device = Peer(node.port, at + "s", five=five), Peer(node.port, at + "d", five=five)
    assert listener.subscribe(at) == [2]
    for qos in (0, 1, 2):
        device.publish(at, b"qos %d" % qos, qos)
    wait_until(lambda: len(listener.heard) == 3)
    assert {(bytes(m.payload), m.qos, m.retain) for m in listener.heard} == {
        (b"qos %d" % q, q, False) for q in range(3)
    }
    leave([listener, device])


@both
@pytest.mark.parametrize("granted", [0, 1, 2])
def test_a_subscription_caps_the_qos(node: House, at: str, granted: int, *, five: bool) -> None:
    """[basic]"""
    peer = Peer(node.port, at, five=five)
    assert peer.subscribe(at, granted) == [granted]
    for qos in (0, 1, 2):
        peer.publish(at, b"%d" % qos, qos)
    wait_until(lambda: len(peer.heard) == 3)
    assert {(int(m.payload), m.qos) for m in peer.heard} == {(q, min(q, granted)) for q in (0, 1, 2)}
    peer.leave()


@both
def test_retained_messages_are_kept_matched_by_wildcards_and_cleared(node: House, at: str, *, five: bool) -> None:
    """[retained messages]"""
    device = Peer(node.port, at + "d", five=five)
    for qos in (0, 1, 2):
        device.publish(f"{at}/{qos}", b"%d" % qos, qos, retain=True)
    listener = Peer(node.port, at + "s", five=five)
    listener.subscribe(f"{at}/+")
    wait_until(lambda: len(listener.heard) == 3)
    assert {(m.topic, m.qos, m.retain) for m in listener.heard} == {(f"{at}/{q}", q, True) for q in (0, 1, 2)}
    for qos in (0, 1, 2):
        device.publish(f"{at}/{qos}", b"", qos, retain=True)
    late = Peer(node.port, at + "late", five=five)
    late.subscribe(f"{at}/#")
    time.sleep(QUIET_S)
    assert late.heard == []
    leave([device, listener, late])


@both
def test_an_empty_client_id_is_given_one(node: House, *, five: bool) -> None:
    """[zero-length client id; assigned client id]"""
    peer = Peer(node.port, "", five=five, clean=True)
    if five:
        assert peer.terms.AssignedClientIdentifier
    peer.leave()


def test_an_empty_client_id_needs_a_clean_session_in_3_1_1(node: House) -> None:
    """[zero-length client id]"""
    raw = Raw(node.port, "", flags=0)
    assert (raw.greeting, raw.packet()) == (b"\x20\x02\x00\x02", b"")


@both
def test_an_assigned_client_id_has_its_session_when_it_comes_back(node: House, at: str, *, five: bool) -> None:
    """[assigned client id]"""
    if not five:
        return
    first = Peer(node.port, "", lasting=60, clean=True)
    name = str(first.terms.AssignedClientIdentifier)
    first.subscribe(at)
    first.leave()
    again = Peer(node.port, name, lasting=60)
    assert again.is_resumed
    assert getattr(again.terms, "AssignedClientIdentifier", None) is None
    again.leave(SessionExpiryInterval=0)


@both
def test_what_comes_while_a_client_is_away_is_kept_for_it(node: House, at: str, *, five: bool) -> None:
    """[offline message queueing]"""
    peer = Peer(node.port, at, five=five, lasting=60)
    peer.subscribe(f"{at}/#")
    peer.leave()
    device = Peer(node.port, at + "d", five=five)
    for qos in (0, 1, 2):
        device.publish(f"{at}/{qos}", b"%d" % qos, qos)
    back = Peer(node.port, at, five=five, lasting=60)
    assert back.is_resumed
    wait_until(lambda: len(back.heard) >= 2)
    time.sleep(QUIET_S)
    assert sorted(back.payloads) == [b"1", b"2"]
    leave([device, back])


@both
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_will_is_published_for_a_client_that_vanishes_only(node: House, at: str, qos: int, *, five: bool) -> None:
    """[will message]"""
    listener = Peer(node.port, at + "s", five=five)
    listener.subscribe(at)
    will = {"topic": at, "payload": b"gone", "qos": qos, "retain": True}
    Peer(node.port, at + "good", five=five, will=will).leave()
    time.sleep(QUIET_S)
    assert listener.heard == []
    Peer(node.port, at + "bad", five=five, will=will).vanish()
    wait_until(lambda: listener.heard)
    assert (listener.payloads, listener.heard[0].qos) == ([b"gone"], qos)
    late = Peer(node.port, at + "late", five=five)
    late.subscribe(at)
    wait_until(lambda: late.heard)
    assert late.heard[0].retain
    late.publish(at, b"", retain=True)
    leave([listener, late])


@both
def test_overlapping_subscriptions_are_one_delivery_at_the_highest_qos(node: House, at: str, *, five: bool) -> None:
    """[overlapping subscriptions]"""
    peer = Peer(node.port, at, five=five)
    peer.subscribe(f"{at}/#", 2, identifier=3 if five else 0)
    peer.subscribe(f"{at}/+", 1, identifier=4 if five else 0)
    peer.publish(f"{at}/x", b"once", 2)
    wait_until(lambda: peer.heard)
    time.sleep(QUIET_S)
    assert [(bytes(m.payload), m.qos) for m in peer.heard] == [(b"once", 2)]
    if five:
        assert sorted(peer.heard[0].properties.SubscriptionIdentifier) == [3, 4]
    peer.leave()


@both
def test_a_silent_client_is_given_up_and_its_will_published(node: House, at: str, *, five: bool) -> None:
    """[keep alive]"""
    listener = Peer(node.port, at + "s", five=five)
    listener.subscribe(at)
    more = (b"\0" if five else b"") + text(at) + text("timed out")
    mute = Raw(node.port, at + "m", version=5 if five else 4, flags=0x16, keep_alive=1, more=more)
    started = time.monotonic()
    wait_until(lambda: listener.heard)
    assert 1.4 < time.monotonic() - started < 4.0
    assert listener.payloads == [b"timed out"]
    mute.close()
    listener.leave()


@both
def test_what_was_not_acknowledged_comes_again_with_its_identifier(node: House, at: str, *, five: bool) -> None:
    """[redelivery on reconnect]"""
    version, terms = (5, b"\x11\0\0\0\x3c") if five else (4, b"")
    about = b"" if five else None
    raw = Raw(node.port, at, subscribe(f"{at}/+", 2, said=about), version=version, flags=0, said=terms)
    assert raw.packet()[0] == 0x90
    device = Peer(node.port, at + "d", five=five)
    device.publish(f"{at}/1", b"x", 1)
    device.publish(f"{at}/2", b"y", 2)
    first = raw.packets(2)
    assert sorted(first) == [
        publish(f"{at}/1", b"x", pid=1, said=about),
        publish(f"{at}/2", b"y", pid=2, qos=2, said=about),
    ]
    raw.close()
    back = Raw(node.port, at, version=version, flags=0, said=terms)
    assert back.greeting[2] == 1
    assert sorted(back.packets(2)) == sorted(bytes((frame[0] | 8,)) + frame[1:] for frame in first)
    back.say(puback(1), b"\x50\x02\0\x02")
    assert back.packet() == b"\x62\x02\0\x02"
    back.close()
    third = Raw(node.port, at, version=version, flags=0, said=terms)
    assert third.packet() == b"\x62\x02\0\x02"
    third.say(b"\x70\x02\0\x02")
    assert third.is_silent()
    third.close()
    Raw(node.port, at, version=version).close()
    device.leave()


@both
def test_a_filter_that_cannot_be_had_is_refused_and_others_granted(node: House, at: str, *, five: bool) -> None:
    """[subscribe failure]"""
    peer = Peer(node.port, at, five=five)
    assert peer.subscribe("$share/+/x") == [0x8F if five else 0x80]
    assert peer.subscribe(at) == [2]
    peer.leave()


@both
def test_wildcards_do_not_match_dollar_topics(node: House, at: str, *, five: bool) -> None:
    """[dollar topics]"""
    listener = Peer(node.port, at + "s", five=five)
    for topic_filter in ("#", "+/+", "+/+/+", "+/+/+/+"):
        listener.subscribe(topic_filter, 1, **({"retainHandling": 2} if five else {}))
    system = Peer(node.port, at + "y", five=five)
    system.subscribe("$SYS/#", 0)
    wait_until(lambda: any(m.topic == "$SYS/broker/version" for m in system.heard))
    listener.heard.clear()
    raw = Raw(node.port, at + "d", publish("$" + at, b"x", said=b"" if five else None), version=5 if five else 4)
    assert raw.packet()[2:3] == (b"\x90" if five else b"")  # closed for publishing: MQTT 5 §4.7.2
    assert [m for m in listener.heard if m.topic.startswith("$")] == []
    leave([listener, system])


@both
def test_what_was_unsubscribed_no_longer_comes(node: House, at: str, *, five: bool) -> None:
    """[unsubscribe]"""
    peer = Peer(node.port, at, five=five)
    for topic in ("a", "b", "c"):
        peer.subscribe(f"{at}/{topic}")
    assert peer.unsubscribe(f"{at}/a") == ([0] if five else [])
    if five:
        assert peer.unsubscribe(f"{at}/a") == [0x11]
    for topic in ("a", "b", "c"):
        peer.publish(f"{at}/{topic}", topic.encode())
    wait_until(lambda: len(peer.heard) == 2)
    assert sorted(peer.payloads) == [b"b", b"c"]
    peer.leave()


# MQTT 5


def test_a_session_lives_as_long_as_it_asked_to(node: House, at: str) -> None:
    """[session expiry]"""

    def resumes(seconds: int, pause_s: float = 0.0, **goodbye: int) -> bool:
        first = Peer(node.port, at, lasting=seconds, clean=True)
        first.subscribe(at)
        first.leave(**goodbye)
        time.sleep(pause_s)
        again = Peer(node.port, at, lasting=seconds, clean=False)
        again.leave(**({"SessionExpiryInterval": 0} if seconds else {}))
        return again.is_resumed

    assert resumes(60)
    assert not resumes(0)
    assert not resumes(60, SessionExpiryInterval=0)
    assert resumes(1, SessionExpiryInterval=60)
    assert not resumes(1, pause_s=2.0)


def test_a_session_without_expiry_cannot_get_one_in_the_end(node: House, at: str) -> None:
    """[session expiry]"""
    raw = Raw(node.port, at, packets.packet(0xE0, b"\0\x05\x11\0\0\0\x09"), version=5)
    assert raw.packet()[2] == 0x82


def test_shared_subscriptions_share_out(node: House, at: str) -> None:
    """[shared subscriptions]"""
    members = [Peer(node.port, f"{at}{n}") for n in range(3)]
    for member in members:
        assert member.subscribe(f"$share/g/{at}/#") == [2]
    alone = Peer(node.port, at + "alone")
    alone.subscribe(f"{at}/#")
    device = Peer(node.port, at + "d")
    for n in range(30):
        device.publish(f"{at}/x", b"%d" % n, n % 3)
    wait_until(lambda: len(alone.heard) == 30 and sum(len(m.heard) for m in members) == 30)
    assert Counter(p for m in members for p in m.payloads) == Counter(b"%d" % n for n in range(30))
    assert min(len(m.heard) for m in members) >= 8
    leave([*members, alone, device])


def test_no_local_spares_a_client_its_own_messages(node: House, at: str) -> None:
    """[subscribe options]"""
    peer, other = Peer(node.port, at), Peer(node.port, at + "o")
    peer.subscribe(at, noLocal=True)
    other.subscribe(at)
    peer.publish(at, b"mine")
    other.publish(at, b"its")
    wait_until(lambda: len(other.heard) == 2 and peer.heard)
    assert peer.payloads == [b"its"]
    leave([peer, other])


def test_no_local_on_a_shared_subscription_is_a_protocol_error(node: House, at: str) -> None:
    """[subscribe options]"""
    raw = Raw(node.port, at, subscribe(f"$share/g/{at}", 1, options=4, said=b""), version=5)
    assert raw.packet()[2] == 0x82


def test_retain_as_published_keeps_the_flag(node: House, at: str) -> None:
    """[subscribe options]"""
    kept, plain = Peer(node.port, at + "k"), Peer(node.port, at + "p")
    kept.subscribe(at, retainAsPublished=True)
    plain.subscribe(at)
    plain.publish(at, b"r", retain=True)
    plain.publish(at, b"n")
    plain.publish(at, b"", retain=True)
    wait_until(lambda: len(kept.heard) == 3 and len(plain.heard) == 3)
    assert [m.retain for m in kept.heard] == [True, False, True]
    assert [m.retain for m in plain.heard] == [False, False, False]
    leave([kept, plain])


def test_retain_handling_decides_when_retained_messages_are_sent(node: House, at: str) -> None:
    """[subscribe options]"""
    peer = Peer(node.port, at)
    peer.publish(at, b"kept", retain=True)
    seen = []
    for handling in (1, 1, 0, 2):
        peer.subscribe(at, retainHandling=handling)
        time.sleep(QUIET_S)
        seen.append(len(peer.heard))
        peer.heard.clear()
    assert seen == [1, 0, 1, 0]
    peer.publish(at, b"", retain=True)
    peer.leave()


def test_subscription_identifiers_come_with_the_messages(node: House, at: str) -> None:
    """[subscribe identifiers]"""
    one, two = Peer(node.port, at + "1"), Peer(node.port, at + "2")
    one.subscribe(at, identifier=456789)
    two.subscribe(at, identifier=2)
    two.subscribe(f"{at}/#", identifier=3)
    one.publish(at, b"x")
    wait_until(lambda: one.heard and two.heard)
    assert one.heard[0].properties.SubscriptionIdentifier == [456789]
    assert sorted(two.heard[0].properties.SubscriptionIdentifier) == [2, 3]
    leave([one, two])


def test_a_request_finds_its_response(node: House, at: str) -> None:
    """[request/response]"""
    asker, answerer = Peer(node.port, at + "q"), Peer(node.port, at + "a")
    asker.subscribe(f"{at}/answers")
    answerer.subscribe(f"{at}/questions")
    asker.publish(f"{at}/questions", b"how hot?", ResponseTopic=f"{at}/answers", CorrelationData=b"334")
    wait_until(lambda: answerer.heard)
    about = answerer.heard[0].properties
    answerer.publish(about.ResponseTopic, b"26.1", CorrelationData=about.CorrelationData)
    wait_until(lambda: asker.heard)
    assert (asker.payloads, asker.heard[0].properties.CorrelationData) == ([b"26.1"], b"334")
    leave([asker, answerer])


def test_properties_travel_unchanged_and_in_order(node: House, at: str) -> None:
    """[user properties, payload format, content type]"""
    peer = Peer(node.port, at)
    peer.subscribe(at)
    pairs = [("c", "1"), ("a", "2"), ("c", "3")]
    peer.publish(at, b"{}", UserProperty=pairs, PayloadFormatIndicator=1, ContentType="application/json")
    wait_until(lambda: peer.heard)
    about = peer.heard[0].properties
    assert about.UserProperty == pairs
    assert (about.PayloadFormatIndicator, about.ContentType) == (1, "application/json")
    peer.leave()


def test_an_expired_message_is_not_delivered_and_a_late_one_says_what_is_left(node: House, at: str) -> None:
    """[publication expiry]"""
    away = Peer(node.port, at, lasting=60)
    away.subscribe(at)
    away.leave()
    device = Peer(node.port, at + "d")
    device.publish(at, b"short", 1, MessageExpiryInterval=1)
    device.publish(at, b"long", 2, MessageExpiryInterval=60)
    device.publish(at, b"for ever", 1)
    time.sleep(2.0)
    back = Peer(node.port, at, lasting=60)
    wait_until(lambda: len(back.heard) == 2)
    left: dict[bytes, Any] = {
        bytes(m.payload): getattr(m.properties, "MessageExpiryInterval", None) for m in back.heard
    }
    assert left.keys() == {b"long", b"for ever"}
    assert 50 < left[b"long"] < 60
    assert left[b"for ever"] is None
    back.leave(SessionExpiryInterval=0)
    device.leave()


def test_a_client_may_say_a_topic_by_its_alias(node: House, at: str) -> None:
    """[client topic alias]"""
    listener = Peer(node.port, at + "s")
    listener.subscribe(f"{at}/+")
    alias = b"\x23\0\x01"
    raw = Raw(node.port, at, version=5)
    assert b"\x22\0\x20" in raw.greeting  # Topic Alias Maximum 32
    raw.say(publish(f"{at}/a", b"1", pid=1, said=alias), publish("", b"2", pid=2, said=alias))
    raw.say(publish(f"{at}/b", b"3", pid=3, said=alias), publish("", b"4", pid=4, qos=2, said=alias))
    wait_until(lambda: len(listener.heard) == 4)
    assert sorted((m.topic[-1], bytes(m.payload)) for m in listener.heard) == [
        ("a", b"1"),
        ("a", b"2"),
        ("b", b"3"),
        ("b", b"4"),
    ]
    raw.close()
    other = Raw(node.port, at, publish("", b"5", said=alias), version=5)  # aliases end with their connection
    assert other.packet()[2] == 0x82
    for bad in (b"\x23\0\0", b"\x23\0\x21"):
        assert Raw(node.port, at, publish(at, b"", said=bad), version=5).packet()[2] == 0x94
    listener.leave()


def test_the_node_says_a_topic_by_alias_to_a_client_that_takes_them(node: House, at: str) -> None:
    """[server topic alias]"""
    raw = Raw(node.port, at, subscribe(f"{at}/+", 1, said=b""), version=5, said=b"\x22\0\x01")
    raw.packet()
    device = Peer(node.port, at + "d")
    for topic, payload in (("a", b"1"), ("a", b"2"), ("b", b"3"), ("a", b"4")):
        device.publish(f"{at}/{topic}", payload, 1)
    alias = b"\x23\0\x01"
    assert raw.packets(4) == [
        publish(f"{at}/a", b"1", pid=1, said=alias),
        publish("", b"2", pid=2, said=alias),
        publish(f"{at}/b", b"3", pid=3, said=b""),
        publish("", b"4", pid=4, said=alias),
    ]
    raw.close()
    device.leave()


def test_no_packet_is_larger_than_the_other_side_takes(node: House, at: str) -> None:
    """[maximum packet size]"""
    peer = Peer(node.port, at, MaximumPacketSize=200)
    assert peer.terms.MaximumPacketSize == 64_000
    peer.subscribe(at)
    device = Peer(node.port, at + "d")
    for size in (300, 10, 500):
        device.publish(at, b"x" * size)
    device.publish(at, b"end")
    wait_until(lambda: peer.payloads[-1:] == [b"end"])
    assert peer.payloads == [b"x" * 10, b"end"]
    raw = Raw(node.port, at + "big", publish(at, b"x" * 70_000, said=b""), version=5)
    assert raw.packet()[2] == 0x95
    leave([peer, device])


def test_the_node_may_want_a_shorter_keep_alive(node: House, at: str) -> None:
    """[server keep alive]"""
    peer = Peer(node.port, at, keep_alive=120)
    assert peer.terms.ServerKeepAlive == 60
    peer.leave()
    modest = Peer(node.port, at, keep_alive=20)
    assert getattr(modest.terms, "ServerKeepAlive", None) is None
    modest.leave()


def test_a_client_may_have_as_many_messages_open_as_it_was_told(node: House, at: str) -> None:
    """[flow control 1]"""
    raw = Raw(node.port, at, version=5)
    assert b"\x21\0\x14" in raw.greeting  # Receive Maximum 20
    raw.say(*(publish(at, b"x", pid=pid, qos=2, said=b"") for pid in range(1, 21)))
    got = b""
    while len(got) < 80:
        got += raw.packet()
    raw.say(publish(at, b"x", pid=21, qos=2, said=b""))
    assert raw.packet()[2] == 0x93


def test_a_client_is_sent_no_more_than_its_receive_maximum(node: House, at: str) -> None:
    """[flow control 2]"""
    raw = Raw(node.port, at, subscribe(at, 2, said=b""), version=5, said=b"\x21\0\x03")
    raw.packet()
    device = Peer(node.port, at + "d")
    for n in range(8):
        device.publish(at, b"%d" % n, 2)
    assert raw.packets(3) == [publish(at, b"%d" % n, pid=n + 1, qos=2, said=b"") for n in range(3)]
    assert raw.is_silent()
    raw.say(b"\x50\x02\0\x01")
    assert raw.packet() == b"\x62\x02\0\x01"
    assert raw.is_silent()  # a PUBREC makes no room; the PUBCOMP does
    raw.say(b"\x70\x02\0\x01")
    assert raw.packet() == publish(at, b"3", pid=4, qos=2, said=b"")
    raw.close()
    device.leave()


def test_a_will_waits_for_its_delay_and_a_return_takes_it_back(node: House, at: str) -> None:
    """[will delay]"""
    listener = Peer(node.port, at + "s")
    listener.subscribe(at)
    about = said(PacketTypes.WILLMESSAGE, WillDelayInterval=2)
    will = {"topic": at, "payload": b"gone", "qos": 2, "properties": about}
    Peer(node.port, at, lasting=60, will=will).vanish()
    Peer(node.port, at, lasting=60).leave()
    time.sleep(2.7)
    assert listener.heard == []
    Peer(node.port, at, lasting=60, will=will).vanish()
    started = time.monotonic()
    wait_until(lambda: listener.heard)
    assert 1.9 < time.monotonic() - started < 5.0
    Peer(node.port, at, lasting=60).leave(SessionExpiryInterval=0)
    listener.leave()


def test_a_delayed_will_comes_when_the_session_ends_at_the_latest(node: House, at: str) -> None:
    """[will delay]"""
    listener = Peer(node.port, at + "s")
    listener.subscribe(at)
    about = said(PacketTypes.WILLMESSAGE, WillDelayInterval=60)
    Peer(node.port, at, lasting=1, will={"topic": at, "payload": b"ended", "properties": about}).vanish()
    wait_until(lambda: listener.payloads == [b"ended"])
    listener.leave()


def test_a_newer_connection_takes_over_and_the_older_is_told(node: House, at: str) -> None:
    old = Raw(node.port, at, version=5, flags=0, said=b"\x11\0\0\0\x3c")
    new = Raw(node.port, at, version=5, flags=0, said=b"\x11\0\0\0\x3c")
    assert (old.packet()[:3], old.packet(), new.greeting[2]) == (b"\xe0\x01\x8e", b"", 1)
    new.close()


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (connect("again", version=5), 0x82),
        (b"\x36\x03\0\x01a", 0x81),
        (publish("a/#", b"", said=b""), 0x90),
        (publish("a", b"", said=b"\x0b\x01"), 0x81),  # a subscription identifier is the server's to send
        (publish("a", b"", said=b"\x08\0\x03a/#"), 0x82),
        (subscribe("a", 1, options=0x30, said=b""), 0x81),
        (b"\x82\x03\0\x01\0", 0x82),
        (b"\x60\x02\0\x01", 0x81),
        (b"\xf0\x00", 0x82),
    ],
    ids=["connect", "qos", "wildcard", "identifier", "response", "handling", "nothing", "pubrel", "auth"],
)
def test_a_broken_protocol_ends_with_its_reason(node: House, at: str, frame: bytes, reason: int) -> None:
    """[reason codes]"""
    goodbye = Raw(node.port, at, frame, version=5).packet()
    assert (goodbye[0], goodbye[2]) == (0xE0, reason)


def test_authentication_methods_are_refused_by_name(node: House, at: str) -> None:
    """[reason codes]"""
    raw = Raw(node.port, at, version=5, said=b"\x15\0\x05SCRAM")
    assert (raw.greeting[3], raw.packet()) == (0x8C, b"")
