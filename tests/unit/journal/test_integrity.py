import random
from functools import partial
from pathlib import Path

import apsw
import pytest
from tests.unit.journal.kept import NOW, a_store, do, fill, held, some, values

from holdfast.journal.errors import GroupCorrupt
from holdfast.journal.integrity import Damage, isolate, repair, scan
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GapReason
from holdfast.journal.rows import place_of
from holdfast.journal.store import Store
from holdfast.model.lane import Lane


def damages(reader: JournalReader) -> list[Damage]:
    return [found for found in scan(reader, Lane.BULK) if isinstance(found, Damage)]


def flip(store: Store, first: int, column: str, change: str) -> None:
    sql = f"UPDATE groups SET {column} = {change} WHERE place = ?"  # noqa: S608  # our own words
    store.db.execute(sql, (place_of(Lane.BULK, first),))


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("blob", "CAST(substr(blob, 1, 20) || x'7f' || substr(blob, 22) AS BLOB)"),
        ("last", "last + 1"),
        ("ts_min", "ts_min - 1"),
        ("chain", "zeroblob(16)"),
        ("origin", "'other'"),
        ("kind", "1"),
        ("branch", "7"),
        ("crc", "crc + 1"),
    ],
)
def test_damage_in_any_column_is_found_and_never_served(tmp_path: Path, column: str, change: str) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    flip(store, 11, column, change)
    found = damages(reader)
    assert found
    assert (found[0].first, found[0].last) == (11, 20)
    with pytest.raises(GroupCorrupt) as caught:
        reader.read(Lane.BULK, 10, 100)
    assert caught.value.place == place_of(Lane.BULK, 11)
    assert [g.last for g in reader.read(Lane.BULK, 0, 100)] == [10]


def test_missing_rows_are_found(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    for first in (11, 31):
        store.db.execute("DELETE FROM groups WHERE place = ?", (place_of(Lane.BULK, first),))
    assert [(d.first, d.last) for d in damages(reader)] == [(11, 20), (31, 40)]


@pytest.mark.parametrize("how", ["blob", "row"])
def test_a_damaged_group_becomes_a_gap_with_exact_seqs(tmp_path: Path, how: str) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    if how == "blob":
        flip(store, 11, "blob", "x'00112233'")
    else:
        store.db.execute("DELETE FROM groups WHERE place = ?", (place_of(Lane.BULK, 11),))
    gap = do(store, lambda tx: isolate(tx, Lane.BULK, 11, NOW))
    assert (gap.first, gap.last, gap.reason) == (11, 20, GapReason.DAMAGED)
    assert held(reader)[1] == (11, 20, "gap")
    assert do(store, lambda tx: isolate(tx, Lane.BULK, 11, NOW)) is None
    assert store.state.counters["rows_shed.lane2.damaged"] == 10
    if how == "blob":
        assert not damages(reader)


def test_when_the_chain_itself_is_lost_the_rest_is_chained_anew(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    flip(store, 11, "blob", "x'00'")
    flip(store, 11, "chain", "x'00'")
    do(store, lambda tx: isolate(tx, Lane.BULK, 11, NOW))
    assert not damages(reader)
    assert reader.chain_at(Lane.BULK, 40) == store.state.chains[Lane.BULK]
    fill(store, 1)
    assert not damages(reader)


def test_rows_fetched_again_take_the_place_of_the_gap_only_when_they_are_the_same(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    before = values(reader)
    flip(store, 11, "blob", "x'00112233'")
    do(store, lambda tx: isolate(tx, Lane.BULK, 11, NOW))
    chain = reader.chain_at(Lane.BULK, 10)
    assert chain is not None
    assert not do(store, lambda tx: repair(tx, Lane.BULK, 11, some(store, 10, 12), chain))
    assert do(store, lambda tx: repair(tx, Lane.BULK, 11, some(store, 10, 11), chain))
    assert values(reader) == before
    assert not damages(reader)
    assert store.state.counters["rows_shed.lane2.damaged"] == 0
    assert reader.gaps() == []


def test_a_row_that_strayed_to_another_place_is_found_at_both(tmp_path: Path) -> None:
    store, reader = a_store(tmp_path), JournalReader(tmp_path / "journal.db")
    fill(store, 4)
    flip(store, 11, "place", "place + 4")
    for damage in damages(reader):
        do(store, partial(isolate, lane=Lane.BULK, seq=damage.first, now_ns=NOW))
    assert not damages(reader)
    assert [kind for _, _, kind in held(reader)] == ["readings", "gap", "gap", "readings", "readings"]
    assert values(reader) == [*range(1, 11), *range(21, 41)]


def test_flipped_bits_in_a_plain_file_are_found_or_harmless_and_never_served(tmp_path: Path) -> None:
    """Any bit of the file, seeded: what is read afterwards is what was written, or an error that names it."""
    store = a_store(tmp_path)
    fill(store, 40, rows=50)
    store.close()
    original = (tmp_path / "journal.db").read_bytes()
    reader = JournalReader(tmp_path / "journal.db")
    good = values(reader)
    reader.close()
    rng = random.Random(20261121)
    for trial in range(300):
        damaged = bytearray(original)
        at = rng.randrange(len(damaged))
        damaged[at] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{trial % 2}.db"
        path.write_bytes(damaged)
        served = serve(path)
        assert served is None or served == good, f"bit flip at byte {at} served wrong rows"


def serve(path: Path) -> list[float] | None:
    reader = JournalReader(path)
    try:
        if damages(reader):
            return None
        return values(reader)
    except (apsw.Error, Exception):  # noqa: BLE001  # any error is a noticed one
        return None
    finally:
        reader.close()
