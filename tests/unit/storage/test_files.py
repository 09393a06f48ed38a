from pathlib import Path

import pytest

from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import read_bytes, write_atomic


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "keys" / "node.key"
    write_atomic(target, b"old", mode=0o600)
    write_atomic(target, b"new", mode=0o600)
    assert read_bytes(target) == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in target.parent.iterdir()] == ["node.key"]


def test_the_systems_reason_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageUnusable, match="No such file"):
        read_bytes(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable, match="can't be written"):
        write_atomic(tmp_path / "file" / "below", b"")
