import gzip
import io
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.sim.tape.format import _HEAD, MAGIC, Record, TapeInvalid, TapeReader, TapeWriter
from holdfast.sim.tape.replaying import Lateness
from holdfast.sim.tape.rows import RowsInvalid, is_rows, rows

RECORDS = st.lists(
    st.builds(
        Record, st.integers(0, 2**63), st.text(max_size=30), st.binary(max_size=500), st.integers(0, 2), st.booleans()
    ),
    max_size=30,
)


class Named(io.BytesIO):
    name = "x.tape"


def tape(*blocks: list[Record]) -> bytes:
    writer, out = TapeWriter(), [MAGIC]
    for block in blocks:
        for record in block:
            writer.add(record)
        out.append(writer.block())
    return b"".join(out)


def read(raw: bytes) -> tuple[list[Record], int]:
    reader = TapeReader(Named(raw))
    return list(reader), reader.torn


SOME = [Record(5, "a/b", b"x" * 100, 1, True), Record(6, "ü", b"", 0, False)]


@given(RECORDS, RECORDS)
def test_what_is_recorded_is_read(first: list[Record], second: list[Record]) -> None:
    assert read(tape(first, second)) == (first + second, 0)


@given(RECORDS.filter(bool), st.data())
def test_wherever_it_is_torn_whole_blocks_are_read_and_the_rest_is_told(
    last: list[Record], data: st.DataObject
) -> None:
    whole, both = tape(SOME), tape(SOME, last)
    cut = data.draw(st.integers(len(whole), len(both) - 1))
    assert read(both[:cut]) == (SOME, cut - len(whole))


def test_a_last_block_of_the_right_length_and_other_bytes_is_torn_too() -> None:
    raw = bytearray(tape(SOME, SOME))
    raw[-1] ^= 1
    assert read(bytes(raw)) == (SOME, len(raw) - len(tape(SOME)))


def test_damage_in_the_middle_is_an_error_that_says_where() -> None:
    raw = bytearray(tape(SOME, SOME))
    raw[len(MAGIC) + _HEAD.size + 5] ^= 1
    reader = TapeReader(Named(bytes(raw)))
    with pytest.raises(TapeInvalid, match=r"x.tape is damaged near byte \d+: its block doesn't fit its checksum"):
        list(reader)


def test_another_file_is_no_tape() -> None:
    with pytest.raises(TapeInvalid, match="is no tape"):
        TapeReader(Named(b"hello"))


@given(st.binary(max_size=300))
@example(bytes(16))
@example(_HEAD.pack(0, 0, 5, 0))
@example(_HEAD.pack(2**32 - 1, 2**32 - 1, 5, 0))
def test_no_bytes_do_more_than_be_refused(rubbish: bytes) -> None:
    try:
        read(MAGIC + rubbish)
    except TapeInvalid:
        return


@given(st.binary(min_size=1, max_size=200), st.integers(0, 200), st.integers(0, 50))
def test_blocks_with_a_good_checksum_and_wrong_insides_are_refused(packed: bytes, plain: int, count: int) -> None:
    raw = MAGIC + _HEAD.pack(len(packed), plain, count, zlib.crc32(packed)) + packed
    try:
        found, _ = read(raw)
    except TapeInvalid:
        return
    assert found == []


def test_a_block_that_unpacks_to_more_than_it_says_is_not_unpacked() -> None:
    import zstandard

    packed = zstandard.ZstdCompressor().compress(bytes(10_000_000))
    with pytest.raises(TapeInvalid, match="isn't as long as it says"):
        read(MAGIC + _HEAD.pack(len(packed), 100, 1, zlib.crc32(packed)) + packed)


def test_it_is_compact() -> None:
    many = [Record(n, "sim/rooms/room-1", b'{"id": %d, "temperature": 21.5}' % n) for n in range(10_000)]
    assert len(tape(many)) < sum(len(r.topic) + len(r.payload) for r in many) / 5


def test_quantiles_of_lateness_are_right_within_three_percent() -> None:
    lateness = Lateness()
    assert lateness.quantile(0.99) == 0
    for n in range(1, 1001):
        lateness.add(n / 1000)
    assert lateness.quantile(0.5) == pytest.approx(0.5, rel=0.03)
    assert lateness.quantile(0.99) == pytest.approx(0.99, rel=0.03)
    lateness.add(1e9)
    assert lateness.quantile(1.0) > 100


def csv_file(folder: Path, text: str, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return path


def test_rows_become_json_at_their_time(tmp_path: Path) -> None:
    path = csv_file(tmp_path, 'datetime;T;what;n\n2020-03-09 10:54:33;21.5;;7\n"2020-03-09T10:54:34+00:00";inf;a"b;8\n')
    assert list(rows(path, "t")) == [
        Record(1583751273 * 10**9, "t", b'{"datetime":"2020-03-09 10:54:33","T":21.5,"n":7}'),
        Record(1583751274 * 10**9, "t", b'{"datetime":"2020-03-09T10:54:34+00:00","T":"inf","what":"a\\"b","n":8}'),
    ]


def test_rows_may_be_packed_and_have_numbers_of_their_own(tmp_path: Path) -> None:
    path = csv_file(tmp_path, '"date","T"\n"1","2015-02-04 17:51:00",23.18\n', "x.csv.gz")
    assert is_rows(path)
    assert [r.ns for r in rows(path, "t")] == [1423072260 * 10**9]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", ":1: no column is called timestamp"),
        ("ts,b\nsoon,2\n", ":2: `soon` is no time"),
        ("ts,b\n1,2\n3\n", ":3: 1 fields, the head has 2"),
        ("", ":1: no column"),
    ],
)
def test_rows_that_cannot_be_read_are_told_with_their_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RowsInvalid, match=said):
        list(rows(csv_file(tmp_path, text), "t"))


def test_a_file_that_is_not_packed_as_its_name_says_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(b"ts,b\n1,2\n")
    with pytest.raises(RowsInvalid, match="gzip"):
        list(rows(path, "t"))
