"""A count that one process keeps and another reads whenever it likes: eight bytes of a mapped file."""

import mmap
from pathlib import Path

_BYTES = 8


class Tally:
    """The writer's end; the file is made here."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_BYTES))
        with path.open("r+b") as file:
            self._at = mmap.mmap(file.fileno(), _BYTES)
        self._count = 0

    def add(self, more: int) -> None:
        """Count on."""
        self._count += more
        self._at[:] = self._count.to_bytes(_BYTES, "little")


def read_tally(path: Path) -> int:
    """The count now."""
    return int.from_bytes(path.read_bytes(), "little")
