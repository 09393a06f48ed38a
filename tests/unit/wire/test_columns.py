from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec.structs import replace
from tests.events import alert
from tests.messages import message

from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.wire.columns import Content, decode, encode_events, encode_messages, encode_readings
from holdfast.wire.errors import WireError
from holdfast.wire.messages import BatchHeader, Limits
from holdfast.wire.numbers import group_rows, unpack_numbers
from holdfast.wire.packing import Unpacker

CHAIN = bytes(range(16))
LIMITS = Limits()


def header(sizes: list[int], first: int = 1, **more: object) -> BatchHeader:
    bounds = tuple((first - 1 + np.cumsum(sizes)).tolist())
    plain = BatchHeader(
        session=1,
        lane=Lane.BULK,
        first=first,
        last=bounds[-1],
        chain_before=CHAIN,
        chain=CHAIN,
        kind="readings",
        bounds=bounds,
    )
    return replace(plain, **more)


def batch(series: list[int], ts: list[int], value: list[float], texts: tuple[str, ...] = ()) -> Batch:
    n = len(series)
    return Batch(
        np.array(series, np.int32),
        np.array(ts, np.int64),
        np.array(value, np.float64),
        np.zeros(n, np.uint8),
        texts,
    )


def assert_same_bits(sent: Batch, got: Batch) -> None:
    for a, b in ((sent.series, got.series), (sent.ts, got.ts), (sent.value, got.value), (sent.quality, got.quality)):
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()
    assert sent.texts == got.texts


DECIMALS = st.integers(-(10**6), 10**6).map(lambda n: n / 100)
# Up to 9 float64s away from a decimal; 7 is the most that is written so.
BESIDE = st.tuples(DECIMALS, st.integers(-9, 9)).map(
    lambda pair: float(np.int64(int(np.float64(pair[0]).view(np.int64)) + pair[1]).view(np.float64))
)
FLOATS = st.one_of(DECIMALS, st.floats(), st.sampled_from([0.0, -0.0, float("nan"), float("inf"), -float("inf")]))
# NaNs with payloads, denormals, everything: any 64 bits
PATTERNS = st.integers(0, 2**64 - 1).map(lambda n: float(np.uint64(n).view(np.float64)))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    n = draw(st.integers(1, 40))
    ids = draw(st.sampled_from([3, 500, 2**31 - 1]))
    times = draw(st.sampled_from([(0, 5), (1_700_000_000_000, 1_700_000_001_000), (-(2**63), 2**63 - 1)]))
    step = 1_000_000 if times[1] < 2**40 and times[1] > 5 else 1
    values = draw(st.sampled_from([DECIMALS, BESIDE, FLOATS, PATTERNS, st.sampled_from([22.2, 1 / 3, 2 / 3])]))
    return Batch(
        np.array(draw(st.lists(st.integers(0, ids), min_size=n, max_size=n)), np.int32),
        np.array(draw(st.lists(st.integers(*times), min_size=n, max_size=n)), np.int64) * step,
        np.array(draw(st.lists(values, min_size=n, max_size=n)), np.float64),
        draw(hnp.arrays(np.uint8, n)) if draw(st.booleans()) else np.zeros(n, np.uint8),
        tuple(draw(st.lists(st.text(max_size=5), max_size=3))),
    )


@given(st.lists(batches(), min_size=1, max_size=4))
@example([batch([0, 1, 0, 1], [5, 5, 6, 6], [-0.0, 0.0, float("nan"), 22.37])])
@example([batch([7] * 3, [0, 0, 0], [1 / 3, 1 / 3, 1e300])])
@settings(max_examples=150, deadline=None)
def test_readings_come_back_bit_for_bit_in_their_groups(groups: list[Batch]) -> None:
    head = header([len(g) for g in groups])
    decoded = decode(encode_readings(head, groups), LIMITS)
    assert decoded.header == head
    assert len(decoded.readings) == len(groups)
    for sent, got in zip(groups, decoded.readings, strict=True):
        assert_same_bits(sent, got)


def sensors(messages: int = 1000, devices: int = 20) -> Batch:
    """Messages of four metrics each, devices interleaved, values moving slowly, ms timestamps."""
    rng = np.random.default_rng(7)
    device = rng.integers(0, devices, messages)
    walk = np.cumsum(rng.integers(-3, 4, (messages, 4)), axis=0) / 100 + 20
    ts = (1_700_000_000_000 + np.cumsum(rng.integers(0, 6, messages))) * 1_000_000
    return Batch(
        (device[:, None] * 4 + np.arange(4)).ravel().astype(np.int32),
        np.repeat(ts, 4),
        np.round(walk.ravel(), 2),
        np.zeros(4 * messages, np.uint8),
    )


def test_slowly_varying_sensor_data_costs_few_bytes_a_reading() -> None:
    rows = sensors(2000)
    body = encode_readings(header([len(rows)]), [rows])
    assert len(body) / len(rows) < 2.5
    assert_same_bits(rows, decode(body, LIMITS).readings[0])


def test_values_that_repeat_without_being_decimal_are_sent_as_ranks() -> None:
    celsius = [(f / 10 - 32) * 5 / 9 for f in (743, 744, 745, 744, 743, 742)] * 200
    rows = batch([0] * 1200, list(range(1200)), celsius)
    body = encode_readings(header([1200]), [rows])
    assert len(body) < 2000
    assert_same_bits(rows, decode(body, LIMITS).readings[0])


def test_decimals_that_were_added_up_cost_little_more_than_decimals() -> None:
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.integers(-90, 91, 2000)) / 1000 + 50
    summed = np.round(walk, 3) - 0.1 - 0.1 - 0.1
    assert len(np.unique(summed)) > 1000
    sizes = []
    for values in (np.round(walk, 3), summed):
        rows = batch([0] * 2000, list(range(2000)), values.tolist())
        body = encode_readings(header([2000]), [rows])
        assert_same_bits(rows, decode(body, LIMITS).readings[0])
        sizes.append(len(body))
    assert sizes[1] < sizes[0] + 2000 * 0.5


def test_every_code_of_a_series_is_read_or_refused() -> None:
    rows = group_rows(np.zeros(9, np.int64), 1)
    for code in range(256):
        with suppress(WireError):
            assert len(unpack_numbers(Unpacker(memoryview(bytes([code]) + bytes(200))), rows)) == 9


def test_devices_with_a_fixed_period_are_timed_against_themselves() -> None:
    period, devices = 1_000_000_000, 50
    phase = np.random.default_rng(1).integers(0, period, devices)
    ts = (np.arange(40)[:, None] * period + phase).ravel()
    rows = batch(list(range(devices)) * 40, ts.tolist(), [1.0] * 2000)
    assert_same_bits(rows, decode(encode_readings(header([2000]), [rows]), LIMITS).readings[0])


EVENTS = [alert(i, why={"value": 1.5, "n": 3, "inputs": [1, 2.0]}) for i in range(5)]


def test_events_come_back_as_they_were_in_their_groups() -> None:
    head = header([2, 3], kind="events", lane=Lane.CRITICAL)
    assert decode(encode_events(head, [EVENTS[:2], EVENTS[2:]]), LIMITS) == Content(
        head, events=(tuple(EVENTS[:2]), tuple(EVENTS[2:]))
    )


def test_messages_come_back_as_they_were_in_their_groups() -> None:
    head = header([2, 1], kind="messages", lane=Lane.CRITICAL)
    one, two, three = (message(n, body=bytes(n)) for n in (1, 2, 3))
    body = encode_messages(head, [[one, two], [three]])
    assert decode(body, LIMITS) == Content(head, messages=((one, two), (three,)))


OVER: list[tuple[dict[str, Any], str]] = [
    ({"body": bytes(1_000_001)}, "length <= 1000000"),
    ({"id": b"short"}, "length >= 16"),
    ({"queue": "a/b"}, "matching regex"),
    ({"ts": 2**62}, "int"),
    ({"n": 0}, ">= 1"),
]


@pytest.mark.parametrize(("fault", "says"), OVER)
def test_a_message_beyond_its_bounds_is_refused(fault: dict[str, Any], says: str) -> None:
    wrong = replace(message(1), **fault)
    with pytest.raises(WireError, match=says):
        decode(encode_messages(header([1], kind="messages"), [[wrong]]), LIMITS)
    with pytest.raises(WireError, match="another number of messages"):
        decode(encode_messages(header([2], kind="messages"), [[message(1)]]), LIMITS)


def test_series_definitions_travel_with_the_batch() -> None:
    series = (Series("g", "press", "temperature", "Cel", Kind.FLOAT), Series("g", "press", "state", "", Kind.TEXT))
    head = header([1], series_from=4, series=series)
    assert decode(encode_readings(head, [batch([5], [1], [0.0], ("on",))]), LIMITS).header.series == series


ONE = batch([0], [1], [2.0])


@pytest.mark.parametrize(
    ("head", "limits", "says"),
    [
        (header([1], version=2), LIMITS, "version"),
        (header([1], last=0 + 3), LIMITS, "add up"),
        (header([1]), Limits(max_body=10), "bytes; at most"),
        (header([1]), Limits(max_unpacked=8), "unpacks to more"),
        (header([1]), Limits(max_header=8), "header is longer"),
        (header([1], last=9, first=1), Limits(max_rows=5), "more than 5 rows"),
        (header([1], first=5, bounds=(5,), last=4), LIMITS, "before it starts"),
        (header([1], series=(Series("g", "d" * 99, "m", "", Kind.INT),)), Limits(max_text=50), "characters"),
        (header([1], series=(Series("g", "d", "m", "", Kind.INT),) * 3), Limits(max_series=2), "defines 3"),
    ],
)
def test_a_batch_beyond_the_limits_is_refused_with_a_sentence(head: BatchHeader, limits: Limits, says: str) -> None:
    with pytest.raises(WireError, match=says):
        decode(encode_readings(head, [ONE]), limits)


def test_texts_and_events_beyond_the_limits_are_refused() -> None:
    with pytest.raises(WireError, match="characters"):
        decode(encode_readings(header([1]), [batch([0], [1], [0.0], ("x" * 20,))]), Limits(max_text=10))
    with pytest.raises(WireError, match="characters"):
        decode(encode_events(header([1], kind="events"), [[replace(EVENTS[0], message="x" * 20)]]), Limits(max_text=10))
    with pytest.raises(WireError, match="outside of time"):
        decode(encode_events(header([1], kind="events"), [[replace(EVENTS[0], ts=2**63)]]), LIMITS)
    with pytest.raises(WireError, match="another number of events"):
        decode(encode_events(header([2], kind="events"), [EVENTS[:1]]), LIMITS)


GOOD = encode_readings(
    header([30, 50], series=(Series("g", "d", "m", "Cel", Kind.FLOAT),)),
    [sensors(20).take(np.arange(30)), sensors(20).take(np.arange(30, 80))],
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_damaged_batch_gets_further_than_a_wire_error(data: st.DataObject) -> None:
    body = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(body)), st.integers(0, len(body))))
    with suppress(WireError):  # else: bits that carry nothing, or a value; the chain above notices that
        decoded = decode(bytes(body[:cut]), LIMITS)
        assert sum(map(len, decoded.readings)) == len(decoded.header)
