"""Tumbling and hopping windows beside a plain reference, row by row, and beside DuckDB over the whole data."""

import math
import random
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.stream.windows.results import BASE, Result, Row, S, Site, hopping, plan_of, tumbling

from holdfast.stream.plans import Call, WindowSpec

IDLE = S  # the engine's own: a silent key's windows are closed so long after they were due
SPECS = [
    tumbling(10),
    tumbling(10, grace=3),
    tumbling(10, late=25),
    tumbling(10, grace=4, late=7),
    hopping(10, 5),
    hopping(10, 4, grace=3),
    hopping(9, 3, late=20),
    hopping(12, 4, grace=2, late=9),
    hopping(4, 10),
    hopping(4, 10, grace=7, late=11),
]
CALLS = [Call("count", 0), Call("sum", 0), Call("last", 0), Call("messages"), Call("max", 1), Call("median", 0)]


def walk(seed: int, count: int, from_s: int) -> list[Row]:
    """Rows of a few devices from about `from_s` on, many of them behind, some far ahead."""
    rng = random.Random(seed)
    rows: list[Row] = []
    now = float(from_s)
    for _ in range(count):
        now += rng.expovariate(rng.choice([0.5, 0.5, 0.05, 1e3, 1e3]))
        back = rng.expovariate(rng.choice([0.12, 0.12, 0.016, 1e3, 1e3, 1e3]))
        ahead = 3_000.0 if rng.random() < 0.005 else 0.0
        device, metric = rng.choice("aaaabbbc"), rng.choice(["m0", "m0", "m1"])
        ts, value = BASE + round(now - back + ahead) * S, float(rng.randint(-4, 9))
        rows.append((device, metric, ts, value, rng.choice([0, 0, 0, 0, 1, 2])))
    return rows


SEED = st.integers(0, 1 << 30)
STEPS = st.lists(
    st.one_of(
        st.builds(walk, SEED, st.integers(1, 70), st.integers(0, 150)),
        st.builds(walk, SEED, st.integers(1, 4), st.integers(0, 150)),
        st.integers(0, 500).map(lambda t: BASE + t * S),
    ),
    min_size=1, max_size=7,
)  # fmt: skip
ROWS = st.builds(walk, SEED, st.integers(1, 120), st.integers(0, 50))


@dataclass
class Key:
    rows: list[tuple[int, Row]] = field(default_factory=list)
    newest: int = -(1 << 62)
    mark: int = -(1 << 62)
    firm: int = -(1 << 62)
    done: dict[int, int] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    late: int = 0


class Reference:
    """The same windows, one row after the other, in plain Python."""

    def __init__(self, spec: WindowSpec, *, tells_final: bool) -> None:
        self.spec, self.tells_final = spec, tells_final
        self.keys: dict[str, Key] = {}
        self.arrived = 0

    def end(self, k: int) -> int:
        return k * self.spec.hop + self.spec.width

    def windows(self, ts: int) -> list[int]:
        first = (ts - self.spec.width) // self.spec.hop + 1
        return [k for k in range(first, ts // self.spec.hop + 1) if k * self.spec.hop <= ts < self.end(k)]

    def result(self, name: str, key: Key, k: int, *, final: bool) -> Result:
        inside = sorted((r[2], i, r) for i, r in key.rows if k in self.windows(r[2]))
        m0 = [r[3] for _, _, r in inside if r[1] == "m0"]
        m1 = [r[3] for _, _, r in inside if r[1] == "m1"]
        nan = math.nan
        values: tuple[float, ...] = (
            float(len(m0)), sum(m0) if m0 else nan, m0[-1] if m0 else nan, float(len(inside)), max(m1, default=nan),
            float(np.median(m0)) if m0 else nan,
        )  # fmt: skip
        revision = key.done.get(k, 0)
        key.done[k] = revision + 1
        if final:
            key.told.add(k)
        if self.tells_final:
            values = (*values, float(final))
        return Result(name, k * self.spec.hop, self.end(k), revision if self.spec.late else 0, final, values)

    def held(self, key: Key) -> list[int]:
        return sorted({k for _, r in key.rows for k in self.windows(r[2])})

    def pass_time(self, name: str, key: Key, mark: int, firm: int) -> list[Result]:
        out = []
        for k in self.held(key):
            if key.mark < self.end(k) <= mark:
                out.append(self.result(name, key, k, final=self.end(k) <= firm))
            elif self.tells_final and key.firm < self.end(k) <= firm:
                out.append(self.result(name, key, k, final=True))
        return out

    def feed(self, row: Row) -> list[Result]:
        if row[4] == 2:
            return []
        key = self.keys.setdefault(row[0], Key())
        key.newest = max(key.newest, row[2])
        mark = max(key.mark, key.newest - self.spec.grace)
        firm = max(key.firm, key.newest - self.spec.grace - self.spec.late) if self.spec.late else mark
        out = self.pass_time(row[0], key, mark, firm)
        key.mark, key.firm = mark, firm
        of = self.windows(row[2])
        alive = [k for k in of if self.end(k) > firm]
        self.arrived += 1
        if alive:
            key.rows.append((self.arrived, row))
            out += [self.result(row[0], key, k, final=False) for k in alive if self.end(k) <= mark]
        elif of:
            key.late += 1
        return out

    def tick(self, now: int) -> list[Result]:
        out = []
        for name, key in self.keys.items():
            reach = max(key.newest, now - IDLE) - self.spec.grace
            firm = max(reach - self.spec.late, key.firm) if self.tells_final else key.firm
            if not self.spec.late:
                firm = max(reach, key.mark)
            made = self.pass_time(name, key, reach, firm)
            out += made
            key.mark = max([key.mark, *(r.end for r in made)])
            if not self.spec.late:
                key.firm = key.mark
            elif self.tells_final:
                key.firm = max([key.firm, *(r.end for r in made if r.final)])
        return out


def alike(a: list[Result], b: list[Result]) -> bool:
    return repr(a) == repr(b)


def plan(spec: WindowSpec, *, tells_final: bool) -> Any:
    return plan_of(spec, [*CALLS, Call("final")] if tells_final else CALLS, metrics=2)


def spaced(rows: list[Row]) -> list[Row]:
    """No two neighbours of a device of one time: they'd be one message."""
    return [(d, m, ts + i, v, q) for i, (d, m, ts, v, q) in enumerate(rows)]


@settings(max_examples=100, deadline=None)
@given(spec=st.sampled_from(SPECS), tells_final=st.booleans(), steps=STEPS, in_order=st.booleans())
def test_equals_a_plain_reference_on_any_rows_in_any_batches_with_ticks(
    spec: WindowSpec, *, tells_final: bool, steps: list[Any], in_order: bool
) -> None:
    tells_final = tells_final and spec.late > 0
    site, plain = Site(plan(spec, tells_final=tells_final)), Reference(spec, tells_final=tells_final)
    for step in steps:
        if isinstance(step, int):
            assert alike(sorted(site.tick(step), key=repr), sorted(plain.tick(step), key=repr))
            continue
        rows = spaced(sorted(step, key=lambda r: r[2]) if in_order else step)
        got = site.feed(rows)
        for device in "abc":
            wanted = [r for row in rows if row[0] == device for r in plain.feed(row)]
            assert alike([r for r in got if r.device == device], wanted)
        assert site.late == {name: key.late for name, key in plain.keys.items() if key.late}


@settings(max_examples=50, deadline=None)
@given(
    spec=st.sampled_from(SPECS), rows=ROWS, cuts=st.lists(st.integers(1, 12), max_size=20),
    strangers=st.lists(st.sampled_from(["a", "b", "x"]), max_size=3, unique=True),
)  # fmt: skip
def test_any_batches_and_any_restarts_give_the_same_bits(
    spec: WindowSpec, rows: list[Row], cuts: list[int], strangers: list[str]
) -> None:
    rows = spaced([(d, m, ts, v / 3, q) for d, m, ts, v, q in rows])
    calls = [Call(k, 0) for k in ("avg", "sum", "stddev", "first", "last", "integral", "distinct", "time_avg")]
    calls += [Call("approx_percentile", 0, (0.9,)), Call("range", 1), Call("revision"), Call("final")]
    made = plan_of(spec, calls, metrics=2)
    whole, split = Site(made), Site(made)
    want, got = whole.feed(rows), []
    cuts = [*cuts, len(rows)]
    while rows:
        part, rows = rows[: cuts[0]], rows[cuts[0] :]
        cuts = cuts[1:] or [len(rows) + 1]
        got += split.feed(part)
        moved = Site(made, strangers)
        assert moved.engine.restore(split.engine.snapshot())
        split = moved
    for device in "abc":
        assert alike([r for r in got if r.device == device], [r for r in want if r.device == device])
    ends = [sorted(site.tick(BASE + 9_000 * S), key=repr) for site in (whole, split)]
    assert alike(*ends)


MERGED = ["count", "sum", "avg", "min", "max", "range", "stddev", "var", "first", "last"]
SAMPLED = ["median", "distinct", "completeness"]
SQL = """
with marked as (
    select *, max(ts) over (partition by device order by row rows unbounded preceding) - $grace as mark from rows
), windows as (
    select device, ts, row, value, unnest(range((ts - $width) // $hop + 1, ts // $hop + 1)) as k, mark from marked
), inside as (
    select * from windows where ts < k * $hop + $width and k * $hop + $width + $late > mark
)
select device, k * $hop as begin, k * $hop + $width as finish,
    count(*)::double, sum(value), avg(value), min(value), max(value), max(value) - min(value),
    stddev_samp(value), var_samp(value), first(value order by ts, row), last(value order by ts, row),
    median(value), count(distinct value)::double, least(1.0, count(*) / ($width / 1e9)), quantile_cont(value, 0.9)
from inside group by all order by all
"""


def oracle(rows: list[Row], spec: WindowSpec) -> dict[tuple[str, int, int], tuple[float, ...]]:
    with duckdb.connect() as database:
        device, _, ts, value, _ = (np.array(column) for column in zip(*rows, strict=True))
        database.register("given", {"device": device, "ts": ts, "value": value, "row": np.arange(len(rows))})
        database.execute("create table rows as select * from given")
        facts = {"width": spec.width, "hop": spec.hop, "grace": spec.grace, "late": spec.late}
        found = database.execute(SQL, facts).fetchall()
    return {(d, b, e): tuple(math.nan if v is None else v for v in values) for d, b, e, *values in found}


def skewed(rng: np.random.Generator, count: int) -> list[Row]:
    """Several devices, of which one is an hour behind; out of order, late, twice."""
    rows: list[Row] = []
    clock = {"a": 0.0, "b": 3_600.0, "c": 0.0}
    for _ in range(count):
        device = str(rng.choice(list(clock)))
        clock[device] += float(rng.exponential(1.5))
        back = float(rng.exponential(6.0)) if rng.random() < 0.3 else 0.0
        value = float(rng.choice([rng.normal(1e6, 1.0), float(rng.integers(0, 5))]))
        row = (device, "m0", BASE + int((clock[device] - back) * S), value, int(rng.choice([0, 1])))
        rows += [row] * int(rng.choice([1, 1, 1, 2]))
    return rows


@pytest.mark.parametrize(
    "spec", SPECS, ids=lambda s: f"{s.kind}-{s.width // S}-{s.hop // S}-{s.grace // S}-{s.late // S}"
)
@pytest.mark.parametrize("seed", range(3))
def test_every_aggregate_of_every_window_equals_duckdb(spec: WindowSpec, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = skewed(rng, 700)
    calls = [Call(kind, 0, (1.0,) if kind == "completeness" else ()) for kind in MERGED + SAMPLED]
    calls.append(Call("percentile", 0, (0.9,)))
    site, got, rest = Site(plan_of(spec, calls)), list[Result](), rows
    while rest:
        size = int(rng.integers(1, 120))
        got += site.feed(rest[:size])
        rest = rest[size:]
    got += site.tick(BASE + 10**6 * S)
    last = {r.key: r.values for r in got}
    want = oracle(rows, spec)
    assert len(want) > 30
    assert last.keys() == want.keys()
    for key, values in want.items():
        assert last[key] == pytest.approx(values, rel=1e-9, abs=1e-6, nan_ok=True)
