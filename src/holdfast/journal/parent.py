"""The parent's account of this node, as last told: what the ledger needs to balance. Kept in the journal's meta."""

from typing import Self

import msgspec
from msgspec import Struct

from holdfast.model.lane import Lane

CONSUMER = "uplink"
"""Cursor: what the parent has."""
SAFE = "uplink.safe"
"""Cursor: what the parent has safely, in its backup too; only that is dropped before disk space gets scarce."""
ACCOUNT = "uplink.account"
BUDGET = "uplink.budget"
_NONE = tuple(0 for _ in Lane)


class Account(Struct, frozen=True):
    """parent: its incarnation. start, gap_rows: by lane, where the branch began there and the gaps taken since."""

    parent: str = ""
    branch: int = 0
    start: tuple[int, ...] = _NONE
    gap_rows: tuple[int, ...] = _NONE

    def with_gaps(self, lane: Lane, rows: int) -> Self:
        """The account after the parent took a gap."""
        taken = tuple(n + rows if i == lane else n for i, n in enumerate(self.gap_rows))
        return msgspec.structs.replace(self, gap_rows=taken)

    def encode(self) -> str:
        """As kept."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, kept: str | None) -> Self:
        """From what was kept; a fresh one when there is nothing."""
        return cls() if kept is None else msgspec.json.decode(kept, type=cls)
