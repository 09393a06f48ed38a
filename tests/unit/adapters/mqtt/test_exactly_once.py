"""QoS 2 from clients: taken once, whatever is repeated, and acknowledged no earlier than it is on disk."""

from tests.unit.adapters.mqtt.doubles import HoldingInbox, RefusingInbox, Site, connect, publish, subscribe, text

from holdfast.adapters.mqtt.acl import Rights
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings

LASTING = 0


def ack(kind: int, *pids: int) -> bytes:
    return b"".join(bytes((kind, 2)) + pid.to_bytes(2, "big") for pid in pids)


def pubrec(*pids: int) -> bytes:
    return ack(0x50, *pids)


def pubrel(*pids: int) -> bytes:
    return ack(0x62, *pids)


def pubcomp(*pids: int) -> bytes:
    return ack(0x70, *pids)


def test_the_four_steps() -> None:
    site = Site()
    client = site.joined("d")
    client.wire.said()
    assert client.send(publish("t", b"1", pid=1, qos=2), publish("t", b"2", pid=2, qos=2)) == [pubrec(1, 2)]
    assert client.send(pubrel(1, 2)) == [pubcomp(1, 2)]
    assert site.inbox.payloads == [b"1", b"2"]


def test_no_pubrec_before_the_commit() -> None:
    inbox = HoldingInbox()
    client = Site(inbox).joined("d")
    client.wire.said()
    assert client.send(publish("t", b"1", pid=1, qos=2)) == []
    assert client.send(publish("t", b"1", pid=1, qos=2, dup=True)) == []
    assert (client.connection.outstanding, len(inbox.arrivals)) == (1, 1)
    inbox.arrivals[0].receipt.settle()
    assert client.wire.said() == [pubrec(1)]
    assert client.connection.outstanding == 0


def test_a_repeat_is_answered_and_not_taken_again_until_it_is_released() -> None:
    site = Site()
    client = site.joined("d")
    client.wire.said()
    again = publish("t", b"1", pid=1, qos=2, dup=True)
    client.send(publish("t", b"1", pid=1, qos=2))
    assert client.send(again, publish("t", b"2", pid=2, qos=2)) == [pubrec(1), pubrec(2)]
    assert site.inbox.payloads == [b"1", b"2"]
    client.send(pubrel(1))
    client.send(publish("t", b"3", pid=1, qos=2))
    assert site.inbox.payloads == [b"1", b"2", b"3"]


def test_a_repeat_after_a_reconnect_is_known() -> None:
    site = Site()
    client = site.joined("d", flags=LASTING)
    client.send(publish("t", b"1", pid=7, qos=2))
    client.vanish()
    back = site.client()
    assert back.send(connect("d", flags=LASTING), publish("t", b"1", pid=7, qos=2, dup=True))[1:] == [pubrec(7)]
    assert back.send(pubrel(7)) == [pubcomp(7)]
    assert site.inbox.payloads == [b"1"]


def test_a_commit_that_outlasts_the_connection_is_told_to_the_next_one() -> None:
    inbox = HoldingInbox()
    site = Site(inbox)
    client = site.joined("d", flags=LASTING)
    client.send(publish("t", b"1", pid=7, qos=2))
    client.vanish()
    back = site.client()
    back.send(connect("d", flags=LASTING), publish("t", b"1", pid=7, qos=2, dup=True))
    back.wire.said()
    inbox.arrivals[0].receipt.settle()
    assert back.wire.said() == [pubrec(7)]
    assert len(inbox.arrivals) == 1


def test_an_unknown_pubrel_is_completed_with_its_reason() -> None:
    site = Site()
    four, five = site.joined("four"), site.joined("five", version=5)
    four.wire.said(), five.wire.said()
    assert four.send(pubrel(3)) == [pubcomp(3)]
    assert five.send(pubrel(3)) == [b"\x70\x03\0\x03\x92"]


def test_a_refused_message_closes_and_may_be_sent_again() -> None:
    site = Site(RefusingInbox())
    client = site.joined("d", flags=LASTING)
    client.wire.said()
    assert client.send(publish("t", b"1", pid=1, qos=2)) == []
    assert client.wire.closed
    site.joined("d", flags=LASTING).send(publish("t", b"1", pid=1, qos=2, dup=True))
    assert site.inbox.payloads == [b"1", b"1"]


def test_the_receive_maximum_counts_qos_2_until_its_pubcomp() -> None:
    site = Site(settings=MqttSettings(anonymous=True, receive_maximum=2))
    client = site.joined("d", version=5)
    client.send(*(publish("t", b"x", pid=pid, qos=2, said=b"") for pid in (1, 2)))
    client.send(pubrel(1))
    client.send(publish("t", b"x", pid=3, qos=2, said=b""))
    assert not client.wire.closed
    client.send(publish("t", b"x", pid=4, qos=1, said=b""))
    assert (client.wire.closed, site.faults) == (True, [Reason.RECEIVE_MAXIMUM_EXCEEDED])


def test_a_message_of_a_client_reaches_a_subscriber_at_qos_2() -> None:
    site = Site()
    listener = site.joined("s")
    assert listener.send(subscribe("t", 2))[-1] == b"\x90\x03\0\x01\x02"
    site.joined("d").send(publish("t", b"x", pid=9, qos=2))
    assert listener.wire.said() == [publish("t", b"x", pid=1, qos=2)]
    assert listener.send(pubrec(1)) == [pubrel(1)]
    assert listener.send(pubcomp(1)) == []


def test_a_will_may_be_at_qos_2() -> None:
    site = Site()
    listener = site.joined("s")
    listener.send(subscribe("status", 2))
    listener.wire.said()
    device = site.client()
    device.send(connect("d", flags=0x16, more=text("status") + text("gone")))
    device.vanish()
    assert listener.wire.said() == [publish("status", b"gone", pid=1, qos=2)]


def test_a_denied_message_is_refused_and_repeats_of_a_permitted_one_are_not() -> None:
    client = Site().joined("d", version=5)
    client.send(publish("t", b"1", pid=1, qos=2, said=b""))
    client.connection.guest.rights = Rights((), ())  # as after a change of the acl
    again = publish("t", b"1", pid=1, qos=2, dup=True, said=b"")
    assert client.send(again, publish("t", b"2", pid=2, qos=2, said=b"")) == [pubrec(1), b"\x50\x03\0\x02\x87"]
    assert client.site.inbox.payloads == [b"1"]
    assert client.send(pubrel(1)) == [pubcomp(1)]
