from tests.unit.adapters.mqtt.doubles import HoldingInbox, Site, connect, publish, subscribe, text

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.settings import MqttSettings

RESUMED = b"\x20\x02\x01\x00"
LASTING = 0


def will(topic: str, payload: str) -> bytes:
    return text(topic) + text(payload)


def test_messages_reach_local_subscribers_before_the_commit() -> None:
    inbox = HoldingInbox()
    site = Site(inbox)
    listener = site.joined("s")
    listener.send(subscribe("press/+", 1))
    site.joined("p").send(publish("press/1", b"x", pid=9))
    assert listener.wire.said() == [publish("press/1", b"x", pid=1)]
    assert len(inbox.arrivals) == 1


def test_the_node_publishes_at_qos_1_to_those_who_asked() -> None:
    site = Site()
    one, two = site.joined("one"), site.joined("two")
    one.send(subscribe("alerts/#", 1))
    two.send(subscribe("#", 0))
    site.broker.publish("alerts/local", b"hot")
    assert one.wire.said() == [publish("alerts/local", b"hot", pid=1)]
    assert two.wire.said() == [publish("alerts/local", b"hot")]
    assert site.inbox.arrivals == []


def test_retained_messages_tell_the_node_unless_an_arrival_carries_them() -> None:
    site = Site(HoldingInbox())
    told: list[tuple[str, bytes]] = []
    site.broker.on_retained(lambda topic, payload: told.append((topic, payload)))
    device = site.joined("p")
    device.send(publish("local/mode", b"day", pid=1, retain=True), publish("t", b"x", pid=2, retain=True))
    site.broker.publish("alerts/now", b"hot", retain=True)
    assert told == [("local/mode", b"day"), ("alerts/now", b"hot")]
    assert [arrival.retain for arrival in site.inbox.arrivals] == [True]
    assert len(site.broker.retained) == 3


def test_a_retained_message_that_does_not_fit_is_told_as_cleared() -> None:
    site = Site(settings=MqttSettings(anonymous=True, retained_bytes=300))
    told: list[bytes] = []
    site.broker.on_retained(lambda _, payload: told.append(payload))
    site.broker.publish("alerts/a", b"1", retain=True)
    site.broker.publish("alerts/a", b"x" * 300, retain=True)
    assert told == [b"1", b""]


def test_restored_retained_messages_are_sent_to_new_subscribers() -> None:
    site = Site()
    site.broker.restore_retained({"a/b": b"old"})
    assert site.joined("s").send(subscribe("a/#", 1))[-1] == publish("a/b", b"old", pid=1, retain=True)


def test_retain_handling_decides_whether_a_subscription_gets_the_retained_message() -> None:
    site = Site()
    site.broker.publish("a", b"kept", retain=True)
    client = site.joined("s", version=5)
    client.wire.said()

    def count(handling: int) -> int:
        return len(client.send(subscribe("a", 0, options=handling << 4, said=b""))) - 1

    assert [count(1), count(1), count(0), count(2)] == [1, 0, 1, 0]


def test_a_lasting_session_keeps_subscriptions_and_acknowledged_messages() -> None:
    site = Site()
    client = site.joined("s", flags=LASTING)
    client.send(subscribe("t", 1))
    client.vanish()
    site.joined("p").send(publish("t", b"while away", pid=1), publish("t", b"quiet"))
    assert site.client().send(connect("s", flags=LASTING)) == [RESUMED, publish("t", b"while away", pid=1)]


def test_a_clean_start_forgets_the_session() -> None:
    site = Site()
    client = site.joined("s", flags=LASTING)
    client.send(subscribe("t", 1))
    client.vanish()
    assert site.client().send(connect("s")) == [b"\x20\x02\0\0"]
    assert (site.broker.sessions, site.broker.subscriptions) == (1, 0)


def test_a_session_ends_with_its_connection_or_when_it_expires() -> None:
    site = Site(settings=MqttSettings(anonymous=True, session_expiry=10.0))
    for name, flags in [("clean", 2), ("lasting", LASTING)]:
        client = site.joined(name, flags=flags)
        client.send(subscribe("t", 1))
        client.vanish()
    assert (site.broker.sessions, site.broker.subscriptions) == (1, 1)
    site.broker.tick(9.9)
    assert site.broker.sessions == 1
    site.broker.tick(10.0)
    assert (site.broker.sessions, site.broker.subscriptions) == (0, 0)


def test_the_newer_connection_takes_the_session_over() -> None:
    site = Site()
    old = site.joined("s", version=5, flags=LASTING, said=b"\x11\0\0\0\x09")
    old.send(subscribe("t", 1, said=b""))
    old.wire.said()
    new = site.client()
    new.send(connect("s", version=5, flags=LASTING, said=b"\x11\0\0\0\x09"))
    assert old.wire.said() == [b"\xe0\x01\x8e"]
    old.vanish()
    site.broker.publish("t", b"x")
    assert new.wire.said()[-1] == publish("t", b"x", pid=1, said=b"")


def test_nobody_takes_over_another_users_session() -> None:
    site = Site(settings=MqttSettings(users={"a": "1", "b": "2"}))
    first = site.client()
    first.send(connect("s", flags=0xC2, more=text("a") + text("1")))
    second = site.client()
    assert second.send(connect("s", flags=0xC2, more=text("b") + text("2"))) == [b"\x20\x02\x00\x02"]
    assert not first.wire.closed


def test_when_there_are_too_many_sessions_the_one_that_ends_soonest_goes() -> None:
    site = Site(settings=MqttSettings(anonymous=True, max_sessions=2))
    early = site.joined("early", flags=LASTING)
    early.vanish()
    site.joined("steady")
    site.joined("third")
    assert site.broker.sessions == 2
    assert site.client().send(connect("fourth")) == [b"\x20\x02\x00\x03"]


def test_a_will_is_published_when_the_client_vanishes_and_not_when_it_leaves() -> None:
    site = Site(HoldingInbox())
    listener = site.joined("s")
    listener.send(subscribe("status", 1))
    for leaves in (True, False):
        device = site.client()
        device.send(connect("d", flags=0x0E, more=will("status", "gone")))
        if leaves:
            device.send(b"\xe0\x00")
        device.vanish()
        assert len(listener.wire.said()) == (0 if leaves else 1)
    assert site.inbox.payloads == [b"gone"]


def test_a_delayed_will_waits_and_is_forgotten_when_the_client_returns() -> None:
    site = Site()
    more = b"\x05\x18\0\0\0\x05" + will("status", "gone")
    for returns in (True, False):
        device = site.client()
        device.send(connect("d", version=5, flags=0x06, said=b"\x11\0\0\0\x3c", more=more))
        device.vanish()
        if returns:
            site.clock.advance(4.0)
            site.broker.tick(4.0)
            back = site.joined("d", version=5, flags=0, said=b"\x11\0\0\0\x3c")
            back.send(b"\xe0\x00")
        site.broker.tick(9.0)
        assert len(site.inbox.arrivals) == (0 if returns else 1)


def test_a_will_is_published_at_the_latest_when_the_session_ends() -> None:
    site = Site()
    more = b"\x05\x18\0\0\0\x3c" + will("status", "gone")
    site.client().send(connect("d", version=5, flags=0x06, more=more))
    site.connections[0].lost(0.0)
    assert site.inbox.payloads == [b"gone"]


def test_disconnect_with_will_publishes_it() -> None:
    site = Site()
    device = site.client()
    device.send(connect("d", version=5, flags=0x06, more=b"\0" + will("status", "bye")), packets.packet(0xE0, b"\x04"))
    assert site.inbox.payloads == [b"bye"]


def test_no_local_spares_a_client_its_own_messages() -> None:
    site = Site()
    client = site.joined("d", version=5)
    client.send(subscribe("t", 1, options=4, said=b""))
    assert client.send(publish("t", b"mine", said=b"")) == []


def test_properties_and_what_is_left_of_the_expiry_reach_version_5_subscribers() -> None:
    site = Site()
    five, four = site.joined("five", version=5), site.joined("four")
    five.send(subscribe("t", 1, options=8, said=b"\x0b\x05"))
    four.send(subscribe("t", 1))
    five.wire.said(), four.wire.said()
    site.joined("p", version=5).send(publish("t", b"x", said=b"\x01\x01\x02\0\0\0\x09", retain=True))
    assert five.wire.said() == [publish("t", b"x", retain=True, said=b"\x01\x01\x0b\x05\x02\0\0\0\x09")]
    assert four.wire.said() == [publish("t", b"x")]


def test_filters_that_cannot_be_had_are_refused_one_by_one() -> None:
    site = Site(settings=MqttSettings(anonymous=True, max_subscriptions=1))
    client = site.joined("d", version=5)
    client.wire.said()
    wishes = b"".join(text(f) + b"\x02" for f in ("a/#", "a/#/b", "$share/g/t", "b"))
    assert client.send(packets.packet(0x82, b"\0\1\0", wishes)) == [b"\x90\x07\0\1\0\x02\x8f\x97\x97"]


def test_unsubscribing_says_whether_there_was_anything() -> None:
    client = Site().joined("d", version=5)
    client.send(subscribe("a", said=b""))
    assert client.send(packets.packet(0xA2, b"\0\1\0", text("a"), text("b"))) == [b"\xb0\x05\0\1\0\x00\x11"]
