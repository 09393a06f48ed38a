"""Newest readings, now and as of a time, against everything that was sent; and streams against plain answers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.history.lake.site import DAY, NS, START, Site, ask, readings, run

from holdfast.client import in_order
from holdfast.history.answers import ALL, spoken
from holdfast.history.errors import QueryTooLong
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.history.lake.view import view
from holdfast.history.latest import Known, Latest
from holdfast.history.question import Deadline
from holdfast.history.rows import Texts
from holdfast.history.streaming import Asked, Told, stream
from holdfast.kernel.clock import ManualClock
from holdfast.model.lane import Lane
from holdfast.model.series import Kind

SERIES = 4
KINDS = [Kind.FLOAT, Kind.TEXT, Kind.BOOL, Kind.INT]
ROW = st.tuples(
    st.integers(0, SERIES - 1),
    st.integers(0, 4 * 86_400).map(lambda s: START + s * NS),
    st.integers(0, 1).map(float),
    st.sampled_from([0, 0, 1, 6]),
)
DEED = st.one_of(st.lists(ROW, min_size=1, max_size=20), st.sampled_from(["take", "merge", "a day later"]))


def latest_of(site: Site) -> Latest:
    catalogue = site.journal.catalogue
    memory = lambda low, high: view(site.lake, site.journal, catalogue.is_text, low, high)  # noqa: E731
    return Latest(site.journal, catalogue, memory)


def check(site: Site, sent: list[tuple[int, int, float, int]], as_of: int | None) -> None:
    found = latest_of(site).find(np.arange(SERIES, dtype=np.int32), as_of)
    wanted: dict[int, tuple[int, float, int]] = {}
    for series, ts, value, quality in sent:
        if (as_of is None or ts <= as_of) and (series not in wanted or ts >= wanted[series][0]):
            wanted[series] = (ts, value, quality)
    assert set(found) == set(wanted)
    for series, (ts, value, quality) in wanted.items():
        one = found[series]
        assert (one.ts, one.quality) == (ts, quality)
        if KINDS[series] == Kind.TEXT:
            assert one.text == f"w{value:g}"
        else:
            assert spoken(np.array([one.value]), Kind.FLOAT, Texts()) == [value]


@pytest.mark.timeout(120)
@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(DEED, max_size=10), st.lists(st.integers(-10, 5 * 86_400), max_size=4))
def test_the_newest_reading_is_the_last_one_sent_of_the_newest_time_wherever_it_lies(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[Any], times: list[int]
) -> None:
    async def body() -> None:
        site = Site(tmp_path_factory.mktemp("site"), series=SERIES)
        sent: list[tuple[int, int, float, int]] = []
        for deed in deeds:
            if isinstance(deed, list):
                sent += deed
                await site.send(readings(deed, [kind == Kind.TEXT for kind in KINDS]))
            elif deed == "take":
                await site.keeper.take_all()
            elif deed == "merge":
                await site.keeper.merge_due()
            else:
                site.clock.advance(86_400)
        check(site, sent, None)
        for second in times:
            check(site, sent, START + second * NS)
        for as_of in {row[1] for row in sent}:
            check(site, sent, as_of)
        site.close()

    run(body())


def test_where_only_steps_are_left_the_last_of_them_is_told_as_uncertain(tmp_path: Path) -> None:
    async def body() -> None:
        keep = KeepSettings(raw=86_400.0, minutes=30 * 86_400.0)
        site = Site(tmp_path, HistorySettings(rows=100_000, keep=(keep,)), series=1)
        await site.send(readings([(0, START + n * NS, float(n), 0) for n in range(3600)], [False]))
        await site.keeper.take_all()
        site.clock.advance(2 * 86_400)
        await site.keeper.merge_due()
        await site.keeper.retain()
        ids = np.array([0], np.int32)
        assert [source.step for source in ask(site, START, START + DAY, None).sources] == [60]
        newest = latest_of(site).find(ids)[0]
        assert (newest.ts, newest.value, newest.tier) == (START + 3599 * NS, 3599.0, "warm")
        assert newest.quality & 3 == 1
        earlier = latest_of(site).find(ids, START + 125 * NS)[0]
        assert (earlier.ts, earlier.value) == (START + 119 * NS, 119.0)
        site.close()

    run(body())


def test_what_came_since_the_asker_listens_is_looked_for_only_where_it_did_not_hear_it(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=4 * 4)
        ids = np.array([0, 4, 8], np.int32)
        await site.send(readings([(0, START, 1.0, 0), (4, START, 1.0, 0)], [False] * 16))
        heads = {lane: site.journal.head(lane) for lane in Lane}
        await site.send(readings([(int(one), START + NS, 2.0, 0) for one in ids], [False] * 16))

        def found(silent: list[int], unheard: list[int]) -> dict[int, float]:
            known = Known(heads, np.array(silent, np.int32), np.array(unheard, np.int32))
            return {one: newest.value for one, newest in latest_of(site).find(ids, known=known).items()}

        assert found([], []) == {0: 1.0, 4: 1.0}
        assert found([0, 8], []) == {0: 1.0, 4: 1.0, 8: 2.0}
        assert found([], [4]) == {0: 1.0, 4: 2.0}
        await site.keeper.take_all()
        assert found([], []) == {0: 2.0, 4: 2.0, 8: 2.0}  # a file's index tells it for nothing
        site.close()

    run(body())


async def two_days(folder: Path) -> Site:
    site = Site(folder, series=4)
    for day in range(2):
        rows = [
            (n, START + day * DAY + s * NS, float((s // 30 + n) % 2), 6 if s % 600 == 0 else 0)
            for s in range(0, 86_400, 30)
            for n in range(4)
        ]
        await site.send(readings(rows, [kind == Kind.TEXT for kind in KINDS]))
        if day == 0:
            await site.keeper.take_all()
            site.clock.advance(2 * 86_400)
            await site.keeper.merge_due()
    return site


def poured(site: Site, asked: Asked) -> tuple[list[dict[str, Any]], Told]:
    batches: list[pa.RecordBatch] = []
    told = stream(site.history, asked, batches.append)
    table = in_order(pa.Table.from_batches(batches, asked.schema))
    return table.set_column(6, "ts", table.column("ts").cast(pa.int64())).to_pylist(), told


def test_a_stream_holds_the_readings_of_the_plain_answer_from_files_and_journal(tmp_path: Path) -> None:
    async def body() -> None:
        site = await two_days(tmp_path)
        low, high = START + 3600 * NS, START + DAY + 3600 * NS
        plain = ask(site, low, high, None)
        found, told = poured(site, Asked(["*"], low, high))
        assert told.rows == len(found) == sum(len(column.ts) for column in plain.series)
        assert told.sources == plain.sources
        at = 0
        for column in plain.series:
            for ts, value, quality in zip(column.ts, column.value or [], column.quality or [], strict=True):
                row = found[at]
                at += 1
                said = row["text"] if column.kind == "text" else row["value"]
                assert (row["series"], row["ts"], said) == (column.series, ts, value)
                assert row["quality"] == ("good", "uncertain", "bad")[quality & 3]
        site.close()

    run(body())


@pytest.mark.parametrize("cells", [40, 700])
def test_a_stream_of_steps_in_pages_is_the_plain_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    async def body() -> None:
        site = await two_days(tmp_path)
        low, high = START + 1234 * NS, START + DAY + 3600 * NS
        plain = ask(site, low, high, 600 * NS, ALL)
        monkeypatch.setattr("holdfast.history.streaming.PAGE_CELLS", cells)
        found, told = poured(site, Asked(["*"], low, high, 600 * NS, ALL))
        assert told.rows == len(found) == sum(len(column.ts) for column in plain.series)
        at = 0
        for column in plain.series:
            for i, ts in enumerate(column.ts):
                row = found[at]
                at += 1
                assert (row["series"], row["ts"]) == (column.series, ts)
                assert (row["last_text"] if column.kind == "text" else row["last"]) == (column.last or [])[i]
                for name in ("count", "bad", "uncertain"):
                    assert row[name] == getattr(column, name)[i]
                if column.kind != "text":
                    for name in ("min", "max", "mean", "p95"):
                        one, other = row[name], getattr(column, name)[i]
                        assert one == other or math.isclose(one, other)
        site.close()

    run(body())


def test_a_page_that_could_hold_a_day_ends_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        site = await two_days(tmp_path)
        monkeypatch.setattr("holdfast.history.streaming.PAGE_CELLS", 250 * SERIES)  # 41 h of ten minutes
        batches: list[pa.RecordBatch] = []
        stream(site.history, Asked(["*"], START + 7200 * NS, START + 2 * DAY, 600 * NS), batches.append)
        days = [np.unique(batch.column("ts").cast(pa.int64()).to_numpy() // DAY).tolist() for batch in batches]
        assert days == [[START // DAY], [START // DAY + 1]]
        site.close()

    run(body())


def test_the_time_limit_stops_the_work_between_parts(tmp_path: Path) -> None:
    async def body() -> None:
        site = await two_days(tmp_path)
        clock = ManualClock()
        deadline = Deadline(clock, 5.0)
        seen: list[int] = []

        def emit(batch: pa.RecordBatch) -> None:
            seen.append(len(batch))
            clock.advance(10.0)

        with pytest.raises(QueryTooLong):
            stream(site.history, Asked(["*"], START, START + 2 * DAY), emit, deadline.check)
        assert len(seen) == 1
        site.close()

    run(body())
