import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.adapters.mqtt.doubles import connect, puback, publish, subscribe, text

from holdfast.adapters.mqtt.names import TopicNames
from holdfast.adapters.mqtt.packets import Connect, Disconnect, Ping, Subscribe, Unsubscribe, packet
from holdfast.adapters.mqtt.reader import AckRun, Fault, Item, PublishRun, Reader
from holdfast.adapters.mqtt.reasons import Reason

LIMIT = 4096


def read(data: bytes, cuts: list[int] | None = None, *, limit: int = LIMIT) -> list[Item]:
    reader = Reader(TopicNames(limit=3), limit)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    items: list[Item] = []
    for start, stop in itertools.pairwise(places):
        items.extend(reader.feed(data[start:stop]))
    return items


def flat(items: list[Item]) -> list[object]:
    """Items with runs taken apart, since runs depend on how the stream was cut."""
    out: list[object] = []
    for item in items:
        if isinstance(item, PublishRun):
            facts = (item.kind, item.topic, item.properties, item.expiry_s)
            out.extend((*facts, pid, payload) for pid, payload in zip(item.pids, item.payloads, strict=True))
        elif isinstance(item, AckRun):
            out.extend(("ack", pid) for pid in item.pids)
        elif isinstance(item, Fault):
            out.append(("fault", item.reason))
        else:
            out.append(item)
    return out


topics = st.sampled_from(["a", "a/b", "site/press-07/state", "ü/ß"])
payloads = st.binary(max_size=300)
pids = st.integers(1, 65535)
publishes_311 = st.builds(publish, topics, payloads, pid=st.just(0) | pids, retain=st.booleans())
again_311 = st.builds(publish, topics, payloads, pid=pids, dup=st.booleans())
said = st.sampled_from([b"", b"", b"", b"\x01\x01", b"\x02\0\0\0\x09", b"\x26\0\x01k\0\x01v"])
publishes_5 = st.builds(publish, topics, payloads, pid=st.just(0) | pids, said=said)
others = st.sampled_from([b"\xc0\x00", puback(1), puback(700), b"\xe0\x00"])
odd = st.sampled_from([publish("a/+", b""), publish("a", b"", pid=65536 - 65536), packet(0x34, b"xx"), b"\xf0\x00"])
hostile = st.binary(max_size=60)
streams_311 = st.lists(publishes_311 | publishes_311 | again_311 | others | odd | hostile, max_size=12)
streams_5 = st.lists(publishes_5 | publishes_5 | others | odd | hostile, max_size=12)


@given(streams_311, st.lists(st.integers(0, 5000), max_size=8))
@example([publish("a", b"x", pid=1), b"\x32\x05\0\x01a\0\0", publish("a", b"x", pid=2)], [])
def test_any_chunking_of_a_311_stream_gives_the_same_packets(stream: list[bytes], cuts: list[int]) -> None:
    data = connect("d") + b"".join(stream)
    assert flat(read(data, cuts)) == flat(read(data)) == flat(read(data, list(range(len(data)))))


@given(streams_5, st.lists(st.integers(0, 5000), max_size=8))
def test_any_chunking_of_a_5_stream_gives_the_same_packets(stream: list[bytes], cuts: list[int]) -> None:
    data = connect("d", version=5) + b"".join(stream)
    assert flat(read(data, cuts)) == flat(read(data)) == flat(read(data, list(range(len(data)))))


@given(st.binary(max_size=400), st.booleans(), st.booleans())
def test_random_bytes_give_items_or_a_fault_and_never_raise(data: bytes, greeted: bool, five: bool) -> None:  # noqa: FBT001 - drawn
    items = read((connect("d", version=5 if five else 4) if greeted else b"") + data)
    assert not any(isinstance(item, Fault) for item in items[:-1])


@given(st.lists(publishes_311, max_size=20))
def test_every_message_arrives_in_order_and_unchanged(stream: list[bytes]) -> None:
    items = flat(read(connect("d") + b"".join(stream)))[1:]
    again = []
    for item in items:
        assert isinstance(item, tuple)
        kind, topic, _, _, pid, payload = item
        again.append(packet(kind, text(topic), pid, payload))
    assert again == stream


def runs(data: bytes, version: int = 4) -> list[PublishRun]:
    return [item for item in read(connect("d", version=version) + data) if isinstance(item, PublishRun)]


def test_a_window_on_one_topic_is_one_run_whatever_the_sizes() -> None:
    sizes = [0, 3, 3, 110, 120, 130, 3, 1000]
    window = b"".join(publish("a/b", b"x" * size, pid=i) for i, size in enumerate(sizes, 1))
    (run,) = runs(window)
    assert [len(payload) for payload in run.payloads] == sizes
    assert run.pids == [i.to_bytes(2, "big") for i in range(1, len(sizes) + 1)]
    assert (run.qos, run.retain, run.plain) == (1, False, True)


def test_another_topic_retain_or_qos_begins_another_run() -> None:
    data = publish("a", b"1", pid=1) + publish("b", b"2", pid=2) + publish("b", b"3") + publish("b", b"4", retain=True)
    assert [(r.topic, r.qos, r.retain) for r in runs(data)] == [
        ("a", 1, False),
        ("b", 1, False),
        ("b", 0, False),
        ("b", 0, True),
    ]


def test_a_repeated_message_continues_its_run() -> None:
    (run,) = runs(publish("a", b"1", pid=1, dup=True) + publish("a", b"2", pid=2) + publish("a", b"3", pid=3, dup=True))
    assert run.payloads == [b"1", b"2", b"3"]


def test_messages_with_properties_are_runs_of_their_own() -> None:
    window = [
        publish("a", b"1", pid=i, said=s) for i, s in enumerate([b"", b"\x01\x01", b"\x02\0\0\0\x09", b"", b""], 1)
    ]
    first, format_, expiring, last = runs(b"".join(window), version=5)
    assert (len(first.payloads), len(last.payloads)) == (1, 2)
    assert format_.properties == [(1, 1)]
    assert (expiring.expiry_s, expiring.properties) == (9, [])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x36\x03\0\x01a", Reason.MALFORMED),  # QoS 3
        (b"\x38\x03\0\x01a", Reason.MALFORMED),  # DUP at QoS 0
        (b"\x34\x05\0\x01a\0\0", Reason.PROTOCOL_ERROR),
        (b"\x30\x01\0", Reason.MALFORMED),
        (b"\x30\x03\0\x09a", Reason.MALFORMED),
        (b"\x32\x05\0\x01a\0\0", Reason.PROTOCOL_ERROR),
        (b"\x30\xff\xff\xff\xff\x01", Reason.MALFORMED),
        (b"\x30\xff\xff\xff\x7f", Reason.TOO_LARGE),
        (publish("a", b"x" * LIMIT), Reason.TOO_LARGE),
        (publish("a/#", b""), Reason.TOPIC_INVALID),
        (publish("$SYS/x", b""), Reason.TOPIC_INVALID),
        (packet(0x30, b"\0\x01\xff"), Reason.MALFORMED),
        (packet(0x30, b"\0\x01\0"), Reason.MALFORMED),
        (b"\x40\x02\0\0", Reason.PROTOCOL_ERROR),
        (b"\x80\x06\0\x01\0\x01a\0", Reason.MALFORMED),  # SUBSCRIBE without its flags
        (b"\x82\x02\0\x01", Reason.PROTOCOL_ERROR),
        (b"\xa2\x02\0\x01", Reason.PROTOCOL_ERROR),
        (b"\xc0\x01x", Reason.PROTOCOL_ERROR),
        (b"\xe0\x01x", Reason.MALFORMED),
        (b"\x60\x02\0\x01", Reason.MALFORMED),  # PUBREL without its flags
        (b"\x50\x02\0\0", Reason.PROTOCOL_ERROR),
        (b"\xf0\x00", Reason.PROTOCOL_ERROR),  # AUTH
        (connect("again"), Reason.PROTOCOL_ERROR),
    ],
)
def test_broken_bytes_have_their_reason_and_what_came_before_stands(data: bytes, reason: Reason) -> None:
    good = publish("a", b"good", pid=9)
    items = read(connect("d") + good + data + good)
    assert [type(item) for item in items[:2]] == [Connect, PublishRun]
    assert isinstance(items[1], PublishRun)
    assert items[1].payloads == [b"good"]
    assert isinstance(items[-1], Fault)
    assert items[-1].reason is reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (publish("", b"", said=b"\x23\0\x01"), Reason.TOPIC_ALIAS_INVALID),
        (publish("a", b"", said=b"\x23\0\x01"), Reason.TOPIC_ALIAS_INVALID),
        (publish("a", b"", said=b"\x0b\x01"), Reason.MALFORMED),
        (publish("a", b"", said=b"\x01\x01\x01\x01"), Reason.PROTOCOL_ERROR),
        (publish("a", b"", said=b"\x01\x02"), Reason.PROTOCOL_ERROR),
        (packet(0x40, b"\0\x01\0\0x"), Reason.MALFORMED),
        (b"\xf0\x00", Reason.PROTOCOL_ERROR),
    ],
)
def test_broken_bytes_of_version_5_have_their_reason(data: bytes, reason: Reason) -> None:
    (last,) = read(connect("d", version=5) + data)[1:]
    assert isinstance(last, Fault)
    assert last.reason is reason


def test_the_first_packet_must_be_connect() -> None:
    for data in (publish("a", b""), puback(1), b"\xc0\x00"):
        (fault,) = read(data)
        assert isinstance(fault, Fault)
        assert fault.reason is Reason.PROTOCOL_ERROR


def test_every_kind_of_packet_is_read() -> None:
    unsubscribe = packet(0xA2, b"\0\x02", text("a/#"))
    items = read(connect("d") + subscribe("a/#") + unsubscribe + puback(1) + puback(2) + b"\xc0\x00\xe0\x00")
    assert [type(i) for i in items] == [Connect, Subscribe, Unsubscribe, AckRun, Ping, Disconnect]
    assert isinstance(items[3], AckRun)
    assert items[3].pids == [b"\0\x01", b"\0\x02"]


def test_a_long_puback_of_version_5_is_an_acknowledgement() -> None:
    (_, ack) = read(connect("d", version=5) + packet(0x40, b"\0\x07\x10\x00"))
    assert isinstance(ack, AckRun)
    assert ack.pids == [b"\0\x07"]


def test_a_large_packet_in_many_pieces_is_scanned_once() -> None:
    big = publish("a", b"x" * 1_000_000, pid=1)
    reader = Reader(TopicNames(), 2_000_000)
    reader.feed(connect("d"))
    items: list[Item] = []
    for at in range(0, len(big), 100):
        items.extend(reader.feed(big[at : at + 100]))
    assert isinstance(items[0], PublishRun)
    assert len(items[0].payloads[0]) == 1_000_000


def five(*frames: bytes, aliases: int = 2) -> list[Item]:
    return Reader(TopicNames(), LIMIT, aliases).feed(connect("d", version=5) + b"".join(frames))[1:]


def test_an_alias_stands_for_the_topic_it_was_given_with() -> None:
    one, two = b"\x23\0\x01", b"\x23\0\x02"
    frames = [publish("a", b"1", said=one), publish("", b"2", said=one), publish("b", b"3", said=two)]
    frames += [publish("", b"4", said=one), publish("b", b"5", said=one), publish("", b"6", said=one + b"\x01\x01")]
    items = five(*frames)
    found = [(i.topic, i.field, i.payloads, i.properties) for i in items if isinstance(i, PublishRun)]
    assert found == [
        ("a", text("a"), [b"1", b"2"], []),
        ("b", text("b"), [b"3"], []),
        ("a", text("a"), [b"4"], []),
        ("b", text("b"), [b"5"], []),
        ("b", text("b"), [b"6"], [(1, 1)]),
    ]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (publish("a", b"", said=b"\x23\0\0"), Reason.TOPIC_ALIAS_INVALID),
        (publish("a", b"", said=b"\x23\0\x03"), Reason.TOPIC_ALIAS_INVALID),
        (publish("", b"", said=b"\x23\0\x02"), Reason.PROTOCOL_ERROR),
        (publish("", b"", said=b""), Reason.PROTOCOL_ERROR),
        (publish("a", b"", said=b"\x08\0\x03a/#"), Reason.PROTOCOL_ERROR),
        (packet(0x40, b"\0\x01\x92"), Reason.MALFORMED),
        (packet(0x62, b"\0\x01\x10"), Reason.MALFORMED),
        (packet(0xE0, b"\x8b"), Reason.MALFORMED),
    ],
)
def test_what_version_5_forbids_has_its_reason(frame: bytes, reason: Reason) -> None:
    (fault,) = five(frame)
    assert isinstance(fault, Fault)
    assert fault.reason is reason


def test_every_kind_of_acknowledgement_is_a_run() -> None:
    data = b"".join(bytes((first, 2, 0, pid)) for first in (0x40, 0x50, 0x62, 0x70) for pid in (1, 2))
    acks = [item for item in read(connect("d") + data)[1:] if isinstance(item, AckRun)]
    assert [(ack.kind, ack.pids) for ack in acks] == [(kind, [b"\0\x01", b"\0\x02"]) for kind in (4, 5, 6, 7)]
    (refusal,) = five(packet(0x50, b"\0\x01\x97\x00"))
    assert isinstance(refusal, AckRun)
    assert (refusal.kind, refusal.reason) == (5, 0x97)


@pytest.mark.parametrize("version", [4, 5])
def test_a_lone_publish_after_another_like_it_is_read_as_if_it_were_the_first(version: int) -> None:
    said = b"" if version == 5 else None
    reader = Reader(TopicNames(), 1_000)
    reader.feed(connect("d", version=version))
    for pid, payload in ((1, b"one"), (2, b""), (3, b"x" * 200), (4, b"y" * 500)):
        (run,) = reader.feed(publish("t/1", payload, pid=pid, said=said))
        assert isinstance(run, PublishRun)
        assert (run.topic, run.kind, run.pids, run.payloads) == ("t/1", 0x32, [pid.to_bytes(2, "big")], [payload])
    assert reader.feed(b"") == []
    (fault,) = reader.feed(packet(0x32, text("t/1"), b"\0\0", b"\0" if version == 5 else b"", b"one"))
    assert isinstance(fault, Fault)
    assert fault.reason is Reason.PROTOCOL_ERROR  # packet identifier zero
