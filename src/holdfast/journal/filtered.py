"""What a filter keeps at the site and what it sends instead: its cursors, counters and account (ADR 21).

Rows kept lie in lane LOCAL. Each is in one of these: in a summary that was sent, in a step that isn't over, left out of
summaries (no rule wants any), shed before it was read, or not read yet.
"""

from collections.abc import Mapping
from typing import Self

import msgspec
from msgspec import Struct

from holdfast.journal.transaction import Transaction

CONSUMER = "filter"
"""Cursor: rows of lane LOCAL that are in summaries or in the filter's state, and events whose windows are known."""
RELEASED = "filter.released"
"""Cursor: rows of lane LOCAL that no window of a new alert should need any more."""
ACCOUNT = "filter.account"
SUMMARISED = "readings_summarised"
"""Counter: rows of summaries, whoever made them."""
KEPT, SUMS, AROUND = "kept", "summaries", "around"


class Account(Struct, frozen=True):
    """read: how far lane LOCAL is read. open: rows of it in steps that aren't over."""

    read: int = 0
    open: int = 0

    def encode(self) -> str:
        """As kept in `meta`."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, kept: str | None) -> Self:
        """From what was kept; a fresh one when there is nothing."""
        return cls() if kept is None else msgspec.json.decode(kept, type=cls)


class Filtered(Struct, frozen=True):
    """Readings kept at the site by a filter; all but the last three add up to `kept`, but for `residual`.

    summarised: in summaries. open: in steps that aren't over. waiting: not read yet. left_out: no rule asks for a
    summary of them. shed: gone before they were read. around: copies sent because of alerts. over_cap: not sent then,
    as the day's bytes were used up.
    """

    kept: int
    summarised: int
    open: int
    waiting: int
    left_out: int
    shed: int
    around: int
    over_cap: int
    residual: int


class Saving(Struct, frozen=True):
    """What a filter saved, in bytes as the journal stores rows.

    readings, kept: kept from the parent. summaries, around: sent instead
    """

    readings: int
    kept: int
    summaries: int
    around: int

    @property
    def share(self) -> float:
        """Of the bytes kept, the part that nothing was sent for; below 0 where summaries are larger than readings."""
        return 1 - (self.summaries + self.around) / self.kept if self.kept else 0.0


def count_kept(tx: Transaction, rows: int) -> None:
    """Count the rows just appended to lane LOCAL."""
    tx.count(f"filter_rows.{KEPT}", rows)
    tx.count(f"filter_bytes.{KEPT}", tx.appended_bytes)


def filtered(head: int, counters: Mapping[str, int], meta: Mapping[str, str]) -> Filtered:
    """The account of lane LOCAL, whose last row is `head`."""
    account = Account.decode(meta.get(ACCOUNT))
    summarised, left_out, shed, around, over_cap = (
        counters.get(f"filter_rows.{what}", 0) for what in ("summarised", "left_out", "shed", AROUND, "over_cap")
    )
    residual = account.read - summarised - account.open - left_out - shed
    return Filtered(head, summarised, account.open, head - account.read, left_out, shed, around, over_cap, residual)


def saving(counters: Mapping[str, int]) -> Saving | None:
    """What was saved so far; None where nothing was ever kept."""
    readings = counters.get(f"filter_rows.{KEPT}", 0)
    if not readings:
        return None
    return Saving(readings, *(counters.get(f"filter_bytes.{what}", 0) for what in (KEPT, SUMS, AROUND)))
