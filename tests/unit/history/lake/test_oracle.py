"""Whatever was sent, and however far it has become files, an answer is what DuckDB says over the rows as sent.

Late, repeated, out-of-order and bad rows, texts, rows that are no numbers; borders between tiers anywhere; merges and
restarts in between.
"""

import asyncio
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.history.lake.oracle import Oracle, check_points, check_steps
from tests.unit.history.lake.site import DAY, NS, START, Site, ask, readings

from holdfast.history.answers import ALL
from holdfast.model.lane import Lane

SERIES = 6
ROW = st.tuples(
    st.integers(0, SERIES - 1),
    st.integers(0, 3 * 86_400 * 4).map(lambda quarter: START + quarter * NS // 4 + quarter % 7),
    st.sampled_from([0.0, 1.0, 2.0, 3.0, math.nan]),
    st.sampled_from([0, 0, 0, 1, 2, 1 | 2 << 2, 2 | 3 << 2]),
)


def burst(row: tuple[int, int, float, int], count: int, period: int) -> list[tuple[int, int, float, int]]:
    """Rows so dense that steps are worth their bytes."""
    series, ts, value, quality = row
    return [(series, ts + n * period * NS // 4, value + n % 7, quality if n % 9 else 0) for n in range(count)]


DEED = st.one_of(
    st.lists(ROW, min_size=1, max_size=40),
    st.builds(burst, ROW, st.integers(100, 300), st.integers(1, 40)),
    st.sampled_from(["take", "take", "merge", "a day later", "tidy", "reopen"]),
)


async def play(folder: Path, deeds: list[Any], spans: list[tuple[int, int]], step_s: int) -> None:
    site, oracle = Site(folder, series=SERIES), Oracle()
    await site.keeper.tidy()
    for n, deed in enumerate(deeds):
        if isinstance(deed, list):
            lane = Lane.NORMAL if n % 5 == 4 else Lane.BULK
            # A series keeps to a lane, as it does for real: between lanes equal times have no order.
            rows = [(SERIES - 1 if lane is Lane.NORMAL else r[0] % (SERIES - 1), *r[1:]) for r in deed]
            oracle.send(rows)
            await site.send(readings(rows, site.journal.catalogue.is_text.tolist()), lane)
        elif deed == "take":
            await site.keeper.take_all()
        elif deed == "merge":
            await site.keeper.merge_due()
        elif deed == "a day later":
            site.clock.advance(86_400)
        elif deed == "tidy":
            await site.keeper.tidy()
        else:
            now = site.clock.wall_ns()
            site.close()
            site = Site(folder, series=SERIES)
            site.clock.advance((now - START) / NS)
            await site.keeper.tidy()
    for low, high in spans:
        from_ns, to_ns = START + low * NS // 3, START + (low + high + 1) * NS // 3
        check_points(ask(site, from_ns, to_ns, None), oracle, from_ns, to_ns)
        check_steps(ask(site, from_ns, to_ns, step_s * NS, ALL), oracle, from_ns, to_ns, step_s * NS, ALL)
        without = [name for name in ALL if not name.startswith("p")]
        coarse = ask(site, from_ns, to_ns, step_s * NS, without)
        assert [c.count for c in coarse.series] == [c.count for c in ask(site, from_ns, to_ns, step_s * NS).series]
    assert not [line for line in site.lines if "HistoryFailed" in line]
    site.close()


SPAN = st.tuples(st.integers(0, 9 * 86_400), st.integers(0, 9 * 86_400))


@pytest.mark.timeout(120)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DEED, max_size=12), st.lists(SPAN, min_size=1, max_size=2), st.sampled_from([600, 3600, 7200, 900]))
def test_an_answer_is_what_duckdb_says_over_the_rows_as_sent(
    deeds: list[Any], spans: list[tuple[int, int]], step_s: int
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        asyncio.run(play(Path(folder), deeds, spans, step_s))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(deadline=None, max_examples=2_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(DEED, max_size=30), st.lists(SPAN, min_size=1, max_size=3), st.sampled_from([60, 600, 3600, 7200]))
def test_thousands_of_stories(deeds: list[Any], spans: list[tuple[int, int]], step_s: int) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        asyncio.run(play(Path(folder), deeds, [s for s in spans if s[1] / 3 / step_s < 50_000], step_s))


def test_a_question_over_three_days_reads_steps_and_gives_the_same(tmp_path: Path) -> None:
    async def body() -> None:
        site, oracle = Site(tmp_path, series=2), Oracle()
        rows = [(n % 2, START + n * 10 * NS, float(n % 5), 2 * (n % 50 == 0)) for n in range(3 * 8640)]
        oracle.send(rows)
        await site.send(readings(rows, [False, True]))
        await site.keeper.take_all()
        site.clock.advance(4 * 86_400)
        await site.keeper.merge_due()
        low, high = START + 1800 * NS, START + 2 * DAY + 999 * NS
        without = [name for name in ALL if not name.startswith("p")]
        answer = ask(site, low, high, 3600 * NS, without)
        assert {source.step for source in answer.sources} == {0, 3600}
        check_steps(answer, oracle, low, high, 3600 * NS, without)
        site.close()

    asyncio.run(body())
