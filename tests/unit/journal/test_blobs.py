from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.events import alert

from holdfast.journal.blobs import (
    canonical_events,
    canonical_readings,
    decode_events,
    decode_readings,
    encode_events,
    encode_readings,
    link,
)
from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.records import GENESIS
from holdfast.model.batch import Batch

int64 = st.integers(-(2**62), 2**62)
ms = st.integers(0, 2**40).map(lambda t: t * 1_000_000)
rows = st.tuples(st.integers(0, 2**31 - 1), st.floats(width=64), st.integers(0, 255))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    drawn = draw(st.lists(rows, min_size=1, max_size=50))
    times = draw(st.lists(draw(st.sampled_from([int64, ms])), min_size=len(drawn), max_size=len(drawn)))
    texts = tuple(draw(st.lists(st.text(), max_size=3)))
    series, value, quality = zip(*drawn, strict=True)
    return Batch(
        np.array(series, np.int32), np.array(times, np.int64), np.array(value), np.array(quality, np.uint8), texts
    )


@given(batches())
def test_readings_come_back_bit_for_bit(batch: Batch) -> None:
    again = decode_readings(encode_readings(batch))
    assert canonical_readings(again) == canonical_readings(batch)
    assert again.texts == batch.texts


@given(batches(), st.data())
def test_a_damaged_blob_is_reported_or_harmless_but_never_crashes(batch: Batch, data: st.DataObject) -> None:
    blob = bytearray(encode_readings(batch))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(GroupCorrupt):
        decode_readings(bytes(blob))


def test_a_cut_blob_is_corrupt() -> None:
    n = 1000
    batch = Batch(np.zeros(n, np.int32), np.arange(n, dtype=np.int64), np.ones(n), np.zeros(n, np.uint8))
    blob = encode_readings(batch)
    for cut in (0, 5, len(blob) // 2, len(blob) - 1):
        with pytest.raises(GroupCorrupt):
            decode_readings(blob[:cut])


def test_events_come_back_equal_and_damage_is_reported() -> None:
    events = [alert(n, why={"value": 27.5, "samples": [1, 2]}) for n in range(20)]
    blob = encode_events(events)
    assert decode_events(blob) == events
    assert len(canonical_events(events)) > 5
    for cut in (0, 4, len(blob) - 2):
        with pytest.raises(GroupCorrupt):
            decode_events(blob[:cut])


def test_the_chain_depends_on_everything_before() -> None:
    one, two = link(GENESIS, b"a"), link(GENESIS, b"b")
    assert len({one, two, link(one, b"b"), link(two, b"b")}) == 4
    assert len(one) == 16
