"""Windows that need order against a plain reference: any rows, any batches, any ticks, restored anywhere."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.stream.formulas import COUNTS, PLAIN
from tests.unit.stream.windows.plain import QUALITIES, Message, Outcome, Plain, S

from holdfast.stream.evaluations import Evaluations
from holdfast.stream.plans import Call, Input, StagePlan, WindowSpec
from holdfast.stream.rows import Rows, Skipped, grouped
from holdfast.stream.stages import IDLE_NS, Stage
from holdfast.stream.windows import timed

ARGS = {kind: args for kind, (args, _) in (PLAIN | COUNTS).items()}
CARRIED = ("sum", "avg", "min", "max", "range", "stddev", "var", "first", "last", "count", "completeness")
CARRIED_TOO = ("integral", "time_avg", "increase", "rate", "derivative")
FACTS = ("window_start", "window_end", "window_seconds", "messages", "final", "revision")
KINDS = tuple(kind for kind in ARGS if kind not in QUALITIES)
CALLS = (
    *(Call(kind, 0, ARGS[kind]) for kind in KINDS),
    *(Call(kind, 0) for kind in QUALITIES),
    *(Call(kind, 1, ARGS[kind]) for kind in (*CARRIED, *CARRIED_TOO)),
    *(Call(kind) for kind in FACTS),
)
NUMBERS = 2
"""Columns of numbers; then come the begin and end of states."""
SPECS = {
    "sliding": WindowSpec("sliding", "", behind=4 * S),
    "sliding, grace": WindowSpec("sliding", "", behind=4 * S, grace=3 * S),
    "sliding, ahead": WindowSpec("sliding", "", behind=3 * S, ahead=2 * S),
    "sliding, ahead, grace": WindowSpec("sliding", "", behind=3 * S, ahead=2 * S, grace=3 * S),
    "session": WindowSpec("session", "", gap=2 * S),
    "session, max": WindowSpec("session", "", gap=2 * S, most=3 * S),
    "session, grace": WindowSpec("session", "", gap=2 * S, grace=4 * S),
    "session, max, grace": WindowSpec("session", "", gap=2 * S, most=5 * S, grace=2 * S),
    "count": WindowSpec("count", "", samples=3, step=3),
    "count, every": WindowSpec("count", "", samples=5, step=2),
    "count, apart": WindowSpec("count", "", samples=2, step=3),
    "state, while": WindowSpec("state", "", begin=2),
    "state, while, grace": WindowSpec("state", "", begin=2, grace=3 * S),
    "state, from to": WindowSpec("state", "", begin=2, end=3),
    "state, from to, grace": WindowSpec("state", "", begin=2, end=3, grace=2 * S),
}


class Harness:
    """A stage fed with messages; `slots` says which slot of its state each key has."""

    def __init__(self, spec: WindowSpec, slots: list[int], calls: tuple[Call, ...] = CALLS) -> None:
        inputs = tuple(Input(f"c{i}") for i in range(NUMBERS)) + tuple(Input(f"s{i}", "fact") for i in range(2))
        self.plan = StagePlan("s", inputs, calls, spec, wants_quality=True)
        self.slots = slots
        self.start()
        self.out: list[Outcome] = []
        self.late: list[tuple[int, int]] = []

    def start(self) -> None:
        self.stage = Stage(self.plan, [lambda *_: True])
        names = {slot: key for key, slot in enumerate(self.slots)}
        for slot in range(len(self.slots)):
            assert self.stage.route.slot(("n", f"d{names[slot]}", "")) == slot
        self.stage.state.grow(len(self.slots))

    def restart(self, slots: list[int]) -> None:
        state, to = self.stage.state, [slots[self.slots.index(old)] for old in range(len(slots))]
        arrays = {name: array.copy() for name, array in state.export(len(slots)).items()}
        tables = state.export_tables()
        self.slots = slots
        self.start()
        assert self.stage.state.fits(arrays, {}, tables) or state.export_shared()
        self.stage.state.put(np.array(to), arrays, state.export_shared(), tables)

    def feed(self, messages: list[Message], first_row: int, now: int) -> None:
        order = sorted(range(len(messages)), key=lambda i: self.slots[messages[i].key])
        some = [messages[i] for i in order]
        key, firsts, slots = grouped(np.array([self.slots[m.key] for m in some]))
        columns = [np.array([m.values.get(i, 77.0) for m in some]) for i in range(NUMBERS)]
        columns += [np.array([m.begin for m in some]), np.array([m.end for m in some])]
        fresh = [np.array([i in m.values for m in some]) for i in range(NUMBERS)]
        live = np.array([m.live for m in some])
        none, unknown = np.zeros(len(some), np.bool_), np.full(len(some), -1, np.int16)
        quality = np.array([m.told if m.told >= 0 else 2 for m in some], np.int16)
        told = np.array([m.told >= 0 for m in some])
        rows = Rows(
            np.array(order) + first_row, np.array([m.ts for m in some]), key, firsts, slots, tuple(columns),
            (*(None if f.all() else f & live for f in fresh), None, None), None if live.all() else live,
            (quality, unknown, unknown, unknown), (told, none, none, none),
        )  # fmt: skip
        with np.errstate(all="ignore"):
            self.note(*self.stage.take(rows, now))

    def tick(self, now: int) -> None:
        with np.errstate(all="ignore"):
            self.note(self.stage.close(now + IDLE_NS), None)

    def note(self, evaluations: Evaluations | None, late: Skipped | None) -> None:
        if late is not None:
            self.late += [(self.slots.index(s), r) for s, r in zip(late.slot.tolist(), late.row.tolist(), strict=True)]
        if evaluations is None:
            return
        e = evaluations
        inputs = [np.broadcast_to(one, (len(e.row),)) for one in e.inputs]
        bounds = [*e.firsts.tolist(), len(e.row)]
        for k, slot in enumerate(e.slots.tolist()):
            assert bounds[k] < bounds[k + 1]
            for at in range(bounds[k], bounds[k + 1]):
                shown = [e.evidence.samples(at, column) for column in range(NUMBERS)]
                self.out.append(
                    Outcome(
                        self.slots.index(slot),
                        int(e.row[at]),
                        int(e.ts[at]),
                        None if e.start is None else int(e.start[at]),
                        tuple(float(one[at]) for one in inputs),
                        tuple((tuple(ts), tuple(values)) for ts, values in shown),
                    )
                )


def by_key(outcomes: list[Outcome], key: int) -> list[Outcome]:
    return [o for o in outcomes if o.key == key]


def same_bits(a: list[Outcome], b: list[Outcome]) -> None:
    for key in range(KEYS):
        one, other = by_key(a, key), by_key(b, key)
        assert [replace(o, values=()) for o in one] == [replace(o, values=()) for o in other]
        for x, y in zip(one, other, strict=True):
            for call, left, right in zip(CALLS, x.values, y.values, strict=True):
                assert np.float64(left).tobytes() == np.float64(right).tobytes(), (call, left, right)


KEYS = 3
VALUES = st.one_of(st.integers(-3, 9).map(lambda i: i * 1.1), st.just(math.nan))
MESSAGES = st.builds(
    Message,
    key=st.integers(0, KEYS - 1),
    ts=st.integers(0, 60).map(lambda i: i * S // 2),
    values=st.dictionaries(st.integers(0, NUMBERS - 1), VALUES),
    live=st.integers(0, 9).map(bool),
    told=st.sampled_from([-1, 0, 1, 2, 6]),
    begin=st.sampled_from([0.0, 1.0, 1.0, math.nan]),
    end=st.sampled_from([0.0, 1.0, 0.0, math.nan]),
)
Step = tuple[list[Message], int, list[int]]
"""Messages of one batch, how long after the batch the clock ticks (0: not), how keys are numbered from then on."""
STEPS = st.lists(
    st.tuples(
        st.lists(MESSAGES, min_size=1, max_size=10), st.sampled_from([0, 0, 0, 1, 4]), st.permutations(range(KEYS))
    ),
    min_size=1,
    max_size=5,
)


def in_rising_order(steps: list[Step], skew: int) -> list[Step]:
    """The same messages, most of them in order of time; keys' clocks are apart by `skew` s."""
    times = sorted(m.ts for messages, _, _ in steps for m in messages)
    out, i = [], 0
    for messages, wait, numbering in steps:
        risen = []
        for m in messages:
            jitter = (m.ts // (S // 2)) % 7 - 5
            risen.append(replace(m, ts=times[i] + m.key * skew * S + min(jitter, 0) * S // 2))
            i += 1
        out.append((risen, wait, numbering))
    return out


@pytest.fixture(autouse=True, scope="module")
def forget_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timed, "_OFTEN", 12)
        yield


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, st.sampled_from([None, 0, 7]))
def test_windows_are_what_a_plain_reference_says_in_any_batches_and_after_any_restart(
    name: str, steps: list[Step], skew: int | None
) -> None:
    spec = SPECS[name]
    steps = steps if skew is None else in_rising_order(steps, skew)
    plain = Plain(spec, CALLS, NUMBERS)
    whole, single = Harness(spec, list(range(KEYS))), Harness(spec, [2, 0, 1])
    row, now = 0, 100 * S
    for messages, wait, numbering in steps:
        plain.feed(messages, row, now)
        whole.feed(messages, row, now)
        for i, message in enumerate(messages):
            single.feed([message], row + i, now)
        row += len(messages)
        now += S
        if wait:
            now += wait * S
            for one in (plain, whole, single):
                one.tick(now)
        if sum(numbering[:1]):
            whole.restart(list(numbering))
    for one in (plain, whole, single):
        one.tick(now + 1000 * S)
    check(plain.out, whole.out)
    same_bits(whole.out, single.out)
    assert sorted(plain.late) == sorted(whole.late) == sorted(single.late)


def check(wanted: list[Outcome], got: list[Outcome]) -> None:
    for key in range(KEYS):
        one, other = by_key(wanted, key), by_key(got, key)
        assert [replace(o, values=()) for o in one] == [replace(o, values=()) for o in other]
        for w, g in zip(one, other, strict=True):
            for call, x, y in zip(CALLS, w.values, g.values, strict=True):
                assert y == pytest.approx(x, rel=1e-7, abs=1e-6, nan_ok=True), (call, w)
