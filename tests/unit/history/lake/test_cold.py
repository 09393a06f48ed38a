"""Finished days go to the cold store and come back in answers, through crashes, damage and silence."""

from pathlib import Path

import duckdb
import pytest
from tests.unit.history.lake.days import (
    ALL,
    DAYS,
    Faulty,
    days,
    everything,
    evict_all,
    filled,
    flip,
    places,
    rows_of_days,
)
from tests.unit.history.lake.site import DAY, NS, START, Site, readings, run

from holdfast.history.lake.retention import Deed, Step
from holdfast.history.lake.sending import due
from holdfast.history.lake.settings import ColdSettings, HistorySettings
from holdfast.journal.pieces import COLD, DAMAGED, SENDING, WARM, Piece, PieceFile
from holdfast.storage.errors import ObjectsUnreachable


def test_a_finished_day_is_sent_verified_and_read_from_there_once_it_has_left_the_disk(tmp_path: Path) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        async with days(tmp_path, store) as site:
            before = everything(site)
            assert {source.tier for source in before.sources} == {"warm"}
            await site.send_all()
            assert places(site) == {WARM | COLD}
            assert {name for name, _ in store.names()} == {f.name for p in site.keeper.pieces for f in p.files}
            await evict_all(site)
            assert places(site) == {COLD}
            assert not [name for name in site.lake.folder.names() if not name.startswith(".trash/")]
            after = everything(site)
            assert after.series == before.series
            assert {source.tier for source in after.sources} == {"cold"}
            gets = store.gets
            everything(site)
            assert store.gets == gets, "what was read is in the cache"

    run(body())


def test_duckdb_reads_the_cold_folder_as_it_stands(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, ALL, series=2, cold=Faulty(tmp_path / "cold"))
        await filled(site)
        await site.send_all()
        site.close()
        wanted = "SELECT count(*), count(DISTINCT day), min(ts_ns) FROM read_parquet(?, hive_partitioning=true)"
        with duckdb.connect() as db:
            found = db.execute(wanted, [f"{tmp_path}/cold/readings/*/*.parquet"]).fetchall()
        assert found == [(len(rows_of_days()), DAYS, 0)]

    run(body())


def test_a_late_reading_of_a_day_that_has_gone_makes_one_file_more_and_no_reading_is_there_twice(
    tmp_path: Path,
) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        async with days(tmp_path, store, sent=True) as site:
            before = {name for name, _ in store.names()}
            await site.send(readings([(0, START + DAY + 15 * NS, 5.0, 0)], [False, True]))
            await site.keeper.take_all()
            await site.keeper.merge_due()
            await site.send_all()
            after = {name for name, _ in store.names()}
            assert before < after
            assert len(after - before) == 1
            assert sum(len(column.ts) for column in everything(site).series) == len(rows_of_days()) + 1
            wanted = "SELECT count(*), count(DISTINCT (device, ts)) FROM read_parquet(?, hive_partitioning=true)"
            with duckdb.connect() as db:
                found = db.execute(wanted, [f"{tmp_path}/cold/readings/*/*.parquet"]).fetchall()
            assert found == [(len(rows_of_days()) + 1,) * 2]

    run(body())


@pytest.mark.parametrize("where", ["at_put", "after_put"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_crash_in_between_repeats_the_put(tmp_path: Path, where: str, number: int) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")

        def crash(n: int) -> None:
            if n == number:
                raise ObjectsUnreachable("the power went")

        setattr(store, where, crash)
        site = Site(tmp_path, ALL, series=2, cold=store)
        await filled(site)
        before = everything(site)
        await site.send_all()
        assert SENDING | WARM in places(site)
        site.close()
        again = Site(tmp_path, ALL, series=2, cold=store)
        again.clock.advance(site.clock.monotonic())
        await again.keeper.tidy()
        assert everything(again).series == before.series
        await again.send_all()
        assert places(again) == {WARM | COLD}
        assert {name for name, _ in store.names()} == {f.name for p in again.keeper.pieces for f in p.files}
        again.close()

    run(body())


def test_an_object_whose_piece_has_gone_meanwhile_is_removed_with_the_trash(tmp_path: Path) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        async with days(tmp_path, store) as site:

            def crash(n: int) -> None:
                if n == 2:
                    raise ObjectsUnreachable("the power went")

            store.after_put = crash
            await site.send_all()
            assert len(list(store.names())) == 2
            for piece in site.keeper.pieces:
                await site.keeper._let_go(Step(Deed.DROP, piece, piece.files, "age"))
            site.clock.advance(600)
            await site.keeper.retain()
            store.is_away = True
            await site.send_all()
            store.is_away = False
            assert len(list(store.names())) == 2, "nobody was there to be asked"
            await site.send_all()
            assert list(store.names()) == []
            assert site.keeper._books.trash() == []

    run(body())


def test_a_store_that_is_not_there_makes_an_answer_say_so_and_nothing_fails(tmp_path: Path) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        async with days(tmp_path, store, sent=True) as site:
            await evict_all(site)
            store.is_away = True
            site.lake.close()
            answer = everything(site)
            assert [column.ts for column in answer.series] == [[], []]
            assert {source.note for source in answer.sources} == {"not to be had: unplugged"}
            assert {source.tier for source in answer.sources} == {"cold"}

    run(body())


def test_without_the_setting_an_answer_says_what_to_set(tmp_path: Path) -> None:
    async def body() -> None:
        site = Site(tmp_path, ALL, series=2, cold=Faulty(tmp_path / "cold"))
        await filled(site)
        await site.send_all()
        await evict_all(site)
        site.close()
        again = Site(tmp_path, HistorySettings(), series=2)
        again.clock.advance(site.clock.monotonic())
        await again.keeper.tidy()
        assert all("history.cold names none" in source.note for source in everything(again).sources)
        again.close()

    run(body())


def test_what_must_stay_is_never_sent(tmp_path: Path) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        first_day = START // DAY
        async with days(tmp_path, store, may_leave=lambda piece: piece.day != first_day, sent=True) as site:
            assert {piece.day for piece in site.keeper.pieces if piece.files[0].places & COLD} == {
                first_day + 1,
                first_day + 2,
            }
            assert not any("day=2023-11-15" in name for name, _ in store.names())

    run(body())


def test_a_store_that_gives_back_other_bytes_is_not_believed(tmp_path: Path) -> None:
    class Lying(Faulty):
        def get(self, name: str, start: int, end: int) -> bytes:
            return bytes(len(super().get(name, start, end)))

    async def body() -> None:
        async with days(tmp_path, Lying(tmp_path / "cold"), sent=True) as site:
            assert not any(place & COLD for place in places(site))
            assert any("gives back other bytes" in line for line in site.lines)

    run(body())


def test_at_80_percent_of_the_quota_what_is_in_the_cold_store_leaves_and_nothing_is_lost(tmp_path: Path) -> None:
    async def body() -> None:
        store = Faulty(tmp_path / "cold")
        site = Site(tmp_path, ALL, series=2, cold=store)
        await filled(site)
        before = everything(site)
        await site.send_all()
        used = site.keeper.local_bytes
        quota = round(used / 0.9)
        tight = Site.__new__(Site)
        site.close()
        tight.__init__(tmp_path, HistorySettings(rows=5000, quota=quota, cold=ALL.cold), 2, cold=store)  # type: ignore[misc]
        tight.clock.advance(site.clock.monotonic())
        await tight.keeper.tidy()
        await tight.keeper.retain()
        assert tight.keeper.local_bytes <= 0.8 * quota
        after = everything(tight)
        assert after.series == before.series
        assert after.missing == before.missing == []
        assert {source.tier for source in after.sources} == {"warm", "cold"}
        tight.close()

    run(body())


def test_damaged_blocks_come_from_the_cold_copy_and_the_file_is_made_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path, Faulty(tmp_path / "cold")) as site:
            before = everything(site)
            await site.send_all()
            site.lake.close()
            file = site.keeper.pieces[0].files[0]
            flip(tmp_path / "lake" / file.name, file.size // 2)
            assert everything(site).series == before.series
            assert not any(source.note for source in everything(site).sources)
            await site.keeper.scrub.turn(1 << 40)
            assert places(site) == {WARM | COLD}
            assert any("HistoryDamageFound" in line for line in site.lines)
            assert any("HistoryFileHealed" in line for line in site.lines)
            await site.keeper.scrub.turn(1 << 40)
            assert len([line for line in site.lines if "HistoryDamageFound" in line]) == 1

    run(body())


def test_damage_without_another_copy_is_told_once_with_an_event_and_passed_over(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path, settings=HistorySettings(rows=5000)) as site:
            piece = site.keeper.pieces[1]
            await site.keeper.scrub.turn(1)
            flip(tmp_path / "lake" / piece.files[0].name, piece.files[0].size // 2)
            everything(site)  # a question meets it while the scrub is amid a round
            for _ in range(3):
                await site.keeper.scrub.turn(1 << 40)
            assert [p.day for p in site.keeper.pieces if any(f.places & DAMAGED for f in p.files)] == [piece.day]
            events = [line for line in site.lines if "HistoryDamageFound" in line]
            assert len(events) == 1
            answer = everything(site)
            assert any(source.note.startswith("damaged") for source in answer.sources)
            assert sum(len(column.ts) for column in answer.series) == len(rows_of_days()) - piece.rows
            flip(tmp_path / "lake" / piece.files[0].name, piece.files[0].size // 2)
            await site.keeper.scrub.turn(1 << 40)
            assert places(site) == {WARM}, "a disk that gives the right bytes again is believed"

    run(body())


def test_a_turn_of_the_scrub_reads_about_its_budget_and_rounds_go_on(tmp_path: Path) -> None:
    async def body() -> None:
        async with days(tmp_path, settings=HistorySettings(rows=5000)) as site:
            total = sum(piece.size for piece in site.keeper.pieces)
            for _ in range(20):
                await site.keeper.scrub.turn(total // 4)
            assert site.keeper.scrub.rounds >= 2
            assert site.keeper.scrub.verified_bytes >= 2 * total

    run(body())


def sealed(day: int, size: int = 100, place: int = WARM) -> Piece:
    return Piece(day, "*", 1, 0, 0, (PieceFile(0, f"readings/day={day}/x", size, 1, b"", places=place),), True, day)


@pytest.mark.parametrize(
    ("cold", "hour", "expected"),
    [
        (ColdSettings(folder="x"), 12, [1, 2, 3]),
        (ColdSettings(folder="x", after=2 * 86_400.0), 12, [1, 2]),
        (ColdSettings(folder="x", at=(120, 300)), 3, [1, 2, 3]),
        (ColdSettings(folder="x", at=(120, 300)), 5, []),
        (ColdSettings(folder="x", at=(22 * 60, 120)), 1, [1, 2, 3]),
        (ColdSettings(folder="x", at=(120, 300), timezone="+02:00"), 1, [1, 2, 3]),
        (ColdSettings(folder="x", when=0.8), 12, []),
        (ColdSettings(folder="x", when=0.3), 12, [1, 2, 3]),
        (ColdSettings(folder="x", when=0.8, at=(0, 1440)), 12, [1, 2, 3]),
    ],
)
def test_files_go_by_age_share_and_hours(cold: ColdSettings, hour: int, expected: list[int]) -> None:
    pieces = [sealed(3), sealed(1), sealed(2), sealed(0, place=WARM | COLD)]
    now = 5 * DAY + hour * 3600 * NS
    settings = HistorySettings(quota=1000, cold=cold)
    assert [piece.day for piece in due(pieces, settings, now)] == expected


def test_settings_name_one_store() -> None:
    with pytest.raises(ValueError, match="either"):
        ColdSettings()
