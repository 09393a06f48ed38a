"""Detectors as columns: several as one call, and what was said last of a key."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import KINDS
from holdfast.stream.plans import RowOperator, WideOperator
from holdfast.stream.rowops.anomalies import PARTS, Anomaly, together
from holdfast.stream.rows import Rows, grouped
from holdfast.stream.state import State
from holdfast.stream.texts import Texts, using

Array = NDArray[Any]
DEVICES, COLUMNS, HOUR = 3, 6, 3_600_000_000_000


def a_story(length: int, *, gaps: bool) -> list[tuple[int, int, Array, Array]]:
    """Messages: device, time, values, and which of them it brings; the others are as last known."""
    rng = np.random.default_rng(5)
    known = np.full((DEVICES, COLUMNS), np.nan)
    story = []
    for i in range(length):
        device = int(rng.integers(DEVICES))
        brings = rng.random(COLUMNS) < 0.6 if gaps else np.ones(COLUMNS, np.bool_)
        values = rng.normal(20.0, 1.0, COLUMNS) + (15.0 if i > length * 0.8 else 0.0)
        known[device] = np.where(brings, values, known[device])
        story.append((device, i * HOUR, known[device].copy(), brings))
    return story


def rows_of(messages: Sequence[tuple[int, int, Array, Array]]) -> Rows:
    """One batch: grouped by device, in order."""
    some = sorted(messages, key=lambda one: one[0])
    key, firsts, slots = grouped(np.array([one[0] for one in some]))
    ts = np.array([one[1] for one in some])
    values, brings = (np.array([one[i] for one in some]).T for i in (2, 3))
    fresh = tuple(None if one.all() else one for one in brings)
    return Rows(np.arange(len(some)), ts, key, firsts, slots, tuple(values), fresh)


class Watched:
    """Three detectors of one kind over columns of their own, as they stand in a stage."""

    def __init__(self, name: str, *, as_one: bool) -> None:
        self.state, self.texts, width = State(), Texts(), KINDS[name].columns[0]
        made = [
            Anomaly(self.state, {f"step{i}": [(f"m{i}{w}", 2 * i + w) for w in range(width)]}, name, {})
            for i in range(3)
        ]
        self.operators: Sequence[RowOperator | WideOperator] = made
        if as_one:
            self.operators = together(self.state, [(one, len(PARTS)) for one in made], COLUMNS)
            assert len(self.operators) == 1
        self.said = dict[int, list[float]]()

    def hear(self, messages: Sequence[tuple[int, int, Array, Array]]) -> None:
        self.state.grow(1 + max(one[0] for one in messages))
        rows = rows_of(messages)
        with np.errstate(all="ignore"), using(self.texts):
            made = [column for one in self.operators if isinstance(one, Anomaly) for column, _ in one.apply(rows)]
        for i, ts in enumerate(rows.ts.tolist()):
            self.said[ts] = [column[i] for column in made]

    def bits(self) -> tuple[bytes, dict[str, bytes]]:
        columns = np.array([self.said[ts] for ts in sorted(self.said)])
        memory = {name: array.tobytes() for name, array in self.state.export(DEVICES).items()}
        return columns.tobytes(), memory


def heard(name: str, story: Sequence[Any], cuts: Sequence[int], *, as_one: bool) -> Watched:
    found = Watched(name, as_one=as_one)
    for low, high in zip((0, *cuts), (*cuts, len(story)), strict=True):
        found.hear(story[low:high])
    return found


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_like_detectors_that_are_one_call_say_and_keep_what_each_alone_does_to_the_bit(name: str, gaps: bool) -> None:  # noqa: FBT001 - pytest's
    story = a_story(160, gaps=gaps)
    cuts = sorted(np.random.default_rng(2).choice(np.arange(1, 160), 40, replace=False).tolist())
    alone = heard(name, story, cuts, as_one=False).bits()
    assert heard(name, story, cuts, as_one=True).bits() == alone
    assert heard(name, story, [3, 90], as_one=True).bits() == alone


def test_what_a_detector_said_stands_until_its_next_sample_whatever_the_batches() -> None:
    both, first, second = np.ones(COLUMNS, np.bool_), np.arange(COLUMNS) < 2, np.arange(COLUMNS) >= 2
    story = [(0, i * HOUR, np.full(COLUMNS, float(i)), both) for i in range(3)]
    story += [(0, 3 * HOUR, np.full(COLUMNS, 9.0), first), (0, 4 * HOUR, np.full(COLUMNS, 9.5), second)]
    once, each = heard("zscore", story, [], as_one=True), heard("zscore", story, [1, 2, 3, 4], as_one=True)
    assert once.bits() == each.bits()
    stands, seen = each.said[4 * HOUR], PARTS.index("anomaly_seen")
    assert stands[seen] == 9.0
    assert stands[len(PARTS) + seen] == 9.5


def test_detectors_of_other_kinds_options_or_of_what_one_of_them_says_stay_apart() -> None:
    state, run = State(), 4 + 3 * len(PARTS)
    kinds = [
        ("zscore", {}, 0),
        ("zscore", {}, 1),
        ("mad", {}, 2),
        ("mad", {"margin": 2.0}, 3),
        ("mad", {"margin": 2.0}, run),
    ]
    made = [Anomaly(state, {f"step{i}": [("m", at)]}, name, options) for i, (name, options, at) in enumerate(kinds)]
    found = together(state, [(one, len(PARTS)) for one in made], 4)
    assert [len(one.watched) for one in found if isinstance(one, Anomaly)] == [2, 1, 1, 1]
