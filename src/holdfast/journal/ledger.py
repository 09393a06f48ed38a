"""The conservation law (G5), computed from what is committed. Pure.

Messages: received = accepted + rejected (duplicates are one reason of rejection).
Rows, per lane: committed = delivered + pending + shed + kept. A node with a parent delivers; the topmost node keeps.
Children, per branch and lane: watermark = rows + gaps + rows shared with another branch.
`residual` is what is left over: 0, or something is wrong.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from holdfast.journal.accounts import Accounts, BranchAccount, LaneAccount
from holdfast.journal.filtered import AROUND, Filtered, filtered
from holdfast.journal.parent import ACCOUNT, Account
from holdfast.journal.records import Gap
from holdfast.model.lane import Lane

MADE = "residency_made"
"""Counter: rows made to leave in place of rows that stay."""
REPORTED = "report_rows"
"""Counter: rows that are log lines and steps of traces of this node."""
_REJECTED = "messages_rejected."
_MOST_GAPS = 1_000


class Messages(Struct, frozen=True):
    """Device messages at this node's own door."""

    received: int
    accepted: int
    rejected: dict[str, int]
    quarantined: int
    duplicates: int
    residual: int


class LaneRows(Struct, frozen=True):
    """One lane's rows.

    pending: committed here, not yet at the parent. kept: here to stay, for want of a parent or by a residency rule.
    shed: gone, by reason.
    late: shed here while they were on their way; the parent has them after all, so they count as delivered.
    """

    lane: int
    committed: int
    delivered: int
    pending: int
    kept: int
    shed: dict[str, int]
    late: int
    residual: int


class GapSpan(Struct, frozen=True):
    """Rows that are gone: where they stood, why, and their event times (ns UTC)."""

    lane: int
    first: int
    last: int
    rows: int
    bytes: int
    reason: str
    from_ns: int
    to_ns: int
    at_ns: int


class ChildRows(Struct, frozen=True):
    """One lane of one branch of a child. unseen: announced once, not received (yet)."""

    child: str
    branch: int
    lane: int
    applied: int
    rows: int
    gap_rows: int
    shared: int
    unseen: int
    suspect: bool
    residual: int


class Rows(Struct, frozen=True):
    """Rows of all lanes: own readings, events, summaries and applications' messages, and what children sent.

    made: copies and aggregates made to leave in place of rows that stay
    excerpts: copies of filtered readings, sent because of alerts
    reports: the node's own log lines and steps of traces, for the parent
    """

    readings: int
    events: int
    summaries: int
    from_children: int
    committed: int
    residual: int
    messages: int = 0
    made: int = 0
    excerpts: int = 0
    reports: int = 0


class Ledger(Struct, frozen=True):
    """The whole account of a node. balanced: every residual is 0."""

    messages: Messages
    rows: Rows
    lanes: list[LaneRows]
    gaps: list[GapSpan]
    children: list[ChildRows]
    balanced: bool
    filtered: Filtered | None = None


def balance(accounts: Accounts, *, has_parent: bool) -> Ledger:
    """The ledger of a node from its accounts."""
    counters = accounts.counters
    messages = _messages(counters)
    account = Account.decode(accounts.meta.get(ACCOUNT))
    lanes = [_lane(lane, counters, account if has_parent else None) for lane in accounts.lanes]
    rows = _rows(counters, lanes)
    children = [_child(one) for one in accounts.children]
    residuals = [messages.residual, rows.residual]
    residuals += [lane.residual for lane in lanes] + [child.residual for child in children]
    kept = next((one.head for one in accounts.lanes if one.lane is Lane.LOCAL), 0)
    local = filtered(kept, counters, accounts.meta) if kept else None
    residuals += [] if local is None else [local.residual]
    gaps = [_span(gap) for lane in accounts.lanes for gap in lane.gaps][-_MOST_GAPS:]
    return Ledger(messages, rows, lanes, gaps, children, not any(residuals), local)


def _messages(counters: Mapping[str, int]) -> Messages:
    received, accepted = counters.get("messages_received", 0), counters.get("messages_accepted", 0)
    rejected = {k.removeprefix(_REJECTED): v for k, v in sorted(counters.items()) if k.startswith(_REJECTED)}
    total, duplicates = sum(rejected.values()), rejected.get("duplicate", 0)
    return Messages(received, accepted, rejected, total - duplicates, duplicates, received - accepted - total)


def _lane(lane: LaneAccount, counters: Mapping[str, int], account: Account | None) -> LaneRows:
    number = int(lane.lane)
    committed = counters.get(f"rows_committed.lane{number}", 0)
    prefix = f"rows_shed.lane{number}."
    shed = {k.removeprefix(prefix): v for k, v in sorted(counters.items()) if k.startswith(prefix) and v}
    if account is None:
        kept = lane.head - lane.cut - lane.gap_rows(lane.cut, lane.head) if lane.held is None else lane.held
        left = committed - kept - sum(shed.values()) - (lane.cut - lane.gap_rows(0, lane.cut))
        return LaneRows(number, committed, 0, 0, kept, shed, 0, left)
    start, taken = account.start[number], account.gap_rows[number]
    late = lane.gap_rows(start, lane.delivered) - taken
    delivered = lane.delivered - lane.gap_rows(0, start) - taken
    pending = lane.head - lane.delivered - lane.gap_rows(lane.delivered, lane.head)
    left = committed - delivered - pending - (sum(shed.values()) - late)
    stays = account.stays(lane.lane)  # what isn't there won't ever be pending
    return LaneRows(number, committed, delivered, 0 if stays else pending, pending if stays else 0, shed, late, left)


def _rows(counters: Mapping[str, int], lanes: Sequence[LaneRows]) -> Rows:
    readings, events = counters.get("readings_accepted", 0), counters.get("events_accepted", 0)
    summaries = counters.get("readings_summarised", 0)
    messages = counters.get("app_messages_accepted", 0)
    children = sum(counters.get(f"ingest_rows.lane{int(lane)}", 0) for lane in Lane)
    made, excerpts = counters.get(MADE, 0), counters.get(f"filter_rows.{AROUND}", 0)
    reports, committed = counters.get(REPORTED, 0), sum(lane.committed for lane in lanes)
    left = readings + events + summaries + messages + children + made + excerpts + reports - committed
    return Rows(readings, events, summaries, children, committed, left, messages, made, excerpts, reports)


def _child(one: BranchAccount) -> ChildRows:
    left = one.wm - one.start - one.rows - one.gap_rows - one.shared
    unseen = max(0, one.head_seen - one.wm)
    return ChildRows(
        one.child, one.branch, one.lane, one.wm, one.rows, one.gap_rows, one.shared, unseen, one.suspect, left
    )


def _span(gap: Gap) -> GapSpan:
    return GapSpan(
        int(gap.lane), gap.first, gap.last, len(gap), gap.bytes, str(gap.reason), gap.ts_min, gap.ts_max, gap.at_ns
    )
