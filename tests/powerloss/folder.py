"""A `storage.folder.Folder` in one flat directory that writes down what reaches the "disk", and objects in such a one.

Names have `%` for `/`, so that images are flat. What is assumed of the disk: `keep` makes bytes and names safe; a
rename or an exchange happens wholly or not at all, and has happened once it returned; links and removals may be undone
until their own directory is synced.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tests.powerloss.images import directory_of
from tests.powerloss.vfs import Event, Kind, Log

from holdfast.storage.folder import Folder
from holdfast.storage.objects import FolderObjects

PREFIX, COLD_PREFIX = "lake%", "cold%"
PIECE = 4096


class FlatFolder:
    """Implements `Folder`."""

    def __init__(self, home: Path, log: Log | None = None, prefix: str = PREFIX) -> None:
        self._home, self._log, self._prefix = home, log or Log(), prefix

    def create(self, name: str) -> BinaryIO:
        self._log.add(Kind.CREATE, self._flat(name))
        self._path(name).write_bytes(b"")
        return io.BytesIO()

    def keep(self, name: str, file: BinaryIO) -> None:
        self._write(name, file)
        self._log.add(Kind.SYNC, self._flat(name))
        self._names_synced(name)

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb", buffering=0)

    def rename(self, old: str, new: str) -> None:
        if self.size(new) is not None:
            self._log.add(Kind.DELETE, self._flat(new))
            self._names_synced(new)
        self._path(old).replace(self._path(new))
        self._swap([(old, new)])

    def link(self, old: str, new: str) -> None:
        data = self._path(old).read_bytes()
        self._path(new).write_bytes(data)
        self._log.add(Kind.LINK, self._flat(new), data=data)

    def exchange(self, one: str, other: str) -> None:
        names = {name.removeprefix(f"{d}/") for d in (one, other) for name in self.names(d)}
        pairs = [(f"{one}/{name}", f"{other}/{name}") for name in sorted(names)]
        held = {name: self._path(name).read_bytes() for pair in pairs for name in pair if self.size(name) is not None}
        for name in held:
            self._path(name).unlink()
        for first, second in pairs:
            for old, new in ((first, second), (second, first)):
                if old in held:
                    self._path(new).write_bytes(held[old])
        self._swap(pairs)

    def sync(self, name: str) -> None:
        self._log.names_synced(self._flat(name).rstrip("%"))

    def remove(self, name: str) -> None:
        for one in [name] if self.size(name) is not None else list(self.names(name)):
            self._path(one).unlink()
            self._log.add(Kind.DELETE, self._flat(one))

    def names(self, under: str = "") -> Iterator[str]:
        start = self._flat(f"{under}/" if under else "")
        found = sorted(path.name for path in self._home.iterdir() if path.name.startswith(start))
        yield from (name.removeprefix(self._prefix).replace("%", "/") for name in found)

    def size(self, name: str) -> int | None:
        path = self._path(name)
        return path.stat().st_size if path.is_file() else None

    def _write(self, name: str, file: BinaryIO) -> None:
        assert isinstance(file, io.BytesIO)
        data = file.getvalue()
        self._path(name).write_bytes(data)
        for at in range(0, len(data), PIECE):
            self._log.add(Kind.WRITE, self._flat(name), at, data[at : at + PIECE])

    def _names_synced(self, name: str) -> None:
        self._log.names_synced(directory_of(self._flat(name)))

    def _swap(self, pairs: list[tuple[str, str]]) -> None:
        flat = [(self._flat(one), self._flat(other)) for one, other in pairs]
        self._log.events.append(Event(Kind.SWAP, value=flat))

    def _path(self, name: str) -> Path:
        return self._home / self._flat(name)

    def _flat(self, name: str) -> str:
        return self._prefix + name.replace("/", "%")


class HastyFolder(FlatFolder):
    """A control: it never syncs a file's bytes."""

    def keep(self, name: str, file: BinaryIO) -> None:
        self._write(name, file)
        self._names_synced(name)


class FlatObjects(FolderObjects):
    """Our own objects in a folder, on such a "disk"."""

    def __init__(self, home: Path, folder: Folder) -> None:
        super().__init__(home)
        self._folder = folder
