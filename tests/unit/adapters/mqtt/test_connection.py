import pytest
from tests.unit.adapters.mqtt.doubles import (
    Client,
    HoldingInbox,
    RefusingInbox,
    Site,
    connect,
    puback,
    publish,
    subscribe,
    text,
)

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.phases import NEXT, Phase
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.port import TellingReceipt, Unwanted

ACCEPTED = b"\x20\x02\x00\x00"


def test_the_state_table_is_total_and_only_greeting_takes_connect() -> None:
    assert set(NEXT) == set(Phase)
    assert [phase for phase in Phase if Connect in NEXT[phase]] == [Phase.GREETING]


def test_a_client_is_greeted_once() -> None:
    site = Site()
    client = site.client()
    assert client.send(connect("d")) == [ACCEPTED]
    client.connection.received([packets.Connect(4, "d", clean_start=True, keep_alive_s=0)], 0.0)
    assert client.wire.closed
    assert site.faults == [Reason.PROTOCOL_ERROR]


def test_what_comes_before_connect_closes() -> None:
    client = Site().client()
    client.connection.received([packets.Ping()], 0.0)
    assert client.wire.closed


def test_version_5_is_told_the_limits() -> None:
    settings = MqttSettings(anonymous=True, receive_maximum=7, max_keep_alive=60.0, session_expiry=100.0)
    (answer,) = Site(settings=settings).client().send(connect("", version=5, keep_alive=0, said=b"\x11\0\0\x10\0"))
    for part in (b"\x21\0\x07", b"\x22\0\x20", b"\x11\0\0\0\x64", b"\x13\0\x3c", b"\x12\0\x15auto-"):
        assert part in answer


def test_a_refused_client_hears_why_and_is_closed() -> None:
    site = Site(settings=MqttSettings())
    client = site.client()
    assert client.send(connect("d")) == [b"\x20\x02\x00\x05"]
    assert (client.wire.closed, site.faults) == (True, [Reason.NOT_AUTHORISED])
    other = site.client()
    assert other.send(connect("d", version=3)) == [b"\x20\x02\x00\x01"]
    assert other.wire.closed


def test_no_puback_before_the_receipt_is_settled() -> None:
    inbox = HoldingInbox()
    client = Site(inbox).joined("d")
    client.send(publish("t", b"1", pid=1), publish("t", b"2", pid=2), publish("u", b"3", pid=3))
    assert (client.wire.pids, client.connection.outstanding) == ([], 3)
    first, second = inbox.arrivals
    assert (first.source, first.topic, list(first.payloads), first.retain) == ("d", "t", [b"1", b"2"], False)
    second.receipt.settle()
    assert client.wire.pids == [b"\0\3"]
    first.receipt.settle()
    assert client.wire.pids == [b"\0\3", b"\0\1", b"\0\2"]
    assert client.connection.outstanding == 0


def test_a_refused_run_closes_without_puback() -> None:
    client = Site(RefusingInbox()).joined("d", version=5)
    assert client.send(publish("t", b"1", pid=1, said=b""))[-1] == b"\xe0\x01\x83"
    assert (client.wire.pids, client.wire.closed, client.connection.outstanding) == ([], True, 0)


def turned_away(version: int, *reasons: str) -> tuple[Client, list[bytes]]:
    """A client that has sent three messages of which the second and third aren't taken, and what it was sent then."""
    inbox = HoldingInbox()
    client = Site(inbox).joined("d", version=version)
    said = b"" if version == 5 else None
    client.send(*(publish("t", b"x", pid=pid, said=said) for pid in (1, 2, 3)))
    (arrival,) = inbox.arrivals
    assert isinstance(arrival.receipt, TellingReceipt)
    before = len(client.wire.frames)
    arrival.receipt.turn_away({place: Unwanted(why, "no") for place, why in enumerate(reasons, 1)})  # type: ignore[arg-type]  # of the closed set
    assert client.connection.outstanding == 0
    return client, client.wire.frames[before:]


def test_version_5_is_told_of_single_messages_that_arent_taken_and_why() -> None:
    client, sent = turned_away(5, "busy", "unreadable")
    assert b"".join(sent) == b"\x40\x02\0\1" + b"\x40\x03\0\2\x97" + b"\x40\x03\0\3\x99"
    assert not client.wire.closed
    _, sent = turned_away(5, "too_large", "name")
    assert b"".join(sent)[4:] == b"\x40\x03\0\2\x83" + b"\x40\x03\0\3\x90"


def test_version_3_keeps_what_may_be_taken_later_and_is_rid_of_what_never_will() -> None:
    client, _ = turned_away(4, "busy", "unreadable")
    assert (client.wire.pids, client.wire.closed) == ([], True)
    client, _ = turned_away(4, "unreadable", "too_large")
    assert (client.wire.pids, client.wire.closed) == ([b"\0\1", b"\0\2", b"\0\3"], False)


def test_a_receipt_settled_after_the_connection_is_gone_says_nothing() -> None:
    inbox = HoldingInbox()
    client = Site(inbox).joined("d")
    client.send(publish("t", b"1", pid=1), b"\xe0\x00")
    inbox.arrivals[0].receipt.settle()
    assert client.wire.pids == []


def test_quiet_messages_reach_the_inbox_too() -> None:
    inbox = HoldingInbox()
    client = Site(inbox).joined("d")
    client.send(publish("t", b"1"), publish("t", b"2"))
    assert inbox.payloads == [b"1", b"2"]
    inbox.arrivals[0].receipt.settle()
    inbox.arrivals[0].receipt.refuse()
    assert not client.wire.closed


def test_bus_messages_are_acknowledged_at_once_and_not_offered() -> None:
    inbox = HoldingInbox()
    client = Site(inbox).joined("d")
    client.send(publish("alerts/x", b"1", pid=1))
    assert (inbox.arrivals, client.wire.pids) == ([], [b"\0\1"])


def test_while_the_inbox_is_full_publishers_wait_and_everybody_else_goes_on() -> None:
    inbox = HoldingInbox(room=1)
    site = Site(inbox)
    first, second, listener = site.joined("a"), site.joined("b"), site.joined("c")
    listener.send(subscribe("#"))
    first.send(publish("t", b"1", pid=1), publish("u", b"2", pid=2), b"\xc0\x00")
    assert (inbox.payloads, first.wire.held, listener.wire.held) == ([b"1"], True, False)
    assert second.send(publish("alerts/x", b"now"), publish("t", b"3"), b"\xc0\x00") == []
    assert second.wire.held
    assert publish("alerts/x", b"now") in listener.wire.said()
    assert listener.send(b"\xc0\x00") == [packets.PINGRESP_BYTES]
    inbox.drain(room=1)
    assert inbox.payloads == [b"1", b"2"]
    inbox.drain()
    assert inbox.payloads == [b"1", b"2", b"3"]
    assert (first.wire.held, second.wire.held) == (False, False)
    assert first.wire.said() == second.wire.said() == [packets.PINGRESP_BYTES]


def test_what_still_arrives_while_parked_keeps_its_order() -> None:
    inbox = HoldingInbox(room=1)
    client = Site(inbox).joined("a")
    client.send(publish("t", b"1"), publish("u", b"2"))
    assert client.send(publish("u", b"3"), b"\xc0\x00") == []
    inbox.drain()
    assert inbox.payloads == [b"1", b"2", b"3"]


def test_a_311_client_with_too_many_unsettled_is_read_no_further_until_some_settle() -> None:
    inbox = HoldingInbox()
    client = Site(inbox, MqttSettings(anonymous=True, receive_maximum=2)).joined("d")
    client.send(publish("t", b"1", pid=1))
    assert not client.wire.held
    client.send(publish("t", b"2", pid=2))
    assert client.wire.held
    inbox.arrivals[0].receipt.settle()
    assert not client.wire.held


def test_a_5_client_with_too_many_unsettled_broke_its_promise() -> None:
    settings = MqttSettings(anonymous=True, receive_maximum=2)
    client = Site(HoldingInbox(), settings).joined("d", version=5)
    window = [publish("t", b"x", pid=i, said=b"") for i in range(1, 4)]
    assert client.send(*window[:2]) == []
    assert client.send(*window[2:]) == [
        packets.disconnect(5, Reason.RECEIVE_MAXIMUM_EXCEEDED, "more unacknowledged messages than allowed")
    ]


@pytest.mark.parametrize(("version", "answer"), [(4, []), (5, [b"\xe0\x1d\x81\x1b\x1f\0\x18impossible PUBLISH flags"])])
def test_malformed_bytes_close_only_their_connection(version: int, answer: list[bytes]) -> None:
    site = Site()
    bad, good = site.joined("bad", version=version), site.joined("good")
    bad.wire.said()
    assert bad.send(b"\x36\x03\0\x01a") == answer
    assert (bad.wire.closed, good.wire.closed, site.faults) == (True, False, [Reason.MALFORMED])
    assert good.send(b"\xc0\x00") == [packets.PINGRESP_BYTES]


def test_a_silent_client_is_closed_after_one_and_a_half_keep_alives() -> None:
    site = Site()
    client = site.client()
    client.send(connect("d", version=5, keep_alive=10))
    client.wire.said()
    client.connection.tick(15.0)
    assert not client.wire.closed
    client.connection.tick(15.1)
    assert client.wire.said() == [b"\xe0\x01\x8d"]


def test_a_client_we_did_not_read_is_not_blamed_for_silence() -> None:
    inbox = HoldingInbox(room=1)
    site = Site(inbox)
    client = site.client()
    client.send(connect("d", keep_alive=10), publish("t", b"1"))
    client.connection.tick(100.0)
    site.clock.advance(100.0)
    inbox.drain()
    client.connection.tick(110.0)
    assert not client.wire.closed
    client.connection.tick(120.0)
    assert client.wire.closed


def test_who_never_says_connect_is_closed_and_zero_keep_alive_never() -> None:
    site = Site()
    mute, steady = site.client(), site.joined("d")
    mute.connection.tick(10.1)
    steady.connection.tick(1e6)
    assert (mute.wire.closed, steady.wire.closed) == (True, False)


def test_disconnect_may_not_turn_a_passing_session_into_a_lasting_one() -> None:
    client = Site().joined("d", version=5)
    client.wire.said()
    assert client.send(packets.packet(0xE0, b"\0\x05\x11\0\0\0\x09")) == [
        packets.disconnect(5, Reason.PROTOCOL_ERROR, "a session without expiry can't get one in the end")
    ]


def test_disconnect_may_shorten_or_lengthen_a_lasting_session() -> None:
    site = Site()
    site.joined("d", version=5, said=b"\x11\0\0\0\x09").send(packets.packet(0xE0, b"\0\x05\x11\0\0\0\x3c"))
    site.broker.tick(59.0)
    assert site.broker.sessions == 1
    site.broker.tick(60.0)
    assert site.broker.sessions == 0


def test_subscribing_answers_before_the_retained_messages() -> None:
    site = Site()
    site.joined("p").send(publish("t/a", b"last", pid=1, retain=True))
    answers = site.joined("s").send(subscribe("t/#", 1, pid=5), packets.packet(0xA2, b"\0\6", text("t/#")))
    assert answers[-3:] == [b"\x90\x03\0\5\x01", publish("t/a", b"last", pid=1, retain=True), b"\xb0\x02\0\6"]


def test_acknowledgements_of_a_subscriber_make_room() -> None:
    site = Site(settings=MqttSettings(anonymous=True, inflight=1))
    listener, device = site.joined("s"), site.joined("p")
    listener.send(subscribe("t"))
    device.send(publish("t", b"1", pid=1), publish("t", b"2", pid=2))
    assert listener.wire.said() == [publish("t", b"1", pid=1)]
    assert listener.send(puback(1)) == [publish("t", b"2", pid=2)]


def test_a_slow_subscriber_is_remembered_by_its_session() -> None:
    site = Site()
    listener, device = site.joined("s"), site.joined("p")
    listener.send(subscribe("t", 0))
    listener.connection.keeps_up(0.0, yes=False)
    device.send(publish("t", b"1"))
    assert listener.wire.said() == []
    listener.connection.keeps_up(0.0, yes=True)
    assert listener.wire.said() == [publish("t", b"1")]
    site.client().connection.keeps_up(0.0, yes=True)
