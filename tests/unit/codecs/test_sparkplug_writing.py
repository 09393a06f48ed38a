"""Writing Sparkplug metrics: what is sent is of the birth's types; what comes back is compared as its type holds it."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codecs.formats.sparkplug import metric_value, parsed
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.formats.sparkplug_sessions import Birth
from holdfast.codecs.formats.sparkplug_writing import (
    Scalar,
    Where,
    WriteInvalid,
    command,
    is_same,
    rebirth,
    said_of,
    wanted_of,
    where_of,
)

RANGES = {1: (-128, 127), 2: (-(2**15), 2**15 - 1), 3: (-(2**31), 2**31 - 1), 4: (-(2**63), 2**63 - 1)}
RANGES |= {5: (0, 255), 6: (0, 2**16 - 1), 7: (0, 2**32 - 1), 8: (0, 2**64 - 1), 13: (0, 2**64 - 1)}
DATA = Where("spBv1.0", "DDATA", ("g", "n"), "d")
VALUES: st.SearchStrategy[tuple[int, Scalar]] = st.one_of(
    *(st.tuples(st.just(type_), st.integers(*ends)) for type_, ends in RANGES.items()),
    st.tuples(st.just(9), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(10), st.floats(allow_nan=False, allow_infinity=False)),
    st.tuples(st.just(11), st.booleans()),
    st.tuples(st.sampled_from([12, 14]), st.text(st.characters(codec="utf-8"), max_size=20)),
)


def birth(type_: int, alias: int | None = None) -> Birth:
    return Birth({} if alias is None else {alias: "m"}, {"m": type_}, {})


@given(VALUES, st.none() | st.integers(0, 2**32))
def test_every_value_of_every_type_arrives_as_it_was_written(case: tuple[int, Scalar], alias: int | None) -> None:
    type_, value = case
    known = birth(type_, alias)
    payload = command({"m": value}, known, 1_000, "g:n:d")
    (metric,) = parsed(payload).metrics
    assert (metric.HasField("name"), metric.HasField("alias")) == (alias is None, alias is not None)
    assert metric_value(metric, type_)[0] == value
    said = said_of(DATA, payload, known)
    assert said is not None
    (report,) = said.reports
    assert (report.metric, report.at_ms) == ("m", 1_000)
    assert is_same(value, report.value, type_)


@pytest.mark.parametrize("type_", sorted(RANGES))
def test_a_number_beyond_its_type_is_refused(type_: int) -> None:
    low, high = RANGES[type_]
    wrongs: list[Scalar] = [low - 1, high + 1, 0.5, math.inf, "1", True]
    for value in wrongs:
        with pytest.raises(WriteInvalid, match="isn't"):
            command({"m": value}, birth(type_), 0, "g:n:d")
    assert command({"m": 1.0}, birth(type_), 0, "g:n:d") == command({"m": 1}, birth(type_), 0, "g:n:d")


@pytest.mark.parametrize(
    ("type_", "value"),
    [(9, 1e39), (9, 10**400), (10, 10**400), (9, "x"), (10, math.nan), (11, 1), (12, 1), (16, 1), (0, 1)],
)
def test_a_value_of_another_type_is_refused(type_: int, value: Scalar) -> None:
    with pytest.raises(WriteInvalid, match="is of type"):
        command({"m": value}, birth(type_), 0, "g:n:d")


def test_a_metric_that_no_birth_named_is_refused_with_those_that_one_did() -> None:
    with pytest.raises(WriteInvalid, match=r"g:n:d has no metric `x`; its birth named m"):
        command({"x": 1}, birth(3), 0, "g:n:d")
    for params in (b"{}", b"[]", b'{"m": null}', b'{"m": [1]}', b"{", b"\xff"):
        with pytest.raises(WriteInvalid):
            wanted_of(params)
    assert wanted_of(b'{"m": 1, "n": "x"}') == {"m": 1, "n": "x"}


def test_single_precision_counts_as_the_same_and_other_numbers_dont() -> None:
    assert is_same(21.3, struct.unpack("f", struct.pack("f", 21.3))[0], 9)
    assert not is_same(21.3, 21.4, 9)
    assert not is_same(21.3, struct.unpack("f", struct.pack("f", 21.3))[0], 10)
    assert not is_same(True, 1, 11)
    assert not is_same(1, None, 3)
    assert is_same(5.0, 5, 3)
    assert not is_same(1e39, 1.0, 9)
    assert not is_same(10**400, 1.0, 9)


def test_topics_tell_nodes_from_devices_and_commands_are_nobodys() -> None:
    node = where_of("spBv1.0/g/NBIRTH/n")
    assert node is not None
    assert (node.address, node.command_topic) == ("g:n", "spBv1.0/g/NCMD/n")
    device = where_of("spBv1.0/g/DDATA/n/d")
    assert device is not None
    assert (device.address, device.command_topic) == ("g:n:d", "spBv1.0/g/DCMD/n/d")
    for topic in ("spBv1.0/g/NCMD/n", "spBv1.0/g/DDATA/n", "spBv1.0/g/NDATA/n/d", "spBv1.0/STATE/x", "a/b"):
        assert where_of(topic) is None


def test_a_birth_brings_its_metrics_and_historical_values_are_no_report() -> None:
    payload = PAYLOAD(timestamp=5)
    payload.metrics.add(name="m", alias=3, datatype=3, int_value=7)
    payload.metrics.add(name="old", datatype=3, int_value=7, is_historical=True)
    payload.metrics.add(name="bdSeq", datatype=8, long_value=4)
    where = where_of("spBv1.0/g/NBIRTH/n")
    assert where is not None
    said = said_of(where, payload.SerializeToString(), None)
    assert said is not None
    assert said.birth is not None
    assert (said.birth.names, said.bd_seq) == ({3: "m"}, 4)
    assert [one.metric for one in said.reports] == ["m", "bdSeq"]
    assert said_of(DATA, rebirth(1), birth(3)) is None  # a metric that the birth didn't name


@given(st.binary(max_size=80), st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH"]))
def test_no_bytes_are_more_than_nothing(payload: bytes, kind: str) -> None:
    said = said_of(DATA._replace(kind=kind), payload, birth(3, 1))
    assert said is None or isinstance(said.reports, tuple)


@given(st.data(), VALUES)
def test_a_message_with_bytes_changed_is_read_or_nothing(data: st.DataObject, case: tuple[int, Scalar]) -> None:
    payload = bytearray(command({"m": case[1]}, birth(case[0], 1), 1_000, "g:n:d"))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    said = said_of(DATA, bytes(payload), birth(case[0], 1))
    assert said is None or isinstance(said.reports, tuple)
