import os
from pathlib import Path

import pytest

from holdfast.artifacts.parts import BLOCK, ENDING, Part, blocks
from holdfast.artifacts.ranges import Span, Unsatisfiable, told, wanted

SIZE = 3 * BLOCK + 100
BODY = os.urandom(SIZE)


def write(part: Part, *numbers: int) -> None:
    for number in numbers:
        part.write(number * BLOCK, BODY[number * BLOCK : (number + 1) * BLOCK])


def reopened(path: Path) -> Part:
    part = Part.reopen(path)
    assert part is not None
    return part


def held(path: Path) -> int:
    part = reopened(path)
    part.close()
    return part.held


def test_a_part_goes_on_with_the_blocks_that_came(tmp_path: Path) -> None:
    part = Part.begin(tmp_path / "p", SIZE)
    assert (part.held, part.is_whole, part.gap(10 * BLOCK)) == (0, False, Span(0, SIZE))
    write(part, 0, 3)
    part.close()
    again = reopened(tmp_path / "p")
    assert (again.size, again.held) == (SIZE, BLOCK + 100)
    assert again.gap(10 * BLOCK) == Span(BLOCK, 3 * BLOCK)
    assert again.gap(BLOCK) == Span(BLOCK, 2 * BLOCK)
    assert again.gap(1) == Span(BLOCK, 2 * BLOCK)  # a block at least
    write(again, 1, 2)
    assert (again.held, again.is_whole, again.gap(BLOCK)) == (SIZE, True, None)
    assert again.read(5, SIZE) == BODY[5:]
    again.close()


def test_bytes_can_be_read_as_far_as_they_came(tmp_path: Path) -> None:
    part = Part.begin(tmp_path / "p", SIZE)
    write(part, 0, 1, 3)
    assert part.reach(0, SIZE) == 2 * BLOCK
    assert part.reach(10, 20) == 30
    assert part.reach(2 * BLOCK + 5, 10) == 2 * BLOCK + 5
    assert part.reach(3 * BLOCK, SIZE) == SIZE
    assert part.covers(0, 2 * BLOCK)
    assert not part.covers(BLOCK, 2 * BLOCK + 1)
    part.close()


def test_a_block_that_the_disk_lost_or_spoilt_is_missing_after_all(tmp_path: Path) -> None:
    part = Part.begin(tmp_path / "p", SIZE)
    write(part, 0, 1, 2)
    part.close()
    with (tmp_path / "p").open("r+b") as file:
        file.seek(BLOCK + 7)
        file.write(bytes([BODY[BLOCK + 7] ^ 1]))
    again = reopened(tmp_path / "p")
    assert (again.held, again.gap(SIZE)) == (2 * BLOCK, Span(BLOCK, 2 * BLOCK))
    again.close()


@pytest.mark.parametrize("torn", range(1, 12))
def test_a_torn_record_ends_the_journal_and_what_follows_it_counts(tmp_path: Path, torn: int) -> None:
    part = Part.begin(tmp_path / "p", SIZE)
    write(part, 0, 1)
    part.close()
    journal = tmp_path / f"p{ENDING}"
    journal.write_bytes(journal.read_bytes()[:-torn])
    again = reopened(tmp_path / "p")
    assert again.held == BLOCK
    write(again, 2)
    again.close()
    assert held(tmp_path / "p") == 2 * BLOCK


@pytest.mark.parametrize("head", [b"", b"{}\n", b'{"version":9,"bytes":1,"block":65536}\n', b"\xff\n", b"[" * 500])
def test_a_journal_that_makes_no_sense_is_no_part(tmp_path: Path, head: bytes) -> None:
    Part.begin(tmp_path / "p", SIZE).close()
    (tmp_path / f"p{ENDING}").write_bytes(head)
    assert Part.reopen(tmp_path / "p") is None
    assert Part.reopen(tmp_path / "nothing") is None


def test_a_record_of_a_block_that_is_not_is_not_believed(tmp_path: Path) -> None:
    part = Part.begin(tmp_path / "p", BLOCK)
    part.write(0, BODY[:BLOCK])
    part.close()
    big = Part.begin(tmp_path / "big", SIZE)
    write(big, 3)
    big.close()
    record = (tmp_path / f"big{ENDING}").read_bytes()[-12:]
    with (tmp_path / f"p{ENDING}").open("ab") as file:
        file.write(record)
    assert held(tmp_path / "p") == BLOCK


def test_nothing_at_all_is_whole(tmp_path: Path) -> None:
    part = Part.begin(tmp_path / "p", 0)
    assert (part.is_whole, part.held, part.gap(1)) == (True, 0, None)
    part.drop()
    assert list(tmp_path.iterdir()) == []
    assert [blocks(size) for size in (0, 1, BLOCK, BLOCK + 1)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("header", "if_range", "span"),
    [
        (None, None, None),
        ("bytes=0-9", None, (0, 10)),
        ("bytes=10-", None, (10, 100)),
        ("bytes=-5", None, (95, 100)),
        ("bytes=-500", None, (0, 100)),
        ("bytes=90-500", None, (90, 100)),
        ("Bytes=0-0", '"tag"', (0, 1)),
        ("bytes=0-9", '"other"', None),
        ("bytes=0-9", 'W/"tag"', None),
        ("bytes=0-1,5-6", None, None),
        ("bytes=5-3", None, None),
        ("lines=0-9", None, None),
        ("bytes=-", None, None),
        ("bytes=99999999999999999999-", None, None),
    ],
)
def test_a_range_is_read_as_rfc_9110_has_it(
    header: str | None, if_range: str | None, span: tuple[int, int] | None
) -> None:
    assert wanted(header, if_range, '"tag"', 100) == span


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-1", 0)])
def test_a_range_without_a_byte_is_refused(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        wanted(header, None, '"tag"', size)


@pytest.mark.parametrize("said", ["", "bytes */5", "bytes 0-9/5", "bytes 5-4/9", "bytes 0-4/*", "bytes a-b/c"])
def test_a_content_range_that_contradicts_itself_says_nothing(said: str) -> None:
    assert told(said) is None
    assert told("bytes 0-4/9") == (Span(0, 5), 9)
