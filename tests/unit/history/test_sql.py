"""`holdfast sql` gives the numbers of `holdfast query`, of one moment, and gives nothing else away."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.unit.history.lake.site import DAY, NS, START, Site, ask, readings, run

from holdfast.history.answers import ALL
from holdfast.history.sql import Limits, SqlRefused, desk
from holdfast.storage.folder import DiskFolder

KINDS = [False, True, False, False]


def rows(seconds: range, series: int = 4) -> list[tuple[int, int, float, int]]:
    return [
        (n, START + s * NS + 7, float((s // 10 + n) % (2 if n == 2 else 11)), (0, 0, 1, 2)[(s // 10 + n) % 4])
        for s in seconds
        for n in range(series)
    ]


async def filled(folder: Path) -> Site:
    """Two days: one merged and sealed with its steps, one in loose files, and an hour that is in no file."""
    site = Site(folder, series=4)
    await site.send(readings(rows(range(0, 86_400, 40)), KINDS))
    await site.keeper.take_all()
    site.clock.advance(2 * 86_400)
    await site.keeper.merge_due()
    await site.send(readings(rows(range(86_400, 2 * 86_400, 60)), KINDS))
    await site.keeper.take_all()
    await site.send(readings(rows(range(2 * 86_400, 2 * 86_400 + 3600, 10)), KINDS))
    return site


def lake(site: Site) -> DiskFolder:
    assert isinstance(site.lake.folder, DiskFolder)
    return site.lake.folder


def fetched(site: Site, statement: str, limits: Limits | None = None) -> list[dict[str, Any]]:
    catalogue = site.journal.catalogue
    with desk(site.journal, catalogue, lake(site), limits or Limits("200MB", 1, 20)) as ready:
        return [row for batch in ready.run(statement) for row in batch.to_pylist()]


def same(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and other is not None and abs(one - other) < 1e-9 * max(1, abs(one)))


@pytest.mark.timeout(90)
def test_sql_over_readings_minutes_and_hours_agrees_with_query_whatever_lies_where(tmp_path: Path) -> None:
    async def body() -> None:
        site = await filled(tmp_path)
        names = [name for name in ALL if not name.startswith("p")]
        for table, step_s in (("minutes", 60), ("hours", 3600)):
            answer = ask(site, START, START + 3 * DAY, step_s * NS, names)
            found = fetched(
                site,
                f"""SELECT device, epoch_ns(ts) AS ts, sum(count) AS "count", sum(bad) AS bad,
                    sum(uncertain) AS uncertain, min("min") AS "min", max("max") AS "max",
                    sum("mean" * count) / sum(count) AS "mean",
                    arg_max(coalesce(last_text, "last"::VARCHAR), epoch_ns(ts) + last_ns) AS "last"
                    FROM {table} GROUP BY device, ts ORDER BY device, ts""",  # noqa: S608  # our own names
            )
            at = 0
            for column in answer.series:
                for i, ts in enumerate(column.ts):
                    row = found[at]
                    at += 1
                    assert row["ts"] == ts
                    assert (row["count"], row["bad"], row["uncertain"]) == (
                        (column.count or [])[i],
                        (column.bad or [])[i],
                        (column.uncertain or [])[i],
                    )
                    if column.kind == "text":
                        assert row["last"] == (column.last or [])[i]
                        continue
                    for name in ("min", "max", "mean"):
                        assert same(row[name], getattr(column, name)[i]), (table, name, ts)
            assert at == len(found) > 1000 / step_s
        points = ask(site, START, START + 3 * DAY, None)
        counted = fetched(site, "SELECT device, count(*) AS n, max(ts_ns) AS rest FROM readings GROUP BY 1 ORDER BY 1")
        assert [row["n"] for row in counted] == [len(column.ts) for column in points.series]
        assert {row["rest"] for row in counted} == {7}
        site.close()

    run(body())


def test_files_may_be_merged_and_moved_away_while_a_statement_runs(tmp_path: Path) -> None:
    async def body() -> None:
        site = await filled(tmp_path)
        catalogue = site.journal.catalogue
        with desk(site.journal, catalogue, lake(site), Limits("200MB", 1, 20)) as ready:
            (before,) = [r for b in ready.run("SELECT count(*) AS n FROM readings") for r in b.to_pylist()]
            await site.keeper.take_all()
            site.clock.advance(3 * 86_400)
            await site.keeper.merge_due()
            (after,) = [r for b in ready.run("SELECT count(*) AS n FROM readings") for r in b.to_pylist()]
        assert before == after == fetched(site, "SELECT count(*) AS n FROM readings")[0]
        site.close()

    run(body())


OUTSIDE = Path(tempfile.gettempdir()) / "holdfast-sql-must-not-write"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('/proc/self/environ')",
        "SELECT * FROM read_blob('/proc/self/fd/0')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('data/journal.db')",
        f"COPY (SELECT 1) TO '{OUTSIDE}'",
        f"EXPORT DATABASE '{OUTSIDE}'",
        f"ATTACH '{OUTSIDE}' AS out",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 64",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW readings",
        "INSERT INTO waiting SELECT * FROM waiting",
        "SELECT 1; SELECT 2",
        "SELECT getenv('HOME')",
        "SELECT * FROM site",
        "SELECT * FROM query('COPY (SELECT 1) TO ''x''')",
        "SELEC 1",
        "",
    ],
)
def test_a_statement_can_read_nothing_else_write_nothing_load_nothing_and_set_nothing(
    tmp_path: Path, statement: str
) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=1)
        with pytest.raises(SqlRefused) as refused:
            fetched(site, statement)
        assert refused.value.hint
        site.close()

    run(body())
    assert not OUTSIDE.exists()


def test_encrypted_files_are_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=4, key=bytes(range(32)))
        await site.send(readings(rows(range(0, 600, 10)), KINDS))
        assert fetched(site, "SELECT count(*) AS n FROM readings") == [{"n": 240}], "the journal's key is at hand"
        await site.keeper.take_all()
        with pytest.raises(SqlRefused, match=r"encrypted under journal\.key, and SQL reads plain ones only") as refused:
            fetched(site, "SELECT count(*) FROM readings")
        assert "holdfast query" in refused.value.hint
        assert "docs/how-to/archive.md" in refused.value.hint
        site.close()

    run(body())


@pytest.mark.parametrize("setting", ["enable_external_access", "lock_configuration", "threads", "memory_limit"])
def test_even_past_the_check_of_statements_the_settings_are_locked(tmp_path: Path, setting: str) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=1)
        with (
            desk(site.journal, site.journal.catalogue, lake(site), Limits()) as ready,
            pytest.raises(duckdb.InvalidInputException, match="locked"),
        ):
            ready.db.execute(f"SET {setting} = '1'")
        with (
            desk(site.journal, site.journal.catalogue, lake(site), Limits()) as ready,
            pytest.raises(duckdb.PermissionException),
        ):
            ready.db.execute(f"COPY (SELECT 1) TO '{OUTSIDE}'")
        site.close()

    run(body())


@pytest.mark.parametrize(
    "statement", ["FROM hours", "WITH a AS (FROM minutes) SELECT * FROM a", "DESCRIBE readings", "EXPLAIN SELECT 1"]
)
def test_what_only_reads_is_answered_even_where_nothing_is_stored(tmp_path: Path, statement: str) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=1)
        fetched(site, statement)
        site.close()

    run(body())


@pytest.mark.parametrize(
    ("limits", "statement", "said"),
    [
        (Limits("200MB", 1, 0.3), "SELECT sum(random()) FROM range(100000000000)", "given up after 0.3 s"),
        (Limits("50MB", 1, 20), "SELECT list(random()) FROM range(100000000)", "Out of Memory"),
    ],
)
def test_time_and_memory_are_bounded(tmp_path: Path, limits: Limits, statement: str, said: str) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=1)
        with pytest.raises(SqlRefused, match=said) as refused:
            fetched(site, statement, limits)
        assert "--timeout" in refused.value.hint or "--memory" in refused.value.hint
        site.close()

    run(body())


def test_without_a_lake_the_journal_alone_is_asked(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, series=4)
        await site.send(readings(rows(range(0, 3600, 10)), KINDS))
        with desk(site.journal, site.journal.catalogue, None, replace(Limits(), threads=1)) as ready:
            found: Sequence[Any] = [r for b in ready.run("SELECT count(*) AS n FROM readings") for r in b.to_pylist()]
        assert found == [{"n": 1440}]
        site.close()

    run(body())
