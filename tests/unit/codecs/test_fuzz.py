"""Nothing from outside may raise, hang or take memory without bound, whatever the format."""

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import cbor2
import msgspec
import pytest
from google.protobuf import descriptor_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reject import RejectReason
from holdfast.model.series import Catalogue

pytestmark = pytest.mark.timeout(120)  # thousands of decoders of all profiles, on a machine that may be busy
NOW = 1_795_187_068_000_000_000
MIB = 2**20
OWN = """
profiles:
  cbor: {topic: 'cbor/{device}', format: cbor, unknown: name}
  cbor-fields:
    topic: cborf/{device}
    format: cbor
    fields: {t: {metric: t, optional: true}, a.b: {metric: ab, type: int, optional: true}}
  msgpack: {topic: 'mp/{device}', format: msgpack, unknown: name}
  msgpack-fields: {topic: 'mpf/{device}', format: msgpack, fields: {t: {metric: t, optional: true}}}
  csv: {topic: 'csv/{device}', format: csv, unknown: name}
  influx: {topic: 'influx/{device}', format: influx}
  influx-tag: {topic: 'influxt/x', format: influx, device: host}
  senml: {topic: 'senml/{device}', format: senml}
  binary:
    topic: bin/{device}
    format: binary
    unknown: name
    binary:
      - at_least: 4
        fields: {t: {at: 0, type: i16}, b: {at: 2, type: u16, bits: '3-9'}, f: {at: -4, type: f32}}
  protobuf:
    topic: pb/{device}
    format: protobuf
    unknown: name
    protobuf: {descriptors: self.pb, message: google.protobuf.FileDescriptorProto}
  text: {topic: 'text/{device}/{what}', format: text, name: '{what}'}
"""
TOPICS = (
    "cbor/a",
    "cborf/a",
    "mp/a",
    "mpf/a",
    "csv/a",
    "influx/a",
    "influxt/x",
    "senml/a",
    "bin/a",
    "pb/a",
    "cayenne/a",
    "v3/a/devices/b/up",
    "text/a/t",
    "zigbee2mqtt/a/b",
    "zigbee2mqtt/bridge/devices",
    "tele/a/SENSOR",
    "ruuvi/g/b",
    "shellies/a/relay/0",
    "a/status/switch:0",
    "spBv1.0/g/NBIRTH/n",
    "spBv1.0/g/NDATA/n",
    "spBv1.0/g/DDATA/n/d",
    "homie/5/a/$description",
    "homie/5/a/n/p",
    "homie/a/n/p/$unit",
    "opc/a",
    "$aws/things/a/shadow/update",
    "devices/a/twin",
    "homeassistant/sensor/a/config",
    "a/sensor/b/state",
)


class Stock(list[Profile]):
    """All profiles, which Hypothesis needn't print."""

    def __repr__(self) -> str:
        return "all profiles"


def all_profiles(folder: Path) -> Stock:
    """Every format and preset; `folder` takes the files that they need."""
    files = descriptor_pb2.FileDescriptorSet()
    descriptor_pb2.DESCRIPTOR.CopyToProto(files.file.add())
    (folder / "self.pb").write_bytes(files.SerializeToString())
    (folder / "own.yaml").write_text(OWN)
    clashing = ("senml", "rooms", "host")  # senml/+ is ours here
    shipped = [file for file in sorted(BUILTIN.glob("*.yaml")) if file.stem not in clashing]
    return Stock(load_profiles([folder / "own.yaml", *shipped]))


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    return all_profiles(tmp_path_factory.mktemp("profiles"))


def decode_all(profiles: Stock, payload: bytes) -> None:
    decoder = Decoder(profiles, Catalogue(), "gw")
    for topic in TOPICS:
        decoded = decoder.decode([Run(topic, [payload, payload], NOW)])
        assert len(decoded.rejected) <= 2
        assert RejectReason.NO_PROFILE not in [r.reason for r in decoded.rejected]
        assert all(len(r.detail) <= 200 for r in decoded.rejected)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20)
names = st.sampled_from(
    ["n", "v", "bn", "bt", "t", "u", "Time", "data", "Payload", "Messages", "state", "a", ""]
) | st.text(max_size=5)
objects = st.recursive(
    scalars, lambda below: st.lists(below, max_size=4) | st.dictionaries(names, below, max_size=4), max_leaves=12
)
own_settings = settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)


@own_settings
@given(payload=st.binary(max_size=200))
def test_any_bytes_are_readings_or_a_refusal(profiles: Stock, payload: bytes) -> None:
    decode_all(profiles, payload)


@own_settings
@given(value=objects)
def test_any_object_is_readings_or_a_refusal(profiles: Stock, value: Any) -> None:
    decode_all(profiles, json.dumps(value, default=lambda b: b.hex()).encode())
    decode_all(profiles, cbor2.dumps(value))
    try:
        packed = msgspec.msgpack.encode(value)
    except OverflowError:
        return
    decode_all(profiles, packed)


@own_settings
@given(text=st.text(alphabet=st.sampled_from(list('ab,= "\\\n\r#1.5eitfu-+\x00é')), max_size=60))
def test_any_line_is_readings_or_a_refusal(profiles: Stock, text: str) -> None:
    decode_all(profiles, text.encode())


metrics = st.builds(
    lambda name, alias, time, type_, number, null: (name, alias, time, type_, number, null),
    st.none() | st.text(max_size=5), st.none() | st.integers(0, 5), st.none() | st.integers(0, 2**64 - 1),
    st.integers(0, 40), st.integers(0, 2**64 - 1), st.booleans(),
)  # fmt: skip


@own_settings
@given(birth=st.lists(metrics, max_size=5), data=st.lists(metrics, max_size=5))
def test_any_sparkplug_metrics_are_readings_or_a_refusal(profiles: Stock, birth: list[Any], data: list[Any]) -> None:
    decoder = Decoder(profiles, Catalogue(), "gw")
    for kind, said in (("NBIRTH", birth), ("NDATA", data)):
        payload = PAYLOAD()
        for name, alias, when, type_, number, null in said:
            metric = payload.metrics.add(datatype=type_, long_value=number, is_null=null)
            if name is not None:
                metric.name = name
            if alias is not None:
                metric.alias = alias
            if when is not None:
                metric.timestamp = when
        decoder.decode([Run(f"spBv1.0/g/{kind}/n", [payload.SerializeToString()], NOW)])


def _nested_protobuf(levels: int) -> bytes:
    inner = b""
    for _ in range(levels):  # DescriptorProto.nested_type = 3, within FileDescriptorProto.message_type = 4
        head = b"\x1a"
        size, length = len(inner), b""
        while size > 127:
            length += bytes((size & 127 | 128,))
            size >>= 7
        inner = head + length + bytes((size,)) + inner
    return inner


def _colliding(count: int) -> bytes:
    """Pairs of a map whose keys, big numbers, have one hash: multiples of CPython's modulus."""
    return b"".join(b"\xc2\x4a" + (i * (2**61 - 1)).to_bytes(10, "big") + b"\x01" for i in range(1, count + 1))


HUGE = "9" * 400


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("opc/a", f'{{"Messages": [{{"Payload": {{"x": {{"Value": {HUGE}}}}}}}]}}'),
        ("opc/a", f'{{"Messages": [{{"Payload": {{"x": {{"Value": -{HUGE}}}}}}}]}}'),
        ("senml/a", f'[{{"n": "a", "v": {HUGE}}}]'),
        ("tele/a/SENSOR", f'{{"x": {{"Temperature": {HUGE}}}}}'),
        ("cbor/a", "{}"),
    ],
)
def test_a_whole_number_beyond_float64_is_refused(profiles: Stock, topic: str, payload: str) -> None:
    """JSON's and CBOR's whole numbers have no end: one went through to the columns, and ended the node's intake."""
    raw = cbor2.dumps({"x": int(HUGE)}) if topic == "cbor/a" else payload.encode()
    decoded = Decoder(profiles, Catalogue(), "gw").decode([Run(topic, [raw], NOW)])
    assert [r.reason for r in decoded.rejected] in ([RejectReason.NOT_A_NUMBER], [RejectReason.WRONG_TYPE])


BOMBS = {
    "json arrays": b"[" * 250_000,
    "json objects": b'{"a":' * 50_000,
    "json closed": b"[" * 100_000 + b"]" * 100_000,
    "cbor arrays": b"\x81" * 250_000,
    "cbor endless": b"\x9f" * 250_000,
    "cbor huge array": b"\x9b\x00\x00\x00\x0f\xff\xff\xff\xff",
    "cbor huge text": b"\x7b\x00\x00\x00\x0f\xff\xff\xff\xff",
    "cbor huge map": b"\xbb\x00\x00\x00\x0f\xff\xff\xff\xff",
    "cbor tags": b"\xc1" * 250_000,
    "cbor big exponent": bytes.fromhex("c4821b7fffffffffffffff01"),
    "cbor big float": bytes.fromhex("c5821a3b9aca0003"),
    "cbor rational": bytes.fromhex("d81e82c2590100") + b"\xff" * 256 + b"\x01",
    "cbor shared": bytes.fromhex("d81c82d81d00d81d00"),
    "cbor colliding keys": b"\xb9\x12\x00" + _colliding(0x1200),
    "cbor many colliding keys": b"\xb9\x50\x00" + _colliding(0x5000),
    "cbor big number": b"\xc2\x5a\x00\x03\x00\x00" + b"\xff" * 196_608,
    "msgpack arrays": b"\x91" * 250_000,
    "msgpack maps": b"\x81\xa1a" * 80_000,
    "msgpack huge array": b"\xdd\xff\xff\xff\xff",
    "msgpack huge map": b"\xdf\xff\xff\xff\xff",
    "msgpack huge text": b"\xdb\xff\xff\xff\xff",
    "protobuf groups": b"\x0b" * 250_000,
    "protobuf nested": b"\x22" + _nested_protobuf(60)[1:],
    "protobuf deep": _nested_protobuf(2_000),
    "wide object": json.dumps({str(i): i for i in range(20_001)}).encode(),
    "many numbers": json.dumps([0] * 80_000).encode(),
    "long number": b'{"temperature":' + b"9" * 200_000 + b"}",
    "long text number": b"9" * 250_000,
    "csv quotes": b'"' * 250_000,
    "csv cells": b"," * 250_000,
    "influx backslashes": b"m," + b"\\" * 250_000,
    "influx tags": b"m," + b"a=b," * 60_000,
    "influx quote": b'm a="' + b'\\"' * 120_000,
    "influx lines": b"m a=1\n" * 40_000,
    "long name": b'{"' + b"a" * 250_000 + b'":1}',
    "opcua empties": b"[" + b"{}," * 60_000 + b"{}]",
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_within_a_second_and_bounded_memory(profiles: Stock, bomb: bytes) -> None:
    decoder = Decoder(profiles, Catalogue(), "gw")
    for topic in TOPICS:
        tracemalloc.start()
        start = time.thread_time()  # not the wall's: others work on this machine, too
        decoder.decode([Run(topic, [bomb], NOW)])
        took = time.thread_time() - start
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert took < 3.0, topic  # tracemalloc alone triples it
        assert peak < 100 * MIB, topic
