"""Lines on disk within a bound; a reader that wants every line learns how many it missed."""

from pathlib import Path

import pytest

from holdfast.storage.errors import StorageUnusable
from holdfast.storage.rolls import Place, Roll

LINE = b"x" * 1_000


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%06d" % n + LINE for n in range(first, last)]


def number(line: bytes) -> int:
    return int(line[:6])


def test_the_newest_lines_stay_and_the_bound_holds(tmp_path: Path) -> None:
    roll = Roll(tmp_path / "r", "traces", 128 << 10)
    for first in range(0, 1_000, 10):
        roll.append(numbered(first, first + 10))
        assert sum(p.stat().st_size for p in (tmp_path / "r").iterdir()) <= (128 << 10) + 11_000
    kept = [number(line) for line in roll.newest_first()]
    assert kept == list(range(999, 999 - len(kept), -1))
    assert len(kept) > 90


def test_lines_outlive_the_process_and_half_a_line_does_not(tmp_path: Path) -> None:
    Roll(tmp_path, "logs", 1 << 20).append(numbered(0, 3))
    with (tmp_path / "logs-00000001.jsonl").open("ab") as file:
        file.write(b"half a li")
    roll = Roll(tmp_path, "logs", 1 << 20)
    assert [number(line) for line in roll.newest_first()] == [2, 1, 0]
    roll.append(numbered(3, 4))
    assert [number(line) for line in roll.newest_first()] == [3, 2, 1, 0]


def test_looking_changes_nothing(tmp_path: Path) -> None:
    assert list(Roll(tmp_path / "none", "logs", 1 << 20).newest_first()) == []
    assert not (tmp_path / "none").exists()


def test_a_reader_gets_every_line_in_order_and_missed_ones_are_counted(tmp_path: Path) -> None:
    roll = Roll(tmp_path, "traces", 128 << 10)
    roll.mark(None, Place())
    got: list[int] = []
    for first in range(0, 1_000, 10):
        roll.append(numbered(first, first + 10))
        if 200 <= first < 400 or first >= 900:  # away at first, and in between
            while True:
                place = roll.marked or Place()
                lines, end = roll.after(place, 4_000)
                roll.mark(place, end)
                if not lines:
                    break
                got += map(number, lines)
    assert got == sorted(set(got))
    assert roll.missed > 0
    assert len(got) + roll.missed == 1_000
    assert roll.unread_bytes() == 0


def test_a_mark_behind_what_a_power_cut_left_begins_at_the_end(tmp_path: Path) -> None:
    roll = Roll(tmp_path, "traces", 1 << 20)
    roll.append(numbered(0, 3))
    roll.mark(None, Place(7, 50_000))
    roll.append(numbered(3, 5))
    lines, _ = roll.after(roll.marked or Place(), 1 << 20)
    assert [number(line) for line in lines] == [3, 4]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="can't be written"):
        Roll(tmp_path / "file" / "folder", "logs", 1 << 20).append([b"x"])
