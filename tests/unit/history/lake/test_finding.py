"""A file that the catalogue names is found at every moment of its way through the folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from holdfast.history.lake.files import open_piece
from holdfast.history.lake.layout import hidden
from holdfast.history.lake.publish import publish
from holdfast.storage.folder import DiskFolder

DIRECTORY = "readings/day=2026-11-21"
OLD = [f"{DIRECTORY}/old-{n}.parquet" for n in range(2)]
NEW = f"{DIRECTORY}/new.parquet"


class Watched(DiskFolder):
    """Calls `look` after each change to the tree."""

    def __init__(self, root: Path, look: Callable[[], None]) -> None:
        super().__init__(root)
        self._look = look

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self._look()

    def link(self, old: str, new: str) -> None:
        super().link(old, new)
        self._look()

    def exchange(self, one: str, other: str) -> None:
        super().exchange(one, other)
        self._look()

    def remove(self, name: str) -> None:
        super().remove(name)
        self._look()


class Overtaken(DiskFolder):
    """Something else happens just after the `at`-th try to open a file."""

    def __init__(self, root: Path, at: int, meanwhile: Callable[[], None]) -> None:
        super().__init__(root)
        self._left, self._meanwhile = at, meanwhile

    def open(self, name: str) -> BinaryIO:
        try:
            return super().open(name)
        finally:
            self._left -= 1
            if self._left == 0:
                self._meanwhile()


def write(folder: DiskFolder, name: str, text: str) -> None:
    file = folder.create(name)
    file.write(text.encode())
    folder.keep(name, file)


def read(folder: DiskFolder, name: str) -> str:
    with open_piece(folder, name) as file:
        return file.read().decode()


def site(root: Path) -> DiskFolder:
    """Two files that are seen, a third that is about to take their place."""
    folder = DiskFolder(root)
    for name in OLD:
        write(folder, name, name)
    write(folder, hidden(NEW), NEW)
    return folder


def test_old_and_new_files_are_found_at_every_step_of_a_merge(tmp_path: Path) -> None:
    plain, looks = site(tmp_path), []

    def look() -> None:
        looks.append([read(plain, name) for name in (*OLD, NEW)])

    publish(Watched(tmp_path, look), DIRECTORY, [NEW], OLD)
    assert len(looks) > 5
    assert all(seen == [*OLD, NEW] for seen in looks)


def test_who_looks_for_a_file_isn_t_overtaken_by_its_renaming(tmp_path: Path) -> None:
    for at in range(1, 6):
        root = tmp_path / str(at)
        plain = DiskFolder(root)
        write(plain, hidden(NEW), NEW)
        folder = Overtaken(root, at, partial(publish, plain, DIRECTORY, [NEW], []))
        assert read(folder, NEW) == NEW


def test_who_looks_for_a_file_isn_t_overtaken_by_a_merge(tmp_path: Path) -> None:
    for at in range(1, 6):
        root = tmp_path / str(at)
        plain = site(root)
        folder = Overtaken(root, at, partial(publish, plain, DIRECTORY, [NEW], OLD))
        assert [read(folder, name) for name in (*OLD, NEW)] == [*OLD, NEW]
