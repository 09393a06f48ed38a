"""Bodies of posts: read whole or refused with a sentence, whatever bytes they are."""

import base64
import contextlib
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.broker.settings import filter_fault
from holdfast.adapters.http import envelope, influx, webhooks
from holdfast.adapters.http.envelope import Message
from holdfast.adapters.http.errors import (
    BodyInvalid,
    BodyTooLarge,
    HttpIntakeError,
    KindUnknown,
    TopicUnusable,
)
from holdfast.adapters.http.unpacking import unpacked
from holdfast.identity.apps import AppSettings
from holdfast.kernel.documents import load

TTS = {
    "end_device_ids": {
        "device_id": "room-1",
        "application_ids": {"application_id": "site"},
        "dev_eui": "0004A30B001C0530",
    },
    "uplink_message": {"f_port": 2, "frm_payload": "AQ=="},
}
CHIRPSTACK = {"deviceInfo": {"applicationId": "17c8", "devEui": "0004a30b001c0530"}, "data": "AQ=="}
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="+#\0$"), min_size=1, max_size=40)
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "": bytes,
    "identity": bytes,
}


@given(
    st.lists(st.tuples(TOPICS, st.binary(max_size=50)), min_size=1, max_size=20), st.sampled_from(["array", "lines"])
)
def test_every_message_of_a_batch_comes_out_in_order(messages: list[tuple[str, bytes]], shape: str) -> None:
    entries = [{"topic": topic, "payload_base64": base64.b64encode(said).decode()} for topic, said in messages]
    body = json.dumps(entries) if shape == "array" else "\r\n\n".join(map(json.dumps, entries))
    assert envelope.messages_of(body.encode()) == [Message(*one) for one in messages]


def test_a_payload_is_handed_on_as_it_is_written() -> None:
    first = b'[{"topic":"a","payload":{"t": 1.50, "n":1e400}},'
    body = first + b'{"topic":"b","payload_text":"x 1\\n"},{"topic":"c","payload":null}]'
    assert envelope.messages_of(body) == [("a", b'{"t": 1.50, "n":1e400}'), ("b", b"x 1\n"), ("c", b"null")]
    assert envelope.lines_of(b'{"a":1}\r\n\n {"a":2} \n') == [b'{"a":1}', b' {"a":2} ']


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (b"", BodyInvalid, "empty"),
        (b"temp=1", BodyInvalid, "neither a JSON array nor an object a line"),
        (b'[{"topic":"a"}]', BodyInvalid, "message 0 needs exactly one of payload"),
        (b'[{"topic":"a","payload":1,"payload_text":"1"}]', BodyInvalid, "exactly one"),
        (b'[{"topic":"a","payload_base64":"?"}]', BodyInvalid, "no base64"),
        (b'{"topic":"a","payload":1}\n{"topic":"a","paylod":1}', BodyInvalid, "line 2 can't be read"),
        (b'[{"topic":"a/+","payload":1}]', TopicUnusable, "message 0: a topic has no"),
        (b'[{"topic":"$SYS/x","payload":1}]', TopicUnusable, "node's own"),
        (b'[{"topic":"","payload":1}]', TopicUnusable, "empty"),
        (b'[{"topic":"%s","payload":1}]' % (b"x" * 1025), TopicUnusable, "1025 bytes"),
        (b'{"topic":"a","payload":1}\n' * 10_001, BodyTooLarge, "over 10000 messages"),
        (b"[" + b",".join([b'{"topic":"a","payload":1}'] * 10_001) + b"]", BodyTooLarge, "10001 messages"),
        (b"[" * 100_000, BodyInvalid, "can't be read"),
    ],
)
def test_what_is_wrong_with_a_batch_is_said(body: bytes, error: type[HttpIntakeError], said: str) -> None:
    with pytest.raises(error, match=said):
        envelope.messages_of(body)


@given(
    st.binary(max_size=300)
    | st.sampled_from([json.dumps(TTS), json.dumps(CHIRPSTACK), '[{"topic":"a"}]']).map(str.encode)
)
def test_no_bytes_make_a_reader_of_bodies_do_anything_but_read_or_refuse(body: bytes) -> None:
    readers: list[Callable[[bytes], object]] = [
        envelope.messages_of,
        webhooks.the_things,
        lambda said: webhooks.chirpstack(said, "up"),
        lambda said: influx.messages_of("influx/ns/x", said),
        *(partial(unpacked, encoding=name, most=1_000) for name in PACKERS),
    ]
    for read in readers:
        with contextlib.suppress(HttpIntakeError):
            read(body)


@given(st.data())
def test_a_webhook_with_any_bytes_changed_is_read_or_refused(data: st.DataObject) -> None:
    for said, read in ((TTS, webhooks.the_things), (CHIRPSTACK, lambda body: webhooks.chirpstack(body, "up"))):
        body = bytearray(json.dumps(said).encode())
        for _ in range(data.draw(st.integers(1, 4))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(HttpIntakeError):
            assert read(bytes(body)).payload == bytes(body)


def test_webhooks_go_where_the_network_server_would_have_published() -> None:
    body = json.dumps(TTS).encode()
    assert webhooks.the_things(body) == ("v3/site/devices/room-1/up", body)
    assert webhooks.the_things(body, "ttn").topic == "v3/site@ttn/devices/room-1/up"
    acked = {"end_device_ids": TTS["end_device_ids"], "downlink_ack": {"f_port": 1}}
    assert webhooks.the_things(json.dumps(acked).encode()).topic == "v3/site/devices/room-1/down/ack"
    body = json.dumps(CHIRPSTACK).encode()
    assert webhooks.chirpstack(body, "up") == ("application/17c8/device/0004a30b001c0530/event/up", body)
    older = b'{"applicationID": "3", "devEUI": "AAAAAAAAAAE=", "data": "AQ=="}'
    assert webhooks.chirpstack(older, "up").topic == "application/3/device/AAAAAAAAAAE=/event/up"
    wrongs: list[dict[str, object]] = [
        {},
        {"end_device_ids": {}},
        {"end_device_ids": {"device_id": "a/b"}, "uplink_message": {}},
    ]
    for wrong in wrongs:
        with pytest.raises(HttpIntakeError):
            webhooks.the_things(json.dumps(wrong).encode())
    with pytest.raises(BodyInvalid, match="none of ChirpStack's"):
        webhooks.chirpstack(body, "down")
    with pytest.raises(TopicUnusable, match="doesn't say of which device"):
        webhooks.chirpstack(b'{"deviceInfo": {"devEui": "1"}}', "up")


LINES = st.lists(
    st.sampled_from(
        ["a,host=x v=1 1", 'a,host=x t="two\nlines \\" here" 2', "", "# note", 'b,host=x t="a\\\\",n=2i 3']
    ),
    min_size=1,
)


@given(LINES, st.integers(1, 5))
def test_lines_are_cut_between_records_and_nothing_is_lost(lines: list[str], copies: int) -> None:
    body = "\n".join(lines * copies * 30).encode()
    if not body.strip():
        return
    pieces = [one.payload for one in influx.messages_of("influx/ns/x", body)]
    whole = b"\n".join(pieces).split(b"\n")
    assert [line for line in whole if line.strip()] == [line for line in body.split(b"\n") if line.strip()]
    for piece in pieces:
        assert (piece.replace(b"\\\\", b"").replace(b'\\"', b"").count(b'"')) % 2 == 0
        assert piece.count(b"\n") < 2 * influx.MOST_LINES


def test_lines_go_to_a_topic_by_precision_and_bucket() -> None:
    assert influx.topic_of("plant", "") == "influx/ns/plant"
    assert influx.topic_of("plant/autogen", "u") == "influx/us/plant/autogen"
    with pytest.raises(BodyInvalid, match="precision 'h'"):
        influx.topic_of("plant", "h")
    for bucket in ("", "a+b"):
        with pytest.raises(TopicUnusable):
            influx.topic_of(bucket, "ms")
    with pytest.raises(BodyTooLarge, match="a line has"):
        influx.messages_of("influx/ns/x", b"a v=1\na v=" + b"1" * (129 << 10))
    with pytest.raises(BodyInvalid, match="UTF-8"):
        influx.messages_of("influx/ns/x", b"\xff")
    assert len(influx.messages_of("influx/ns/x", b"a v=1\n" * 1_000)) == 10


@given(st.binary(max_size=2_000), st.sampled_from(list(PACKERS)))
def test_packed_bodies_come_out_as_they_were_or_are_too_large(body: bytes, encoding: str) -> None:
    packed = PACKERS[encoding](body)
    assert unpacked(packed, encoding.upper(), 2_000) == body
    if encoding in ("gzip", "deflate", "zstd"):
        with pytest.raises(BodyInvalid):
            unpacked(packed[:-1], encoding, 2_000)
        if len(body) > 1:
            with pytest.raises(BodyTooLarge):
                unpacked(packed, encoding, len(body) - 1)


def test_members_on_end_are_one_body_and_other_packings_are_refused() -> None:
    assert unpacked(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 2) == b"ab"
    with pytest.raises(BodyTooLarge):
        unpacked(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 1)
    for name in ("br", "gzip, gzip", "x" * 1_000):
        with pytest.raises(KindUnknown, match="aren't taken"):
            unpacked(b"", name, 1)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_costs_little_more_than_the_bound(encoding: str) -> None:
    bomb = PACKERS[encoding](bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        unpacked(bomb, encoding, 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_the_sample_is_an_application_that_may_send() -> None:
    sample = Path(envelope.__file__).parent / "sample.yaml"
    app = load(sample, AppSettings).value
    assert app.intake == ("meters/#", "influx/ns/plant")
    assert [filter_fault(one) for one in app.intake] == ["", ""]
