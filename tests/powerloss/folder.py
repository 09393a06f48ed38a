"""A `storage.folder.Folder` in one flat directory that writes down what reaches the "disk".

Names have `%` for `/`, so that images are flat. What is assumed of the disk: `keep` makes bytes and names safe; a
rename or an exchange happens wholly or not at all, and has happened once it returned; links and removals may be undone
until their directory is synced.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tests.powerloss.vfs import Event, Kind, Log

PREFIX = "lake%"
PIECE = 4096


class FlatFolder:
    """Implements `Folder`."""

    def __init__(self, home: Path, log: Log | None = None) -> None:
        self._home, self._log = home, log or Log()

    def create(self, name: str) -> BinaryIO:
        self._log.add(Kind.CREATE, _flat(name))
        self._path(name).write_bytes(b"")
        return io.BytesIO()

    def keep(self, name: str, file: BinaryIO) -> None:
        assert isinstance(file, io.BytesIO)
        data = file.getvalue()
        self._path(name).write_bytes(data)
        for at in range(0, len(data), PIECE):
            self._log.add(Kind.WRITE, _flat(name), at, data[at : at + PIECE])
        self._log.add(Kind.SYNC, _flat(name))
        self._log.names_synced()

    def open(self, name: str) -> BinaryIO:
        return self._path(name).open("rb", buffering=0)

    def rename(self, old: str, new: str) -> None:
        if self.size(new) is not None:
            self._log.add(Kind.DELETE, _flat(new))
            self._log.names_synced()
        self._path(old).replace(self._path(new))
        self._swap([(old, new)])

    def link(self, old: str, new: str) -> None:
        data = self._path(old).read_bytes()
        self._path(new).write_bytes(data)
        self._log.add(Kind.LINK, _flat(new), data=data)

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
        del name  # the model has one directory
        self._log.names_synced()

    def remove(self, name: str) -> None:
        for one in [name] if self.size(name) is not None else list(self.names(name)):
            self._path(one).unlink()
            self._log.add(Kind.DELETE, _flat(one))

    def names(self, under: str = "") -> Iterator[str]:
        start = PREFIX + (f"{under}/" if under else "").replace("/", "%")
        found = sorted(path.name for path in self._home.iterdir() if path.name.startswith(start))
        yield from (name.removeprefix(PREFIX).replace("%", "/") for name in found)

    def size(self, name: str) -> int | None:
        path = self._path(name)
        return path.stat().st_size if path.is_file() else None

    def _swap(self, pairs: list[tuple[str, str]]) -> None:
        flat = [(_flat(one), _flat(other)) for one, other in pairs]
        self._log.events.append(Event(Kind.SWAP, value=flat))

    def _path(self, name: str) -> Path:
        return self._home / _flat(name)


def _flat(name: str) -> str:
    return PREFIX + name.replace("/", "%")
