"""Rows in parts are fed as the same rows in one are, whatever was in the room before."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.inference.card import Inputs
from holdfast.inference.feeding import Room, feeder, together

Array = NDArray[Any]
SMALL, LARGE = (3, 8, 1, 2), (400, 90, 1200)
"""Rows of parts that are copied at once, and of parts that are copied one by one."""


def parts_of(sizes: Sequence[int], width: int = 32) -> list[Array]:
    random = np.random.default_rng(4)
    return [random.normal(5.0, 2.0, (size, width)) for size in sizes]


def inputs(dtype: str, *, standardised: bool) -> Inputs:
    given = {"mean": tuple(np.linspace(-1, 1, 32)), "std": tuple(np.linspace(1, 3, 32))} if standardised else {}
    return Inputs(features="press", shape=(32,), dtype=dtype, **given)  # type: ignore[arg-type]  # a literal


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_parts_are_fed_as_one_and_a_room_s_past_does_not_show(dtype: str, *, standardised: bool) -> None:
    feed, room = feeder(inputs(dtype, standardised=standardised)), Room()
    for sizes in (LARGE, SMALL, (7,), LARGE[:2], (1,), SMALL):
        parts = parts_of(sizes)
        given = np.concatenate(parts)
        expected = (given - np.linspace(-1, 1, 32)) * (1 / np.linspace(1, 3, 32)) if standardised else given
        fed, good = feed(parts, room)
        assert good is None
        assert fed.dtype == dtype
        np.testing.assert_array_equal(fed, (np.rint(expected) if dtype == "int16" else expected).astype(dtype))
        for part, before in zip(parts, parts_of(sizes), strict=True):
            np.testing.assert_array_equal(part, before)  # others hold them


@pytest.mark.parametrize("sizes", [SMALL, LARGE])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_are_not_finite_are_found_in_whatever_part_they_are(sizes: Sequence[int], bad: float) -> None:
    parts = parts_of(sizes)
    parts[0][1, 3] = parts[-1][0, 31] = bad
    with np.errstate(all="ignore"):
        _, good = feeder(inputs("float32", standardised=False))(parts, Room())
    assert good is not None
    assert np.flatnonzero(~good).tolist() == [1, sum(sizes[:-1])]


def test_one_part_of_what_the_model_takes_is_not_copied() -> None:
    part = parts_of((5,))[0].astype(np.float32)
    fed, _ = feeder(inputs("float32", standardised=False))([part], Room())
    assert np.shares_memory(fed, part)
    assert together([part], Room()) is part


def test_a_room_keeps_its_pages_from_batch_to_batch() -> None:
    room = Room()
    first = together(parts_of(LARGE), room)
    assert np.shares_memory(together(parts_of(SMALL), room), first)
    assert not np.shares_memory(room.array("fed", 3, 32), first)
