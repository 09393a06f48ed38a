import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.batch import Batch
from holdfast.model.series import Kind, Series
from holdfast.wire.asking import (
    AnswerHeader,
    Gone,
    Part,
    RemoteAnswer,
    StepColumns,
    decode_answer,
    encode_answer,
)
from holdfast.wire.errors import WireError
from holdfast.wire.frame import seal

SERIES = tuple(Series("gw", f"d{n}", "m", "Cel", kind) for n, kind in enumerate(Kind))
TEXT = int(Kind.TEXT)
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-(2**62), 2**62), st.floats(width=32), st.integers(0, 255)), min_size=1
)
HEADER = AnswerHeader("7", detail="so", truncated=True, marks=(1, 2, 3))


def batch(rows: list[tuple[int, int, float, int]]) -> Batch:
    series = np.array([row[0] for row in rows], np.int32)
    value = np.array([row[2] for row in rows], np.float64)
    value[series == TEXT] = np.arange((series == TEXT).sum()) % 2
    quality = np.array([row[3] for row in rows], np.uint8)
    return Batch(series, np.array([row[1] for row in rows]), value, quality, ("on", "off"))


@given(ROWS)
def test_readings_come_back_bit_for_bit(rows: list[tuple[int, int, float, int]]) -> None:
    sent = batch(rows)
    sources, missing = [Part("journal", 1, 2, 3, 60, 0.5, "n")], [Gone(1, 2, 3, "age")]
    found = decode_answer(encode_answer(RemoteAnswer(HEADER, SERIES, sent, None, sources, missing)))
    assert found.rows is not None
    for name in ("series", "ts", "quality"):
        assert getattr(found.rows, name).tolist() == getattr(sent, name).tolist()
    assert found.rows.value.tobytes() == sent.value.tobytes()
    assert (found.rows.texts, found.series, found.sources, found.missing) == (sent.texts, SERIES, sources, missing)
    assert (found.header.marks, found.header.truncated, found.header.rows) == ((1, 2, 3), True, len(rows))


def steps(count: int = 5, last: float = 1.0, texts: tuple[str, ...] = ("on", "off")) -> StepColumns:
    one = np.ones(2, np.int64)
    numbers = np.array([1.5, np.nan])
    return StepColumns(
        np.array([0, TEXT], np.int32),
        np.array([0, 60]),
        count * one,
        one,
        0 * one,
        np.array([5, 65]),
        numbers,
        numbers,
        numbers,
        np.array([2.0, last]),
        texts,
    )


def test_steps_come_back() -> None:
    found = decode_answer(encode_answer(RemoteAnswer(HEADER, SERIES, None, steps())))
    assert found.steps is not None
    assert found.steps.count.tolist() == [5, 5]
    assert found.steps.last.tolist() == [2.0, 1.0]
    assert found.steps.texts == ("on", "off")


def test_an_answer_of_nothing_is_one() -> None:
    found = decode_answer(encode_answer(RemoteAnswer(AnswerHeader("7", "refused", "no"))))
    assert (found.header.status, found.header.detail, len(found.rows or ())) == ("refused", "no", 0)


@pytest.mark.parametrize(
    "answer",
    [
        RemoteAnswer(HEADER, SERIES, None, steps(count=-1)),
        RemoteAnswer(HEADER, SERIES, None, steps(last=2.0)),
        RemoteAnswer(HEADER, SERIES, None, steps(last=0.5)),
        RemoteAnswer(HEADER, SERIES[:1], None, steps()),
        RemoteAnswer(HEADER, SERIES[:1], batch([(1, 0, 0.0, 0)])),
        RemoteAnswer(HEADER, (*SERIES, SERIES[0]), batch([(1, 0, 0.0, 0)])),
        RemoteAnswer(HEADER, (Series("g" * 600, "d", "m", "", Kind.INT),), batch([(0, 0, 0.0, 0)])),
        RemoteAnswer(AnswerHeader("7", version=9)),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(answer: RemoteAnswer) -> None:
    with pytest.raises(WireError):
        decode_answer(encode_answer(answer))


def test_a_header_that_promises_too_much_is_refused_before_anything_is_made() -> None:
    with pytest.raises(WireError, match="too many"):
        decode_answer(seal(b'{"id": "7", "rows": 1000001}', b"\x01\x00\x00\x00\x90" * 3))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_answer_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_answer(data)


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_flipped_byte_is_an_answer_or_an_error_and_nothing_else(at: int, flip: int) -> None:
    body = bytearray(encode_answer(RemoteAnswer(HEADER, SERIES, batch([(n % 4, n, n / 7, n) for n in range(50)]))))
    body[at % len(body)] ^= flip
    with contextlib.suppress(WireError):
        decode_answer(bytes(body))
