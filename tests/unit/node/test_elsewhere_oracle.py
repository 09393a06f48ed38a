"""However rows are spread over gateway, region and hub, each answers with the whole truth, once."""

import asyncio
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.history.lake.oracle import Oracle, check_points, check_steps
from tests.unit.history.lake.site import DAY, NS, START, readings
from tests.unit.node.chain import Place

from holdfast.history.answers import ALL
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series

SERIES = 5
KINDS = (Kind.FLOAT, Kind.TEXT, Kind.BOOL, Kind.INT)
SHORT = HistorySettings(rows=300, keep=(KeepSettings(raw=86_400.0, minutes=2 * 86_400.0, hours=3 * 86_400.0),))
ROW = st.tuples(
    st.integers(0, SERIES - 1),
    st.integers(0, 3 * 86_400 * 4).map(lambda quarter: START + quarter * NS // 4 + quarter % 7),
    st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan]),
    st.sampled_from([0, 0, 0, 1, 2, 1 | 2 << 2, 2 | 3 << 2]),
).filter(lambda row: KINDS[row[0] % 4] is not Kind.TEXT or not math.isnan(row[2]))
LOWER = st.sampled_from(["gw", "region"])
DEED = st.one_of(
    st.lists(ROW, min_size=1, max_size=30),
    st.lists(ROW, min_size=1, max_size=30),
    st.tuples(st.just("ship"), LOWER, st.integers(1, 60)),
    st.tuples(st.just("ship"), LOWER, st.integers(1, 60)),
    st.tuples(st.just("drop"), LOWER, st.integers(1, 5)),
    st.tuples(st.just("take"), st.sampled_from(["gw", "region", "hub"]), st.just(0)),
    st.tuples(st.just("retain"), LOWER, st.just(0)),
    st.tuples(st.just("retain"), LOWER, st.just(0)),
    st.tuples(st.just("a day later"), st.just(""), st.just(0)),
)


async def do(places: dict[str, Place], clock: ManualClock, deed: tuple[str, str, int]) -> None:
    what, name, number = deed
    if what == "ship":
        await places[name].ship(number)
    elif what == "drop":
        await places[name].drop(number)
    elif what == "take":
        await places[name].keeper.take_all()
    elif what == "retain":
        await places[name].keeper.take_all()
        await places[name].keeper.retain()
    else:
        clock.advance(86_400)


async def play(folder: Path, deeds: list[Any], spans: list[tuple[int, int]], step_s: int) -> None:
    clock, oracle = ManualClock(START + 4 * DAY), Oracle()  # the first day's readings may go at once
    kept = {"hub": HistorySettings(rows=300), "region": SHORT, "gw": SHORT}
    places = {name: Place(name, folder / name, clock, how) for name, how in kept.items()}
    gw = places["gw"]
    for n in range(SERIES):
        gw.journal.catalogue.intern(Series("gw", f"d{n}", "m", "Cel", KINDS[n % 4]))
    await places["region"].join(places["hub"])
    await gw.join(places["region"])
    for deed in deeds:
        if isinstance(deed, tuple):
            await do(places, clock, deed)
        else:
            oracle.send(deed)
            batch = readings(deed, gw.journal.catalogue.is_text.tolist())
            await gw.journal.submit(lambda tx: tx.append_readings(Lane.BULK, batch))  # noqa: B023  # awaited in this turn
    without = [name for name in ALL if not name.startswith("p")]
    for start, length in spans:
        low, high = START + start * NS // 3, START + (start + length + 1) * NS // 3
        for place in places.values():
            check_points(await place.ask(["*"], low, high, None, ALL, 100_000), oracle, low, high)
            step_ns = step_s * NS
            check_steps(await place.ask(["*"], low, high, step_ns, without), oracle, low, high, step_ns, without)
            check_steps(await place.ask(["gw/*"], low, high, step_ns, ALL), oracle, low, high, step_ns, ALL)
    for place in reversed(places.values()):
        await place.close()


SPAN = st.tuples(st.integers(0, 9 * 86_400), st.integers(0, 9 * 86_400))


@pytest.mark.timeout(200)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DEED, max_size=14), st.lists(SPAN, min_size=1, max_size=2), st.sampled_from([600, 3600, 7200, 900]))
def test_every_node_tells_the_whole_truth_however_rows_are_spread(
    deeds: list[Any], spans: list[tuple[int, int]], step_s: int
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        asyncio.run(play(Path(folder), deeds, spans, step_s))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(deadline=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DEED, max_size=40), st.lists(SPAN, min_size=1, max_size=2), st.sampled_from([60, 600, 3600, 7200]))
def test_a_thousand_stories(deeds: list[Any], spans: list[tuple[int, int]], step_s: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        asyncio.run(play(Path(folder), deeds, spans, step_s))
