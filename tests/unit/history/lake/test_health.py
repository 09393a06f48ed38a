"""Status and check of a memory name what is there, what is damaged and what nobody knows."""

from pathlib import Path

import httpx
import msgspec
from tests.unit.history.lake.days import Faulty, days, evict_all, flip
from tests.unit.history.lake.site import run
from tests.unit.web.doors import call, make_deps

from holdfast.history.lake.health import MemoryStatus, check_memory, memory_status
from holdfast.history.lake.retention import Deed, Step


def test_status_counts_by_day_and_step_here_and_there(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path, Faulty(tmp_path / "cold"), sent=True) as site:
            first = site.keeper.pieces[0]
            await site.keeper._let_go(Step(Deed.EVICT, first, first.files, "disk"))
            found = memory_status(site.journal, site.lake)
            assert found.readings == sum(piece.rows for piece in site.keeper.pieces)
            assert (found.waiting_rows, found.sending, found.cold, found.encrypted) == (0, 0, "ready", False)
            assert found.bytes == sum(piece.size for piece in site.keeper.pieces) < found.cold_bytes
            assert [day.day for day in found.days if day.step == 0] == ["2023-11-15", "2023-11-16", "2023-11-17"]

    run(body())


def test_what_went_is_told_by_reason(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path) as site:
            piece = site.keeper.pieces[0]
            await site.keeper._let_go(Step(Deed.DROP, piece, piece.files, "age"))
            (went,) = memory_status(site.journal, site.lake).went
            assert (went.reason, went.step, went.rows) == ("age", 0, piece.rows)

    run(body())


def test_check_names_damaged_files_here_and_there_and_strays(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path, Faulty(tmp_path / "cold"), sent=True) as site:
            assert check_memory(site.journal, site.lake, with_cold=True).is_whole
            one, other = (piece.files[0] for piece in site.keeper.pieces[:2])
            flip(tmp_path / "lake" / one.name, one.size - 9)
            flip(tmp_path / "cold" / other.name, 99)
            (tmp_path / "cold/readings/stray.parquet").write_bytes(b"x")
            (tmp_path / "lake/readings/stray.parquet").write_bytes(b"x")
            found = check_memory(site.journal, site.lake, with_cold=True)
            assert {(bad.name, bad.place) for bad in found.damaged} == {(one.name, "here"), (other.name, "cold")}
            assert found.strays == ["readings/stray.parquet", "cold: readings/stray.parquet"]
            assert not found.is_whole
            assert len(check_memory(site.journal, site.lake, with_cold=False).damaged) == 1

    run(body())


def test_check_without_the_cold_store_says_so(tmp_path: Path) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        async with days(tmp_path, store, sent=True) as site:
            await evict_all(site)
            store.is_away = True
            found = check_memory(site.journal, site.lake, with_cold=True)
            assert found.cold == "unplugged"
            assert {bad.what for bad in found.damaged} == {"unplugged"}
            assert check_memory(site.journal, site.lake, with_cold=False).is_whole

    run(body())


def test_a_damaged_catalogue_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path) as site:

            def damage(tx: object) -> None:
                tx.db.execute("UPDATE pieces SET ts_min = ts_min + 1 WHERE id = (SELECT min(id) FROM pieces)")  # type: ignore[attr-defined]

            await site.journal.submit(damage)
            found = check_memory(site.journal, site.lake, with_cold=False)
            assert "is not what was written" in found.catalogue
            assert not found.is_whole

    run(body())


def test_the_api_tells_it_or_that_there_is_none() -> None:
    missing: httpx.Response = call(make_deps(), "GET", "/api/v1/history")
    assert missing.status_code == 404
    assert missing.json()["hint"] == "set `history: true` in node.yaml"
    status = MemoryStatus(1, 2, 3, 4, 5, 6, 7, 0, "off", False, [], [])
    found = call(make_deps(memory=lambda: status), "GET", "/api/v1/history")
    assert msgspec.json.decode(found.content, type=MemoryStatus) == status
