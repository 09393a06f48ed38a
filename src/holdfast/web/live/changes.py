"""Rows that change, and what changed since when: one table serves all viewers of a topic. Pure."""

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import msgspec

_encode = msgspec.json.Encoder(enc_hook=str).encode


class Kept(NamedTuple):
    """A row as it is. version: of the table when it last changed."""

    version: int
    row: Any
    json: bytes


class Table:
    """Rows by key, those that changed last at the end. At most `most`: those that changed longest ago go first."""

    def __init__(self, most: int) -> None:
        self.version = 0
        self._most = most
        self._rows: dict[Hashable, Kept] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, key: Hashable, row: Any) -> None:
        """A row as it is now; nothing changes when it was so before."""
        known = self._rows.get(key)
        if known is not None and known.row == row:
            return
        self.version += 1
        self._rows.pop(key, None)
        self._rows[key] = Kept(self.version, row, _encode(row))
        while len(self._rows) > self._most:
            self._rows.pop(next(iter(self._rows)))

    def clear(self) -> None:
        """Forget the rows, but not that there were some: versions go on."""
        self._rows.clear()

    def since(self, version: int, room: int, fits: Callable[[Kept], bool] = lambda _: True) -> tuple[list[bytes], int]:
        """Rows above a version, oldest change first, of about `room` bytes; and the version up to which they reach."""
        if version >= self.version:
            return [], self.version
        newer: list[Kept] = []
        for kept in reversed(self._rows.values()):
            if kept.version <= version:
                break
            newer.append(kept)
        told: list[bytes] = []
        for kept in reversed(newer):
            if not fits(kept):
                continue
            room -= len(kept.json) + 1
            if room < 0 and told:
                return told, version
            told.append(kept.json)
            version = kept.version
        return told, self.version
