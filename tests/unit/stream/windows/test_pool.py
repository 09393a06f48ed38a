from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.stream.state import State
from holdfast.stream.windows import regions
from holdfast.stream.windows.pool import Pool

SLOTS, COLUMNS, LIMIT = 6, 2, 20
ROWS = st.lists(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, 30)), min_size=1, max_size=60)
SOME = st.sets(st.integers(0, SLOTS - 1), min_size=1).map(sorted)


def made() -> tuple[State, Pool]:
    state = State()
    pool = Pool(state, "pool", COLUMNS, LIMIT)
    state.grow(SLOTS)
    return state, pool


class PoolBesideLists(RuleBasedStateMachine):
    """The pool does what lists in a dictionary do."""

    def __init__(self) -> None:
        super().__init__()
        self.few, regions._FEW = regions._FEW, 8
        self.state, self.pool = made()
        self.lists: dict[tuple[int, int], list[tuple[int, float]]] = {}
        self.dropped = [0] * SLOTS
        self.arrived = 0.0

    def teardown(self) -> None:
        regions._FEW = self.few

    @rule(rows=ROWS, column=st.integers(0, COLUMNS - 1))
    def append(self, rows: list[tuple[int, int]], column: int) -> None:
        rows = sorted(rows, key=lambda row: row[0])
        values = np.arange(len(rows)) + self.arrived
        self.arrived += len(rows)
        self.pool.append(np.array([s for s, _ in rows]), np.array([t for _, t in rows]), values, column)
        for (slot, ts), value in zip(rows, values.tolist(), strict=True):
            self.lists.setdefault((slot, column), []).append((ts, value))
        for slot in {s for s, _ in rows}:
            held = self.lists[slot, column]
            over = max(len(held) - LIMIT, 0)
            self.lists[slot, column] = held[over:]
            self.dropped[slot] += over

    @rule(slots=SOME, before=st.integers(0, 31))
    def drop(self, slots: list[int], before: int) -> None:
        self.pool.drop(np.array(slots), np.full(len(slots), before))
        for slot in slots:
            for column in range(COLUMNS):
                held = self.lists.get((slot, column), [])
                self.lists[slot, column] = [one for one in held if one[0] >= before]

    @rule(slots=SOME)
    def clear(self, slots: list[int]) -> None:
        self.state.forget(np.array(slots))
        for slot in slots:
            self.dropped[slot] = 0
            for column in range(COLUMNS):
                self.lists.pop((slot, column), None)

    @rule(slots=SOME, column=st.integers(0, COLUMNS - 1), share=st.floats(0, 1))
    def forget_oldest(self, slots: list[int], column: int, share: float) -> None:
        counts = [int(len(self.lists.get((s, column), [])) * share) for s in slots]
        self.pool.forget_oldest(np.array(slots), np.array(counts), column)
        for slot, count in zip(slots, counts, strict=True):
            self.lists[slot, column] = self.lists.get((slot, column), [])[count:]

    @rule(numbering=st.permutations(range(SLOTS)))
    def checkpoint(self, numbering: list[int]) -> None:
        arrays, tables = self.state.export(SLOTS), self.state.export_tables()
        self.state, self.pool = made()
        self.state.put(np.array(numbering), arrays, {}, tables)
        self.lists = {(numbering[s], c): held for (s, c), held in self.lists.items()}
        dropped = self.dropped
        self.dropped = [dropped[numbering.index(s)] for s in range(SLOTS)]

    @invariant()
    def holds_the_same(self) -> None:
        slots = np.arange(SLOTS)[::-1]
        for column in range(COLUMNS):
            for since in (None, 7, np.arange(SLOTS)):
                got = [x.tolist() for x in self.pool.gather(slots, column, since)]
                wanted = []
                for place, slot in enumerate(slots.tolist()):
                    limit: Any = 0 if since is None else since if isinstance(since, int) else since[place]
                    held = sorted(self.lists.get((slot, column), []), key=lambda one: one[0])
                    wanted += [(place, *one) for one in held if one[0] >= limit]
                assert list(zip(*got, strict=True)) == wanted
            counts = [len(self.lists.get((s, column), [])) for s in slots.tolist()]
            assert self.pool.counts(slots, column).tolist() == counts
        assert self.pool.dropped(np.arange(SLOTS)).tolist() == self.dropped


TestPoolBesideLists = PoolBesideLists.TestCase
TestPoolBesideLists.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@given(st.integers(1, 400))
def test_memory_is_bounded_by_what_was_held_at_most(each: int) -> None:
    _, pool = made()
    for i in range(5000 // each):
        slot = np.full(each, i % SLOTS)
        pool.append(slot, np.arange(each), np.zeros(each))
        pool.drop(slot[:1], 1 << 40)
    assert pool.nbytes < 64 * each + 4000


def test_ten_thousand_keys_of_three_samples_take_less_than_200_bytes_each() -> None:
    _, pool = made()
    slot = np.repeat(np.arange(10_000), 3)
    pool.append(slot, np.arange(30_000), np.zeros(30_000))
    assert pool.nbytes / 10_000 < 200
    owner, ts, _ = pool.gather(np.array([9_999, 1]))
    assert owner.tolist() == [0, 0, 0, 1, 1, 1]
    assert ts.tolist() == [29_997, 29_998, 29_999, 3, 4, 5]


def test_keys_that_grow_together_take_no_more_than_thrice_their_samples() -> None:
    state = State()
    pool = Pool(state, "pool")
    state.grow(50)
    slot = np.repeat(np.arange(50), 10)
    for i in range(1000):
        pool.append(slot, np.arange(500) + i, np.arange(500.0) + i)
    assert pool.nbytes < 3 * 16 * 500 * 1000
    owner, _, value = pool.gather(np.array([7]))
    assert len(owner) == 10_000
    assert value.tolist() == sorted(float(70 + j + i) for i in range(1000) for j in range(10))


@pytest.mark.parametrize("since", [None, 5])
def test_a_pool_without_samples_gathers_nothing(since: int | None) -> None:
    _, pool = made()
    assert [len(part) for part in pool.gather(np.array([3, 400]), 1, since)] == [0, 0, 0]
