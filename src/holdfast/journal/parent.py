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
    """parent: its incarnation. start, gap_rows: by lane, where the branch began there and the gaps taken since.

    same_region: is the parent of this node's region, so that it gets the region lane?
    any_kind: does it take events of kinds that it doesn't know?
    """

    parent: str = ""
    branch: int = 0
    start: tuple[int, ...] = _NONE
    gap_rows: tuple[int, ...] = _NONE
    same_region: bool = False
    any_kind: bool = False

    def stays(self, lane: Lane) -> bool:
        """Do the lane's rows stay at this node for good?"""
        return lane in (Lane.SITE, Lane.LOCAL) or (lane is Lane.REGION and not self.same_region)

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
        if kept is None:
            return cls()
        found = msgspec.json.decode(kept, type=cls)
        return msgspec.structs.replace(found, start=_padded(found.start), gap_rows=_padded(found.gap_rows))


def _padded(by_lane: tuple[int, ...]) -> tuple[int, ...]:
    """Lanes younger than the record stood at 0."""
    return by_lane + _NONE[len(by_lane) :]
