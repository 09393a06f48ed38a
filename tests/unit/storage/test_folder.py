"""Files in a folder tree: what was kept can be reached after a power cut, from the top."""

import os
from pathlib import Path

import pytest

from holdfast.storage.folder import DiskFolder
from holdfast.storage.objects import FolderObjects
from holdfast.storage.sqlite import open_writer


class Disk:
    """What each directory held when it was synced last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[Path, set[str]] = {}
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fsync(self, handle: int) -> None:
        self._fsync(handle)
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            self.names[path] = {one.name for one in path.iterdir()}

    def has(self, path: Path, top: Path) -> bool:
        """Would a power cut now leave a way from `top` to this file?"""
        ways = [path, *path.parents]
        return all(one.name in self.names.get(one.parent, ()) for one in ways[: ways.index(top)])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_new_file_can_be_reached_and_so_it_can_under_another_name(tmp_path: Path, disk: Disk) -> None:
    folder = DiskFolder(tmp_path / "data/lake")
    file = folder.create(".new/x")
    file.write(b"x")
    folder.keep(".new/x", file)
    assert disk.has(tmp_path / "data/lake/.new/x", tmp_path)
    folder.rename(".new/x", "readings/day=1/x")
    assert disk.has(tmp_path / "data/lake/readings/day=1/x", tmp_path)
    folder.link("readings/day=1/x", ".swap/readings/day=1/x")
    folder.sync(".swap/readings/day=1")
    assert disk.has(tmp_path / "data/lake/.swap/readings/day=1/x", tmp_path)


def test_an_object_can_be_reached_and_one_that_was_removed_stays_away(tmp_path: Path, disk: Disk) -> None:
    store = FolderObjects(tmp_path, "site/gw")
    store.put("readings/a", [b"x"])
    store.put("readings/b", [b"x"])
    assert disk.has(tmp_path / "site/gw/readings/a", tmp_path)
    store.remove("readings/a")
    assert disk.names[tmp_path / "site/gw/readings"] == {"b"}
    store.remove("minutes/never-there")


def test_a_new_database_can_be_reached(tmp_path: Path, disk: Disk) -> None:
    open_writer(tmp_path / "var/data/journal.db").close()
    assert disk.has(tmp_path / "var/data/journal.db", tmp_path)
