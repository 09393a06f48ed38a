"""A broker's bytes as a client reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.broker.errors import BrokerFaulted, BrokerRefused
from holdfast.adapters.broker.packets import Granted, Hello, Pong, Welcome, acks, connect, publish, subscribe
from holdfast.adapters.broker.reader import Chunk, ClientReader, Item
from holdfast.adapters.mqtt.reader import AckRun

V311, V5 = 4, 5


def message(topic: str, payload: bytes, *, qos: int = 1, pid: int = 1, version: int = V5, dup: bool = False) -> bytes:
    name = topic.encode()
    body = len(name).to_bytes(2, "big") + name
    body += pid.to_bytes(2, "big") if qos else b""
    body += (b"\0" if version == V5 else b"") + payload
    assert len(body) < 128
    return bytes((0x30 | qos << 1 | 8 * dup, len(body))) + body


def gathered(items: list[Item]) -> list[tuple[str, int, bytes, bytes]]:
    """(topic, QoS, identifier, payload) of every message, by topic."""
    return sorted(
        (run.topic, run.qos, pid, payload)
        for item in items
        if isinstance(item, Chunk)
        for run in item.runs.values()
        for pid, payload in zip(run.pids or [b""] * len(run.payloads), run.payloads, strict=True)
    )


def test_interleaved_topics_become_one_run_each_and_keep_their_order() -> None:
    stream = b"".join(message(f"d/{n % 3}", b"%d" % n, pid=n + 1) for n in range(9))
    (chunk,) = ClientReader(V5, 1000).feed(stream)
    assert isinstance(chunk, Chunk)
    assert {run.topic: run.payloads for run in chunk.runs.values()} == {
        "d/0": [b"0", b"3", b"6"],
        "d/1": [b"1", b"4", b"7"],
        "d/2": [b"2", b"5", b"8"],
    }
    assert chunk.acks == [n.to_bytes(2, "big") for n in range(1, 10)]


@given(st.lists(st.integers(1, 40), max_size=30), st.sampled_from([V311, V5]))
def test_however_the_stream_is_cut_the_messages_are_the_same(cuts: list[int], version: int) -> None:
    stream = b"".join(message(f"d/{n % 4}", b"x" * (n % 7), qos=n % 3, pid=n + 1, version=version) for n in range(20))
    whole = ClientReader(version, 1000).feed(stream)
    reader, items, at = ClientReader(version, 1000), list[Item](), 0
    for cut in cuts:
        items += reader.feed(stream[at : at + cut])
        at += cut
    items += reader.feed(stream[at:])
    assert gathered(items) == gathered(whole)
    assert len(gathered(whole)) == 20


def test_properties_are_passed_over() -> None:
    body = b"\0\x01t" + b"\0\x07" + b"\x05\x02\0\0\0\x3c" + b"payload"
    (chunk,) = ClientReader(V5, 1000).feed(bytes((0x32, len(body))) + body)
    assert isinstance(chunk, Chunk)
    assert [run.payloads for run in chunk.runs.values()] == [[b"payload"]]


def test_a_repeat_joins_the_run_of_its_topic() -> None:
    (chunk,) = ClientReader(V5, 1000).feed(message("t", b"a", pid=1) + message("t", b"b", pid=2, dup=True))
    assert isinstance(chunk, Chunk)
    assert [run.payloads for run in chunk.runs.values()] == [[b"a", b"b"]]


def test_acknowledgements_of_one_kind_are_one_run() -> None:
    items = ClientReader(V5, 1000).feed(acks(4, [b"\0\1", b"\0\2"]) + acks(6, [b"\0\3"]) + b"\xd0\0")
    assert [(type(i), getattr(i, "kind", 0), getattr(i, "pids", [])) for i in items] == [
        (AckRun, 4, [b"\0\1", b"\0\2"]),
        (AckRun, 6, [b"\0\3"]),
        (Pong, 0, []),
    ]


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"\x32\x05\0\x01t\0\0", "identifier"),
        (b"\x32\x07\0\x01t\0\x01\x05\x02", "field"),
        (b"\x30\x04\0\x01\xff\0", "UTF-8"),
        (b"\x30\x05\0\x09tt\0", "header"),
        (b"\x10\0", "type 1"),
        (b"\x32\xff\xff\xff\xff\x01", "four bytes"),
        (b"\x32\xff\x7f", "at most 1000"),
    ],
)
def test_bytes_that_are_no_mqtt_are_a_fault_that_says_what_is_wrong(stream: bytes, words: str) -> None:
    with pytest.raises(BrokerFaulted, match=words):
        ClientReader(V5, 1000).feed(stream)


def test_a_welcome_names_the_brokers_limits() -> None:
    (item,) = ClientReader(V5, 1000).feed(b"\x20\x0b\x01\0\x08\x21\0\x14\x27\0\0\x10\0")
    assert item == Welcome(present=True, receive_maximum=20, maximum_packet=4096)


@pytest.mark.parametrize(
    ("version", "stream", "words"),
    [
        (V5, b"\x20\x03\0\x86\0", "user name or password"),
        (V311, b"\x20\x02\0\x05", "not authorised"),
        (V5, b"\x20\x02\0\x01", "version: v3.1.1"),
        (V5, b"\xe0\x01\x8e", "client_id"),
    ],
)
def test_a_refusal_says_what_to_change(version: int, stream: bytes, words: str) -> None:
    reader = ClientReader(version, 1000)
    if stream[0] == 0xE0:
        (goodbye,) = reader.feed(stream)
        assert getattr(goodbye, "reason", 0) == 0x8E
        return
    with pytest.raises(BrokerRefused, match=words):
        reader.feed(stream)


def test_connect_subscribe_and_publish_look_as_the_standard_wants_them() -> None:
    hello = Hello(V5, "me", 30, "u", b"p", session_expiry_s=60, receive_maximum=9)
    assert connect(hello) == (b"\x10\x1d\0\x04MQTT\x05\xc0\0\x1e\x08\x11\0\0\0\x3c\x21\0\x09\0\x02me\0\x01u\0\x01p")
    assert connect(Hello(V311, "me", 30)) == b"\x10\x0e\0\x04MQTT\x04\x02\0\x1e\0\x02me"
    assert subscribe(V311, 1, [("a/#", 1)]) == b"\x82\x08\0\x01\0\x03a/#\x01"
    assert publish(V5, b"\0\x01t", b"\0\x02", b"hi") == b"\x32\x08\0\x01t\0\x02\0hi"


def test_what_was_granted_is_read_in_both_versions() -> None:
    assert ClientReader(V311, 99).feed(b"\x90\x04\0\x01\x01\x80") == [Granted(b"\0\x01", (1, 0x80))]
    assert ClientReader(V5, 99).feed(b"\x90\x04\0\x01\0\x02") == [Granted(b"\0\x01", (2,))]
