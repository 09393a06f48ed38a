import os
from pathlib import Path

import pytest

from holdfast.storage.ballast import Ballast, free_bytes
from holdfast.storage.errors import StorageUnusable

MIB = 1 << 20


def test_the_reserve_takes_real_blocks_and_gives_them_back(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "data" / "journal.reserve", 4 * MIB)
    assert not ballast.held
    assert ballast.hold()
    assert ballast.held
    found = ballast.path.stat()
    assert found.st_blocks * 512 >= 4 * MIB
    assert found.st_mode & 0o777 == 0o600
    assert ballast.hold()
    assert ballast.path.stat().st_ino == found.st_ino
    assert ballast.release()
    assert not ballast.release()
    assert not ballast.path.exists()


def test_a_half_made_or_hollow_reserve_is_made_again(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "reserve", 2 * MIB)
    ballast.path.write_bytes(b"half")
    assert not ballast.held
    os.truncate(ballast.path, 2 * MIB)  # the size, and no blocks
    assert not ballast.held
    assert ballast.hold()
    assert ballast.held


def test_the_reserve_never_causes_the_emergency_itself(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "reserve", free_bytes(tmp_path) // 2 + 512 * MIB)
    assert not ballast.hold()
    assert not ballast.path.exists()
    assert not Ballast(tmp_path / "none", 0).hold()


def test_the_systems_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="can't be released"):
        Ballast(tmp_path / "file" / "reserve", 1).release()
    (tmp_path / "reserve").mkdir()
    with pytest.raises(StorageUnusable, match="can't be made"):
        Ballast(tmp_path / "reserve", 1).hold()
