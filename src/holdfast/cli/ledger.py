"""`holdfast ledger`: where every message and every row is, and whether that's all of them."""

from collections.abc import Mapping
from functools import partial

import typer
from msgspec import Struct

from holdfast.cli.node_api import LONG_S, Api, File, as_json
from holdfast.cli.progress import waiting
from holdfast.cli.words import lasting, many, plain, size, table, when
from holdfast.journal.filtered import Filtered
from holdfast.journal.ledger import ChildRows, GapSpan, LaneRows, Ledger, Messages, balance
from holdfast.journal.parent import CONSUMER
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.lane import Lane

MOST_GAPS = 50
"""Gaps printed; --json has them all."""


class Report(Struct, frozen=True):
    """The ledger, and where it is from. verified: were the rows in the file counted?"""

    source: str
    note: str
    verified: bool
    ledger: Ledger


def show_ledger(where: Api | File, *, json: bool, verify: bool) -> int:
    """Print the ledger; returns 1 when it doesn't balance, else 0."""
    if isinstance(where, Api):
        params, wait_s = ({"verify": "1"}, LONG_S) if verify else (None, 30.0)
        ledger = waiting(partial(where.get, "ledger", Ledger, params, wait_s), "the node counts its rows", json=json)
        report = Report(str(where), "", verify, ledger)
    else:
        found = waiting(partial(from_file, where, verify=verify), "counting rows", json=json)
        report = Report(str(where), where.note(), verify, found)
    typer.echo(as_json(report) if json else "\n".join(said(report)))
    return 0 if report.ledger.balanced else 1


def from_file(file: File, *, verify: bool) -> Ledger:
    """What the journal file tells."""
    reader = file.reader()
    try:
        accounts = reader.accounts(CONSUMER, count=verify)
    finally:
        reader.close()
    return balance(accounts, has_parent=file.plan.settings.parent is not None)


def said(report: Report) -> list[str]:
    """The report as lines."""
    ledger = report.ledger
    lines = [report.note] if report.note else []
    lines += [*_messages(ledger.messages), "", *_rows(ledger)]
    if ledger.filtered is not None:
        lines += ["", *_filtered(ledger.filtered)]
    if ledger.gaps:
        lines += ["", *_gaps(ledger.gaps)]
    if ledger.children:
        lines += ["", *_children(ledger.children)]
    return [*lines, "", _verdict(report)]


def _messages(found: Messages) -> list[str]:
    refused = {reason: n for reason, n in found.rejected.items() if n and reason != "duplicate"}
    by_reason = f" ({_reasons(refused)})" if refused else ""
    accepted = f"{found.received:,} received = {found.accepted:,} accepted"
    quarantined = f"{found.quarantined:,} quarantined{by_reason}"
    return [f"messages  {accepted} + {quarantined} + {many(found.duplicates, 'duplicate')}{_left(found.residual)}"]


def _rows(ledger: Ledger) -> list[str]:
    rows = ledger.rows
    sources = f"{many(rows.readings, 'reading')} + {many(rows.events, 'event')}"
    if rows.messages:
        sources += f" + {many(rows.messages, 'application message')}"
    sources += f" + {rows.summaries:,} summaries" if rows.summaries else ""
    sources += f" + {rows.made:,} made to leave for what stays" if rows.made else ""
    sources += f" + {rows.excerpts:,} copies sent around alerts" if rows.excerpts else ""
    sources += f" + {rows.reports:,} log lines and steps of traces" if rows.reports else ""
    sources += f" + {rows.from_children:,} from children" if rows.from_children else ""
    head = ["lane", "accepted", "delivered", "pending", "kept", "shed", "residual", ""]
    body = [
        [
            Lane(lane.lane).name.lower(),
            *(f"{n:,}" for n in (lane.committed, lane.delivered, lane.pending, lane.kept, _shed(lane), lane.residual)),
            _reasons(lane.shed),
        ]
        for lane in ledger.lanes
    ]
    return [
        f"rows      {rows.committed:,} accepted = {sources}{_left(rows.residual)}",
        *table([head, *body], range(1, 7)),
    ]


def _filtered(found: Filtered) -> list[str]:
    """Where the readings are that a filter keeps here."""
    parts = f"{found.summarised:,} summarised + {found.open:,} in open steps + {found.waiting:,} not read yet"
    parts += f" + {found.left_out:,} wanted by no summary" if found.left_out else ""
    parts += f" + {found.shed:,} shed before" if found.shed else ""
    raw = f"raw       {found.around:,} of them sent as well, around alerts"
    raw += f"; {found.over_cap:,} more were over the day's bytes" if found.over_cap else ""
    return [f"filter    {many(found.kept, 'reading')} kept here = {parts}{_left(found.residual)}", raw]


def _shed(lane: LaneRows) -> int:
    """Rows gone before the parent had them: those it got after all count as delivered."""
    return sum(lane.shed.values()) - lane.late


def _gaps(gaps: list[GapSpan]) -> list[str]:
    body = [
        [
            Lane(gap.lane).name.lower(),
            f"{gap.first}..{gap.last}",
            f"{gap.rows:,}",
            size(gap.bytes),
            gap.reason,
            _times(gap),
            when(gap.at_ns),
        ]
        for gap in gaps[-MOST_GAPS:]
    ]
    head = ["gaps", "rows", "count", "size", "reason", "of the time", "gone at"]
    more = len(gaps) - MOST_GAPS
    return table([head, *body], (2, 3)) + ([f"and {many(more, 'older gap')}: --json"] if more > 0 else [])


def _times(gap: GapSpan) -> str:
    if not gap.from_ns and not gap.to_ns:
        return "not known"
    return f"{when(gap.from_ns)} to {when(gap.to_ns)} ({lasting((gap.to_ns - gap.from_ns) / NS_PER_S)})"


def _children(children: list[ChildRows]) -> list[str]:
    body = [
        [
            plain(one.child) + (f" ({one.branch})" if one.branch else "") + (" suspect" if one.suspect else ""),
            Lane(one.lane).name.lower(),
            *(f"{n:,}" for n in (one.applied, one.rows, one.gap_rows, one.shared, one.unseen, one.residual)),
        ]
        for one in children
        if one.applied or one.unseen or one.residual
    ]
    head = ["child", "lane", "applied", "rows", "gaps", "shared", "not here yet", "residual"]
    return table([head, *body], range(2, 8))


def _verdict(report: Report) -> str:
    counted = "counted in the file" if report.verified else "by the counters; --verify counts the rows in the file"
    if report.ledger.balanced:
        return f"Balanced, {counted}."
    return f"NOT balanced, {counted}: a residual above says by how much. Keep the journal, and report this."


def _reasons(found: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {plain(reason)}" for reason, n in sorted(found.items()))


def _left(residual: int) -> str:
    return f", residual {residual:,}" if residual else ""
