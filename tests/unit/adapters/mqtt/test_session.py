from collections.abc import Callable, Sequence

from tests.unit.adapters.mqtt.doubles import publish, text

from holdfast.adapters.mqtt import packets
from holdfast.adapters.mqtt.letters import Budget, Tally
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.topics import Grant, Route


class Heard:
    """A connection that keeps what it is given."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send(self, frames: Sequence[bytes]) -> None:
        self.frames.extend(frames)

    def recorded(self, pids: Sequence[bytes]) -> None:
        raise AssertionError(pids)

    def completed(self, pids: Sequence[bytes], reason: Reason) -> None:
        raise AssertionError(pids, reason)

    def close(self, reason: Reason) -> None:
        raise AssertionError(reason)


class Rig:
    """A session with its shared counts, and messages for it."""

    def __init__(
        self, *, budget: int = 1_000_000, inflight: int = 100, queue_messages: int = 1_000, queue_bytes: int = 1_000_000
    ) -> None:
        self.tally = Tally()
        self.budget = Budget(budget)
        settings = MqttSettings(inflight=inflight, queue_messages=queue_messages, queue_bytes=queue_bytes)
        self.session = Session("c", None, settings, self.budget, self.tally)
        self.link = self.session.link = Heard()

    def after(self, what: Callable[[], None]) -> list[bytes]:
        """What is sent when this happens."""
        what()
        frames, self.link.frames = self.link.frames, []
        return frames

    def arrive(
        self, *, version: int = 4, window: int = 65_535, maximum: int = 0, now: float = 0.0, aliases: int = 0
    ) -> list[bytes]:
        return self.after(lambda: self.session.arrive(version, window, maximum, now, aliases))

    def deliver(
        self, *payloads: bytes, qos: int = 1, granted: int = 1, expires: float = 0.0, topic: str = "a"
    ) -> list[bytes]:
        publication = Publication(topic, text(topic), payloads, qos=qos, expires=expires)
        route = Route(self.session, granted, no_local=False, retain_as_published=False, identifiers=())
        return self.after(lambda: self.session.deliver(publication, route, 0.0))

    def deliver_retained(self, publication: Publication, grant: Grant) -> list[bytes]:
        return self.after(lambda: self.session.deliver_retained(publication, grant, 0.0))

    def keeps_up(self, *, yes: bool) -> list[bytes]:
        return self.after(lambda: self.session.keeps_up(0.0, yes=yes))

    def acked(self, *pids: int, kind: int = packets.PUBACK, reason: int = 0) -> list[bytes]:
        said = [pid.to_bytes(2, "big") for pid in pids]
        if kind == packets.PUBREC:
            return self.after(lambda: self.session.half_acked(said, reason, 0.0))
        return self.after(lambda: self.session.acked(kind, said, reason, 0.0))


def test_delivery_qos_is_the_lower_of_published_and_granted() -> None:
    rig = Rig()
    rig.arrive()
    assert rig.deliver(b"x", qos=1, granted=1) == [publish("a", b"x", pid=1)]
    assert rig.deliver(b"x", qos=1, granted=0) == [publish("a", b"x")]
    assert rig.deliver(b"x", qos=0, granted=1) == [publish("a", b"x")]


def test_the_window_is_the_smaller_of_the_clients_and_ours_and_an_ack_makes_room() -> None:
    rig = Rig(inflight=2)
    rig.arrive(window=10)
    assert rig.deliver(b"1", b"2", b"3", b"4") == [publish("a", b"1", pid=1), publish("a", b"2", pid=2)]
    assert rig.session.waiting == 2
    assert rig.acked(2, 77) == [publish("a", b"3", pid=3)]
    assert rig.acked(1, 3) == [publish("a", b"4", pid=4)]
    assert rig.acked(4) == []
    assert rig.session.owed == 0


def test_what_was_not_acknowledged_is_sent_again_first_with_its_identifier() -> None:
    rig = Rig()
    rig.session.expiry_s = 60.0
    rig.arrive()
    rig.deliver(b"1", b"2")
    rig.acked(1)
    rig.session.leave(now=5.0)
    assert rig.session.ends_at == 65.0
    assert rig.deliver(b"3") == []
    assert rig.deliver(b"quiet", qos=0) == []
    assert rig.arrive() == [publish("a", b"2", pid=2, dup=True), publish("a", b"3", pid=3)]
    assert rig.session.ends_at is None


def test_a_smaller_window_after_a_reconnect_is_respected_and_order_kept() -> None:
    rig = Rig()
    rig.arrive()
    rig.deliver(b"1", b"2", b"3")
    rig.session.leave(0.0)
    assert rig.arrive(window=1) == [publish("a", b"1", pid=1, dup=True)]
    rig.session.leave(0.0)
    assert rig.arrive(window=2) == [publish("a", b"1", pid=1, dup=True), publish("a", b"2", pid=2, dup=True)]
    assert rig.acked(1) == [publish("a", b"3", pid=3, dup=True)]


def test_full_queues_drop_the_oldest_and_count_them() -> None:
    rig = Rig(queue_messages=2)
    assert rig.deliver(b"1", b"2", b"3") == []
    assert rig.tally.dropped_waiting == 1
    assert rig.arrive() == [publish("a", b"2", pid=1), publish("a", b"3", pid=2)]
    rig.keeps_up(yes=False)
    assert rig.deliver(b"4", b"5", b"6", qos=0) == []
    assert rig.tally.dropped_quiet == 1
    assert rig.keeps_up(yes=True) == [publish("a", b"5"), publish("a", b"6")]


def test_queues_are_bounded_in_bytes_and_by_the_budget_of_all_sessions() -> None:
    small = Rig(queue_bytes=1_000)
    small.deliver(b"x" * 500, b"y" * 500)
    assert (small.session.waiting, small.tally.dropped_waiting) == (1, 1)
    shared = Rig(budget=1_000)
    shared.deliver(b"x" * 500, b"y" * 2_000)
    assert (shared.session.waiting, shared.tally.dropped_waiting, shared.budget.used) == (0, 2, 0)


def test_the_budget_is_given_back_when_messages_leave_the_queue() -> None:
    rig = Rig()
    rig.deliver(b"x", b"y")
    assert rig.budget.used > 0
    rig.arrive()
    assert rig.budget.used == 0
    rig.keeps_up(yes=False)
    rig.deliver(b"z", qos=0)
    rig.session.leave(0.0)
    assert (rig.budget.used, rig.tally.dropped_quiet) == (0, 1)


def test_quiet_messages_keep_their_order_while_the_socket_is_slow() -> None:
    rig = Rig()
    rig.arrive()
    rig.keeps_up(yes=False)
    assert rig.deliver(b"1", qos=0) == []
    assert rig.deliver(b"urgent") == [publish("a", b"urgent", pid=1)]
    assert rig.keeps_up(yes=True) == [publish("a", b"1")]


def test_a_packet_larger_than_the_client_takes_is_dropped_and_counted() -> None:
    rig = Rig()
    rig.arrive(version=5, maximum=20)
    assert rig.deliver(b"x" * 50) == []
    assert rig.deliver(b"x" * 50, qos=0) == []
    assert rig.deliver(b"ok", qos=0) == [publish("a", b"ok", said=b"")]
    assert (rig.tally.dropped_oversize, rig.session.owed) == (2, 0)


def test_an_expired_message_is_not_sent_and_a_late_one_says_what_is_left() -> None:
    rig = Rig()
    rig.deliver(b"old", expires=5.0)
    rig.deliver(b"new", expires=50.0)
    assert rig.arrive(version=5, now=10.0) == [publish("a", b"new", pid=1, said=b"\x02\0\0\0\x28")]


def test_a_retained_message_for_a_new_subscription_keeps_its_flag() -> None:
    rig = Rig()
    rig.arrive(version=5)
    kept = Publication("a", text("a"), (b"x",), qos=1, retain=True)
    assert rig.deliver_retained(kept, Grant(1, identifier=9)) == [
        publish("a", b"x", pid=1, retain=True, said=b"\x0b\x09")
    ]
    assert rig.deliver_retained(kept, Grant(0)) == [publish("a", b"x", retain=True, said=b"")]


def test_packet_identifiers_go_round_and_skip_those_in_use() -> None:
    rig = Rig()
    rig.arrive()
    rig.deliver(b"held")
    for _ in range(65_534):
        rig.session._last_pid += 1
    assert rig.deliver(b"next") == [publish("a", b"next", pid=2)]


def test_a_closed_session_counts_what_it_was_owed() -> None:
    rig = Rig(inflight=1)
    rig.arrive()
    rig.deliver(b"1", b"2")
    rig.session.close()
    assert (rig.tally.dropped_waiting, rig.session.owed, rig.session.online) == (2, 0, False)
    assert rig.keeps_up(yes=True) == []


def pubrel(pid: int) -> bytes:
    return b"\x62\x02" + pid.to_bytes(2, "big")


def test_a_qos_2_message_goes_its_four_steps_and_holds_the_window_until_the_last() -> None:
    rig = Rig(inflight=1)
    rig.arrive()
    assert rig.deliver(b"1", b"2", qos=2, granted=2) == [publish("a", b"1", pid=1, qos=2)]
    assert rig.acked(1) == []  # a PUBACK ends nothing here
    assert rig.acked(1, kind=packets.PUBREC) == [pubrel(1)]
    assert rig.acked(1, kind=packets.PUBREC) == [pubrel(1)]
    assert rig.acked(1, kind=packets.PUBCOMP) == [publish("a", b"2", pid=2, qos=2)]
    assert rig.session.owed == 1


def test_a_qos_2_message_is_taken_up_where_it_was() -> None:
    rig = Rig()
    rig.arrive()
    rig.deliver(b"1", b"2", qos=2, granted=2)
    rig.acked(1, kind=packets.PUBREC)
    rig.session.leave(0.0)
    assert rig.arrive() == [pubrel(1), publish("a", b"2", pid=2, qos=2, dup=True)]
    assert rig.acked(1, 2, kind=packets.PUBCOMP) == []
    assert rig.session.owed == 1  # 2 has no PUBREC yet, so a PUBCOMP for it means nothing


def test_an_unknown_pubrec_is_released_and_a_refused_message_ends() -> None:
    rig = Rig()
    rig.arrive(version=5)
    assert rig.acked(9, kind=packets.PUBREC) == [b"\x62\x03\0\x09\x92"]
    rig.deliver(b"1", qos=2, granted=2)
    assert rig.acked(1, kind=packets.PUBREC, reason=0x97) == []
    assert (rig.session.owed, rig.tally.refused) == (0, 1)


def test_topics_are_sent_once_and_then_by_alias() -> None:
    rig = Rig()
    rig.arrive(version=5, aliases=1)
    assert rig.deliver(b"1", topic="a") == [publish("a", b"1", pid=1, said=b"\x23\0\x01")]
    assert rig.deliver(b"2", topic="a") == [publish("", b"2", pid=2, said=b"\x23\0\x01")]
    assert rig.deliver(b"3", topic="b", qos=0) == [publish("b", b"3", said=b"")]
    assert rig.deliver(b"4", topic="a", qos=0) == [publish("", b"4", said=b"\x23\0\x01")]


def test_a_message_that_only_its_alias_makes_too_large_is_sent_without() -> None:
    rig = Rig()
    rig.arrive(version=5, aliases=1, maximum=16)
    assert rig.deliver(b"123456789", qos=0) == [publish("a", b"123456789", said=b"")]
    assert rig.deliver(b"1", qos=0) == [publish("a", b"1", said=b"\x23\0\x01")]


def test_what_expires_in_the_queue_is_counted() -> None:
    rig = Rig()
    rig.deliver(b"old", expires=5.0)
    assert rig.arrive(now=10.0) == []
    assert (rig.tally.expired, rig.session.owed) == (1, 0)
