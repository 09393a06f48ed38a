"""The events that the journal's own state gives rise to. Pure; ids are deterministic."""

import hashlib

from holdfast.journal.records import Gap
from holdfast.model.event import Event


def damaged(node: str, gap: Gap, what: str) -> Event:
    """Rows of this node that the disk gave back wrong."""
    why: dict[str, object] = {
        "lane": int(gap.lane),
        "first": gap.first,
        "last": gap.last,
        "rows": len(gap),
        "what": what,
    }
    return _event(node, f"{len(gap)} rows of lane {int(gap.lane)} were damaged on disk", why, gap.at_ns)


def wal_damaged(node: str, transactions: int, now_ns: int) -> Event:
    """Commits that were acked and are lost, because the WAL was damaged."""
    why: dict[str, object] = {"transactions": transactions, "kept": "journal.db-wal.damaged"}
    return _event(node, f"{transactions} commits were lost: the journal's WAL was damaged on disk", why, now_ns)


def file_damaged(node: str, name: str, day: str, rows: int, what: str, now_ns: int) -> Event:
    """A file of the site's memory that the disk gives back wrong."""
    why: dict[str, object] = {"file": name, "day": day, "rows": rows, "what": what}
    return _event(node, f"a file with {rows} rows of {day} was damaged on disk", why, now_ns, "history.damaged")


def _event(node: str, message: str, why: dict[str, object], ts: int, rule: str = "journal.damaged") -> Event:
    identity = repr((node, rule, ts, sorted(why.items()))).encode()
    return Event(
        id=hashlib.sha256(identity).hexdigest()[:32],
        ts=ts,
        kind="journal.damaged",
        severity="critical",
        node=node,
        device=node,
        rule=rule,
        message=message,
        why=why,
    )
