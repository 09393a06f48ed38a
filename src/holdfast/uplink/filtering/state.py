"""What the filter remembers between commits: kept as one checkpoint, with the cursors that it stands for."""

from collections.abc import Mapping

import msgspec
import numpy as np
from msgspec import Struct, field

from holdfast.uplink.filtering.steps import STEP, Table, empty
from holdfast.uplink.filtering.windows import Span, Windows


class _Stored(Struct, frozen=True):
    digest: str
    steps: bytes = b""
    spans: dict[int, list[Span]] = field(default_factory=dict)
    floors: dict[int, int] = field(default_factory=dict)
    used: dict[str, tuple[int, int]] = field(default_factory=dict)


class FilterState:
    """Steps that aren't over, windows, and the bytes of today's raw surroundings."""

    def __init__(self, digest: str) -> None:
        """digest: of the entries in force."""
        self.digest = digest
        self.steps: Table = empty()
        self.windows = Windows()
        self.used: dict[str, tuple[int, int]] = {}
        """By entry: (UTC day since 1970, bytes sent around alerts)."""

    def encode(self) -> bytes:
        """As stored."""
        windows = self.windows
        return msgspec.msgpack.encode(
            _Stored(self.digest, self.steps.tobytes(), windows.spans, windows.floors, self.used)
        )

    @classmethod
    def decode(cls, stored: bytes, now_s: float) -> "FilterState":
        """From what was stored. now_s: CLOCK_MONOTONIC, from which open steps wait anew."""
        found = msgspec.msgpack.decode(stored, type=_Stored)
        state = cls(found.digest)
        state.steps = np.frombuffer(found.steps, STEP).copy()
        state.steps["touched"] = now_s
        state.windows = Windows(found.spans, found.floors)
        state.used = dict(found.used)
        return state

    def takes(self, entry: str, size: int, day: int, most: int) -> bool:
        """May so many bytes more go up today because of alerts? Then they are counted."""
        known, used = self.used.get(entry, (day, 0))
        used = used if known == day else 0
        if used + size > most:
            return False
        self.used[entry] = (day, used + size)
        return True

    def forget_entries(self, entries: Mapping[str, object]) -> None:
        """Entries that aren't in node.yaml any more have used nothing."""
        self.used = {entry: used for entry, used in self.used.items() if entry in entries}
