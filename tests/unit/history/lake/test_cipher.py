"""With a journal key nothing of a reading is in the clear, nothing changed is believed, and other readers get in."""

import base64
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from tests.unit.history.lake.site import DAY, START, Site, ask, readings, run

from holdfast.crypto.errors import KeyMismatch
from holdfast.crypto.wrapping import derive, unwrap, wrap
from holdfast.history.errors import PieceLocked
from holdfast.history.lake.cipher import Cipher, lake_key
from holdfast.history.lake.files import FileReader
from holdfast.history.lake.settings import HistorySettings

KEY = bytes(range(32))
VALUE = 1234.56789
ROWS = [(n % 2, START + n * 30 * 10**9, VALUE if n % 3 else 7.0, 0) for n in range(3 * 2880)]


async def filled(folder: Path, key: bytes | None) -> Site:
    site = Site(folder, HistorySettings(rows=5000), series=2, key=key)
    await site.keeper.tidy()
    await site.send(readings(ROWS, [False, True]))
    await site.keeper.take_all()
    return site


def test_no_name_and_no_value_stands_in_a_file_and_answers_are_the_same(tmp_path: Path) -> None:
    async def body() -> None:
        locked = await filled(tmp_path / "locked", KEY)
        clear = await filled(tmp_path / "clear", None)
        for site in (locked, clear):
            site.clock.advance(4 * 86_400)
            await site.keeper.merge_due()
            await site.keeper.tidy()
        low, high = START, START + 4 * DAY
        assert ask(locked, low, high, None).series == ask(clear, low, high, None).series
        assert ask(locked, low, high, 3600 * 10**9).series == ask(clear, low, high, 3600 * 10**9).series
        words = [b"device", b"metric", b"quality", b"good", b"w1234.57"]
        files = {name: data_of(tmp_path / name) for name in ("locked", "clear")}
        assert all(any(word in data for data in files["clear"]) for word in words[:4])
        assert not any(word in data for data in files["locked"] for word in words)
        assert all(data[:4] == data[-4:] == b"PARE" for data in files["locked"])
        locked.close()
        clear.close()

    run(body())


def data_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in (folder / "lake").rglob("*.parquet")]


def test_another_key_and_none_are_told_apart_from_damage(tmp_path: Path) -> None:
    async def body() -> None:
        site = await filled(tmp_path, KEY)
        file = site.keeper.pieces[0].files[0]
        with pytest.raises(PieceLocked, match="with another key"):
            FileReader(site.lake.folder, file, Cipher(bytes(32)))
        with pytest.raises(PieceLocked, match=r"there is no journal\.key"):
            FileReader(site.lake.folder, file)
        site.lake.close()
        site.lake.cipher = Cipher(bytes(32))
        answer = ask(site, START, START + 4 * DAY, None)
        assert all(source.note.startswith("not to be had") for source in answer.sources if source.tier == "warm")
        site.close()

    run(body())


def test_files_in_the_clear_are_read_beside_encrypted_ones(tmp_path: Path) -> None:
    async def body() -> None:
        site = await filled(tmp_path, None)
        before = ask(site, START, START + 4 * DAY, None)
        site.close()
        again = Site(tmp_path, HistorySettings(rows=5000), series=2, key=KEY)
        again.clock.advance(4 * 86_400)
        await again.keeper.tidy()
        assert ask(again, START, START + 4 * DAY, None).series == before.series
        await again.keeper.merge_due()
        again.clock.advance(600)
        await again.keeper.retain()
        assert ask(again, START, START + 4 * DAY, None).series == before.series
        assert all(data[-4:] == b"PARE" for data in data_of(tmp_path)), "a merge encrypts"
        again.close()

    run(body())


def test_parquets_own_tags_refuse_a_flipped_bit_even_where_our_sums_are_not_asked(tmp_path: Path) -> None:
    async def body() -> None:
        site = await filled(tmp_path, KEY)
        file = site.keeper.pieces[0].files[0]
        site.close()
        whole = (tmp_path / "lake" / file.name).read_bytes()
        wanted = opened(whole)
        refused = 0
        for at in range(4, len(whole), max(1, len(whole) // 100)):
            bad = bytearray(whole)
            bad[at] ^= 0x10
            try:
                assert opened(bytes(bad)).equals(wanted), "as in a name that nobody reads"
            except (pa.ArrowException, OSError, KeyMismatch):
                refused += 1
        assert refused > 90

    run(body())


def opened(data: bytes) -> pa.Table:
    return pq.ParquetFile(pa.BufferReader(data), decryption_properties=Cipher(KEY).reading()).read()


def test_duckdb_and_plain_pyarrow_open_a_file_with_its_data_key(tmp_path: Path) -> None:
    async def body() -> None:
        site = await filled(tmp_path, KEY)
        file = site.keeper.pieces[0].files[0]
        site.close()
        path = tmp_path / "lake" / file.name
        data_key = data_key_of(path, KEY)
        with duckdb.connect() as db:
            db.execute(f"PRAGMA add_parquet_key('k', '{base64.b64encode(data_key).decode()}')")
            wanted = "SELECT count(*), count(DISTINCT device) FROM read_parquet(?, encryption_config={footer_key: 'k'})"
            assert db.execute(wanted, [str(path)]).fetchone() == (file.rows, 2)
        properties = pe.create_decryption_properties(footer_key=data_key)
        assert pq.read_table(path, decryption_properties=properties, partitioning=None).num_rows == file.rows

    run(body())


def data_key_of(path: Path, journal_key: bytes) -> bytes:
    """As docs/how-to/archive.md has it."""
    data = path.read_bytes()
    begin = data.rfind(b'{"keyMaterialType"')
    material = json.loads(data[begin : data.index(b"}", begin) + 1])
    return unwrap(base64.b64decode(material["wrappedDEK"]), lake_key(journal_key), material["masterKeyID"])


def test_keys_for_a_purpose_differ_and_are_stable() -> None:
    assert derive(KEY, "holdfast lake v1") == lake_key(KEY)
    assert lake_key(KEY).hex() == "7f8332be767ab7f1fc45d1312112e51d4c2a2dc41e061ddd5dd7a8b38e2478e9"
    assert len({lake_key(KEY), derive(KEY, "other"), KEY}) == 3


def test_a_wrapped_key_opens_with_its_key_and_name_only() -> None:
    wrapped = wrap(b"k" * 32, KEY, "holdfast")
    assert unwrap(wrapped, KEY, "holdfast") == b"k" * 32
    for key, name, data in ((bytes(32), "holdfast", wrapped), (KEY, "x", wrapped), (KEY, "holdfast", wrapped[:-1])):
        with pytest.raises(KeyMismatch):
            unwrap(data, key, name)
