"""Downlinks: what a command may ask for, what network servers are asked, and what they say of it."""

import base64
import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codecs.lorawan.downlinks import (
    DownlinkInvalid,
    Place,
    Wish,
    encoded,
    encoding,
    event_of,
    key_of,
    message,
    place_of,
    queue_id,
    wish_of,
)

TTS = Place("the-things-stack", "v3/a@t/devices/d", "d", "sent")
CS = Place("chirpstack", "application/1/device/00a1", "00a1", "txack")
FRAME = {"f_port": 1, "f_cnt": 2, "correlation_ids": ["as:up:1", "holdfast:c1"], "confirmed": True}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("v3/a@t/devices/d/up", Place("the-things-stack", "v3/a@t/devices/d", "d", "up")),
        ("v3/a/devices/d/down/queued", Place("the-things-stack", "v3/a/devices/d", "d", "queued")),
        ("v3/a/devices/d/down/push", None),
        ("v3/a/devices/d/join", None),
        ("application/1/device/00a1/event/up", Place("chirpstack", "application/1/device/00a1", "00a1", "up")),
        ("application/1/device/00a1/event/join", None),
        ("application/1/device/00a1/rx", None),
        ("application/1/device/00a1/command/down", None),
        ("acme/room-1/telemetry", None),
    ],
)
def test_a_topic_says_whose_and_what_it_is(topic: str, place: Place | None) -> None:
    assert place_of(topic) == place


@given(st.binary(min_size=1, max_size=242), st.integers(1, 223), st.booleans())
def test_a_downlink_is_asked_for_as_each_server_has_it(payload: bytes, port: int, confirmed: bool) -> None:  # noqa: FBT001  # drawn
    said = base64.b64encode(payload).decode()
    params = {"f_port": port, "frm_payload": said, "confirmed": confirmed}
    wish = wish_of(json.dumps(params).encode())
    topic, body = message(TTS, wish, "c1")
    (one,) = json.loads(body)["downlinks"]
    assert topic == "v3/a@t/devices/d/down/push"
    assert one == params | {"priority": "NORMAL", "correlation_ids": ["holdfast:c1"]}
    topic, body = message(CS, wish, "c1")
    assert topic == "application/1/device/00a1/command/down"
    found = json.loads(body)
    assert str(UUID(found.pop("id"))) == key_of("chirpstack", "c1")
    assert found == {"devEui": "00a1", "fPort": port, "data": said, "confirmed": confirmed}


def test_what_replaces_the_queue_is_for_the_things_stack_alone() -> None:
    wish = wish_of(b'{"f_port":1,"frm_payload":"AQ==","replace":true}')
    assert message(TTS, wish, "c1")[0].endswith("/down/replace")
    with pytest.raises(DownlinkInvalid, match="leave `replace` out"):
        message(CS, wish, "c1")
    with pytest.raises(DownlinkInvalid, match="f_port"):
        message(CS, wish_of(b'{"decoded_payload":{}}'), "c1")


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_parameters_are_a_downlink_or_a_sentence(params: bytes) -> None:
    try:
        wish = wish_of(params)
    except DownlinkInvalid:
        return
    assert (wish.frm_payload is None) is not (wish.decoded_payload is None)


@given(st.dictionaries(st.sampled_from(["fPort", "bytes", "x"]), JSON, max_size=3), st.none() | st.integers(1, 223))
def test_what_a_script_returns_is_a_downlink_or_a_sentence(result: dict[str, Any], port: int | None) -> None:
    wish = Wish(f_port=port, decoded_payload={"a": 1})
    try:
        made = encoded(wish, result)
    except DownlinkInvalid:
        return
    assert made.frm_payload is not None
    assert list(base64.b64decode(made.frm_payload)) == result["bytes"]
    assert made.f_port == result.get("fPort", port)


def test_a_script_gets_the_object_and_the_port_if_one_is_asked_for() -> None:
    wish = Wish(decoded_payload={"open": True})
    assert json.loads(encoding(wish).input) == {"data": {"open": True}}
    assert json.loads(encoding(msgspec.structs.replace(wish, f_port=3)).input)["fPort"] == 3
    assert encoded(wish, {"fPort": 9, "bytes": [1, 255]}).frm_payload == "Af8="


@pytest.mark.parametrize(
    ("word", "body", "end"),
    [
        ("queued", {"downlink_queued": FRAME}, None),
        ("sent", {"downlink_sent": FRAME}, None),
        ("sent", {"downlink_sent": FRAME | {"confirmed": False}}, True),
        ("ack", {"downlink_ack": FRAME}, True),
        ("nack", {"downlink_nack": FRAME}, False),
        ("failed", {"downlink_failed": {"downlink": FRAME, "error": {"name": "x"}}}, False),
    ],
)
def test_the_things_stacks_events_end_a_downlink_or_tell_that_it_is_on_its_way(
    word: str,
    body: dict[str, Any],
    end: bool | None,  # noqa: FBT001  # a column
) -> None:
    event = event_of(TTS._replace(event=word), json.dumps(body).encode())
    assert event is not None
    assert (event.key, event.word, event.end) == ("c1", word, end)
    foreign = json.loads(json.dumps(body).replace("holdfast:", "somebody:"))
    assert event_of(TTS._replace(event=word), json.dumps(foreign).encode()) is None


def test_chirpstacks_events_name_the_item_and_an_error_of_another_is_nobodys() -> None:
    key = queue_id("c1")
    sent = json.dumps({"queueItemId": key, "fCntDown": 5}).encode()
    for confirmed, end in ((False, True), (True, None)):
        event = event_of(CS, sent, confirmed=confirmed)
        assert event is not None
        assert (event.key, event.end) == (key, end)
    log = {"level": "ERROR", "code": "X", "description": "y", "context": {}}
    assert event_of(CS._replace(event="log"), json.dumps(log).encode()) is None
    assert event_of(CS, b'{"queueItemId": ""}') is None


def test_ids_that_are_uuids_stay_what_they_are() -> None:
    assert queue_id("0b8e6f6a4f0f4d0f9a4e3a8c2f1d7e55") == "0b8e6f6a-4f0f-4d0f-9a4e-3a8c2f1d7e55"
    assert queue_id("c1") == queue_id("c1") != queue_id("c2")


@given(
    st.sampled_from([TTS, TTS._replace(event="failed"), CS, CS._replace(event="ack"), CS._replace(event="log")]),
    st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_no_event_makes_more_than_nothing_of_itself(place: Place, payload: bytes) -> None:
    event = event_of(place, payload)
    assert event is None or event.key


@given(st.data())
def test_an_event_with_bytes_changed_is_read_or_nothing(data: st.DataObject) -> None:
    for place, said in ((TTS, {"downlink_sent": FRAME}), (CS, {"queueItemId": queue_id("c1"), "fCntDown": 5})):
        body = bytearray(json.dumps(said).encode())
        for _ in range(data.draw(st.integers(1, 4))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        event = event_of(place, bytes(body))
        assert event is None or event.key
