"""Which picture's result is being asked for, on disk: after a crash it tells whose result may be stored already.

A picture leaves its place after its result is committed. A crash in between would have it scored and published once
more; the note says at which time its result would be, and that is looked for in the journal.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import read_bytes, write_atomic

_NAME = ".under-way"


class Noted(msgspec.Struct, frozen=True):
    """A picture's file as it was, and the result's device and time (ns UTC)."""

    path: str
    size: int
    modified_ns: int
    camera: str
    ts_ns: int


class Notes:
    """One deployment's note. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def read(self) -> Noted | None:
        """What an earlier life noted last; None = nothing that can be read."""
        with suppress(StorageUnusable, msgspec.DecodeError):
            return msgspec.json.decode(read_bytes(self._path), type=Noted)
        return None

    def write(self, noted: Noted) -> None:
        """Note it, before its result can be stored.

        Raises:
            StorageUnusable: when it can't be written.
        """
        write_atomic(self._path, msgspec.json.encode(noted))
