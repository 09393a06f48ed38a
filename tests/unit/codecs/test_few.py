"""A few messages are read one by one, many in columns: both must say the same."""

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.devices import DeviceSlots, Ruling, as_named
from holdfast.codecs.few import FEW, few_reader
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.structs import shape_of
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.series import Catalogue

pytestmark = pytest.mark.timeout(120)
NOW = 1_795_187_068_123_456_789
PROFILES = """
profiles:
  plain:
    topic: plain/{device}
    time: {field: ts, unit: s}
    id: time
    stale_after: 60s
    fields: {t: {metric: air.temperature, unit: Cel, min: -20, max: 60}, n: {metric: count, type: int}}
  numbered:
    topic: numbered/{device}
    time: {field: when.at, unit: ms}
    id: nr
    fields: {t: {metric: air.temperature, unit: degF, to: Cel}, on: {metric: room.occupied, type: bool}}
  named:
    topic: named
    device: who
    time: {field: ts, unit: iso8601}
    fields: {t: {metric: t}}
  bare:
    topic: bare/{device}
    fields: {t: {metric: t}}
"""
TOPICS = ("plain/a", "plain/b", "plain/gone", "numbered/a", "numbered/c", "named", "bare/a", "nobody/a")
numbers = st.one_of(
    st.floats(-1e6, 1e6), st.integers(-(2**54), 2**54), st.sampled_from(["1e400", "NaN", '"x"', "null", "true", "-0.0"])
)
seconds: st.SearchStrategy[float | str] = st.one_of(
    st.floats(-70, 70).map(lambda s: NOW / NS_PER_S + s),
    st.sampled_from([-1.0, 0.0, 1e10, 1e300, float(NOW)]),
    st.just('"soon"'),
)
ids = st.one_of(st.integers(-(2**63), 2**63), st.text("0123456789ax_ ", max_size=20).map(lambda t: f'"{t}"'))
whens = st.sampled_from(["2026-11-20T15:04:28.123Z", "2026-11-20T16:04:28+01:00", "1969-01-01T00:00:00Z", "today"])


@functools.cache
def profiles(folder: Path) -> list[Profile]:
    file = folder / "few.yaml"
    file.write_text(PROFILES)
    return load_profiles([file])


def look(name: str) -> Ruling:
    return Ruling(name, 7, RejectReason.RETIRED, "gone") if name == "gone" else Ruling(name, len(name))


@st.composite
def message(draw: st.DrawFn) -> tuple[str, bytes]:
    topic = draw(st.sampled_from(TOPICS))
    t, n, ts, number = draw(numbers), draw(numbers), draw(seconds), draw(ids)
    who, when, on = (
        draw(st.sampled_from(["a", "gone", "b c", ""])),
        draw(whens),
        draw(st.sampled_from(["true", 1, 0, 2])),
    )
    at = ts if isinstance(ts, str) else ts * 1000
    text = {
        "plain": f'{{"ts":{ts},"t":{t},"n":{n}}}',
        "numbered": f'{{"when":{{"at":{at}}},"nr":{number},"t":{t},"on":{on}}}',
        "named": f'{{"who":"{who}","ts":"{when}","t":{t}}}',
    }.get(topic.split("/")[0], f'{{"t":{t}}}')
    odd = draw(st.sampled_from([b"", b"", b"", b"", b"\xff", b"}", b'"' * 2, b"[" * 40]))
    return topic, text.encode() + odd


def decode(decoder: Decoder, messages: list[tuple[str, bytes]]) -> Decoded:
    return decoder.decode([Run(topic, [payload], NOW + i) for i, (topic, payload) in enumerate(messages)])


@given(st.lists(message(), min_size=1, max_size=FEW))
@settings(max_examples=200, deadline=None)
def test_what_comes_alone_is_read_as_among_many(
    tmp_path_factory: pytest.TempPathFactory, messages: list[tuple[str, bytes]]
) -> None:
    decoder = Decoder(profiles(tmp_path_factory.getbasetemp()), Catalogue(), "gw", registry=look)
    n = len(messages)
    many = decode(decoder, messages * (2 * FEW))  # names every series, too
    few = decode(decoder, messages)
    mine = many.message < n
    for column in ("series", "value", "quality"):
        np.testing.assert_array_equal(getattr(few.batch, column), getattr(many.batch, column)[mine])
    np.testing.assert_array_equal(few.batch.ts, many.batch.ts[mine])
    np.testing.assert_array_equal(few.message, many.message[mine])
    for column in ("keys", "lead", "device", "size"):
        np.testing.assert_array_equal(getattr(few, column), getattr(many, column)[:n])
        assert getattr(few, column).dtype == getattr(many, column).dtype
    assert few.rejected == [r for r in many.rejected if r.message < n]
    assert few.batch.value.dtype == many.batch.value.dtype
    assert few.payload_bytes * 2 * FEW == many.payload_bytes


def test_the_short_way_is_taken_for_what_is_plain_and_for_nothing_else(tmp_path: Path) -> None:
    profile = next(p for p in profiles(tmp_path) if p.name == "plain")
    reader = few_reader(profile, shape_of(profile))
    assert reader is not None
    slots = DeviceSlots(2, as_named)
    good = b'{"ts":1795187068.1,"t":99.5,"n":3}'
    assert reader.read([good], ["a"], [NOW], 4, slots) is None  # its series aren't named yet
    slots.series[slots.slot("a")] = (0, 1)
    found = reader.read([good], ["a"], [NOW], 4, slots)
    assert found is not None
    assert (found.batch.series.tolist(), found.batch.value.tolist()) == ([0, 1], [99.5, 3.0])
    assert (found.batch.quality != 0).tolist() == [True, False]
    assert (found.message.tolist(), found.batch.ts.tolist()) == ([4, 4], [1_795_187_068_100_000_000] * 2)
    assert reader.read([good, b"{}"], ["a", "a"], [NOW, NOW], 0, slots) is None


def test_profiles_with_more_than_numbers_have_no_short_way() -> None:
    short = {p.name: few_reader(p, shape_of(p)) is not None for p in load_profiles([BUILTIN / "rooms.yaml"])}
    assert short["acme-room"]
    assert not all(short.values())
