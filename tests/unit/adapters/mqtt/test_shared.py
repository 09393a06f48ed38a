"""Shared subscriptions: one member each, in turn, and nothing is lost with a member."""

import pytest
from tests.unit.adapters.mqtt.doubles import Client, Site, connect, puback, publish, subscribe, text

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.names import filter_problem, shared
from holdfast.adapters.mqtt.reasons import Reason

LASTING = 0


def member(site: Site, name: str, qos: int = 1, *, flags: int = 2, topic_filter: str = "$share/g/t/+") -> Client:
    client = site.joined(name, flags=flags)
    client.send(subscribe(topic_filter, qos))
    client.wire.said()
    return client


def test_each_message_goes_to_one_member_and_all_have_their_turn() -> None:
    site = Site()
    members = [member(site, name) for name in "abc"]
    alone = member(site, "other group", topic_filter="$share/h/t/+")
    device = site.joined("d")
    device.send(*(publish("t/1", b"%d" % n) for n in range(6)))
    device.send(publish("t/1", b"6"), publish("t/2", b"7"))
    heard = [each.wire.said() for each in members]
    assert sorted(len(each) for each in heard) == [2, 3, 3]
    assert len(alone.wire.said()) == 8
    assert len({frame for each in heard for frame in each}) == 8


def test_members_that_are_away_get_nothing_while_one_is_here() -> None:
    site = Site()
    away, here = member(site, "away", flags=LASTING), member(site, "here")
    away.vanish()
    site.joined("d").send(*(publish("t/1", b"%d" % n, pid=n + 1) for n in range(4)))
    assert len(here.wire.said()) == 4


def test_a_lasting_member_is_waited_for_when_nobody_is_here() -> None:
    site = Site()
    member(site, "away", flags=LASTING).vanish()
    site.joined("d").send(publish("t/1", b"x", pid=1), publish("t/1", b"quiet"))
    back = site.client()
    assert back.send(connect("away", flags=LASTING))[1:] == [publish("t/1", b"x", pid=1)]


def test_what_a_member_did_not_acknowledge_goes_to_others_when_its_session_ends() -> None:
    site = Site()
    gone = member(site, "gone")
    site.joined("d").send(*(publish("t/1", b"%d" % n, pid=n + 1) for n in range(3)))
    gone.send(puback(2))
    here = member(site, "here")
    gone.vanish()
    assert here.wire.said() == [publish("t/1", b"0", pid=1), publish("t/1", b"2", pid=2)]
    here.vanish()
    assert site.broker.tally.dropped_waiting == 2


def test_a_qos_2_message_that_was_begun_goes_to_nobody_else() -> None:
    site = Site()
    gone = member(site, "gone", 2)
    site.joined("d").send(publish("t/1", b"x", pid=1, qos=2))
    here = member(site, "here", 2)
    gone.vanish()
    assert here.wire.said() == []
    assert site.broker.tally.dropped_waiting == 1


def test_no_retained_messages_and_no_no_local() -> None:
    site = Site()
    site.broker.publish("t/1", b"kept", retain=True)
    client = site.joined("s", version=5)
    client.wire.said()
    assert client.send(subscribe("$share/g/t/+", 1, said=b"")) == [b"\x90\x04\0\x01\0\x01"]
    assert client.send(subscribe("$share/g/t/+", 1, options=4, said=b""))[0][2] == Reason.PROTOCOL_ERROR


def test_unsubscribing_leaves_the_group() -> None:
    site = Site()
    one, two = member(site, "one"), member(site, "two")
    one.send(packets.packet(0xA2, b"\0\1", text("$share/g/t/+")))
    one.wire.said()
    site.joined("d").send(publish("t/1", b"1"), publish("t/1", b"2"))
    assert (one.wire.said(), len(two.wire.said())) == ([], 2)
    two.send(packets.packet(0xA2, b"\0\1", text("$share/g/t/+")))
    two.wire.said()
    site.joined("d").send(publish("t/1", b"3"))
    assert two.wire.said() == []


@pytest.mark.parametrize(
    "bad", ["$share/g", "$share//t", "$share/+/t", "$share/g/", "$share/g/a/#/b", "$share/g/$share/h/t"]
)
def test_a_shared_filter_has_a_group_and_a_filter(bad: str) -> None:
    assert filter_problem(bad)
    assert filter_problem("$share/g/a/#") == ""
    assert shared("$share/g/a/#") == ("g", "a/#")
    assert shared("a/$share/g") is None
