import numpy as np

from holdfast.model.batch import Batch, concatenate
from holdfast.model.quality import Quality, Reason, encode_quality, is_usable, quality_of, reason_of


def batch(series: list[int], values: list[float], texts: tuple[str, ...] = ()) -> Batch:
    n = len(series)
    return Batch(
        np.array(series, np.int32), np.arange(n, dtype=np.int64), np.array(values), np.zeros(n, np.uint8), texts
    )


def test_concatenation_keeps_order_and_moves_text_positions() -> None:
    is_text = np.array([False, True])
    joined = concatenate([batch([0, 1], [5.0, 0.0], ("a",)), Batch.empty(), batch([1, 0], [0.0, 6.0], ("b",))], is_text)
    assert list(joined.series) == [0, 1, 1, 0]
    assert list(joined.value) == [5.0, 0.0, 1.0, 6.0]
    assert joined.texts == ("a", "b")


def test_nothing_joined_is_an_empty_batch_and_one_is_itself() -> None:
    one = batch([0], [1.0])
    assert len(concatenate([])) == 0
    assert concatenate([Batch.empty(), one]) is one


def test_rows_are_taken_by_mask_or_index() -> None:
    rows = batch([3, 4, 5], [1.0, 2.0, 3.0])
    assert list(rows.take(np.array([True, False, True])).series) == [3, 5]
    assert list(rows.take(np.array([2, 0])).series) == [5, 3]


def test_quality_and_reason_share_a_byte() -> None:
    code = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)
    assert quality_of(code) is Quality.BAD
    assert reason_of(code) is Reason.OUT_OF_RANGE
    good_and_bad = np.array([0, code, encode_quality(Quality.UNCERTAIN, Reason.CLOCK_AHEAD)], np.uint8)
    assert list(is_usable(good_and_bad)) == [True, False, True]
