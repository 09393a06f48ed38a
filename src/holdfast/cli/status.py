"""`holdfast status`: a node at a glance, from itself or from its journal file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import typer
from msgspec import Struct

from holdfast.cli.node_api import Api, File, as_json, file_of
from holdfast.cli.words import lasting, many, plain, size, table, when
from holdfast.journal.documents import read_documents
from holdfast.journal.filtered import Saving, saving
from holdfast.journal.parent import ACCOUNT, CONSUMER, Account
from holdfast.journal.relief import level_of
from holdfast.journal.store import load_catalogue
from holdfast.model.lane import Lane
from holdfast.node.settings import NodePlan, NodeSettings
from holdfast.storage.rescue import is_poisoned
from holdfast.storage.sqlite import translated
from holdfast.web.answers import (
    BrokerStatus,
    BudgetStatus,
    ClockStatus,
    DocumentsStatus,
    JournalStatus,
    LinkStatus,
    RouteStatus,
    RulesStatus,
    Status,
)

WELL = ("ok", "closed")


class Glance(Struct, frozen=True):
    """A node at a glance. What only a running node knows is null when the answer is from the file.

    source:  `api` or `file`; at: which
    running: is there a process that writes to the journal?
    backlog: rows of each lane that wait for the parent; empty without a parent
    """

    source: Literal["api", "file"]
    at: str
    note: str
    running: bool
    node: str
    version: str | None
    uptime_s: float | None
    written_ns: int | None
    parent: str | None
    link: LinkStatus | None
    backlog: list[int]
    journal: JournalStatus
    clock: str | None
    series: int
    children: list[str]
    documents: DocumentsStatus | None = None
    brokers: list[BrokerStatus] = []
    routes: list[RouteStatus] = []
    saving: Saving | None = None
    rules: RulesStatus | None = None


def show_status(where: Api | File, *, json: bool) -> int:
    """Print the glance; returns 1 when the journal takes no writes though it should, else 0."""
    glance = from_api(where) if isinstance(where, Api) else from_file(where)
    typer.echo(as_json(glance) if json else "\n".join(said(glance)))
    return 0 if glance.journal.condition in WELL else 1


def at_folder(folder: Path) -> File:
    """The journal of a data folder whose settings aren't known: default quota, no key."""
    plan = NodePlan(NodeSettings(node="unknown", data="."), folder.absolute(), (), ())
    return file_of(plan, "--data was given")


def from_api(api: Api) -> Glance:
    """What the running node says."""
    status, clock = api.get("status", Status), api.get("clock", ClockStatus, {"limit": "1"})
    return Glance(
        source="api",
        at=str(api),
        note="",
        running=True,
        node=status.node,
        version=status.version,
        uptime_s=status.uptime_s,
        written_ns=None,
        parent=None if status.link is None else status.link.url,
        link=status.link,
        backlog=status.backlog,
        journal=status.journal,
        clock=clock.trust,
        series=status.series,
        children=status.children,
        documents=status.documents,
        brokers=status.brokers,
        routes=status.routes,
        saving=saving(status.counters),
        rules=status.rules,
    )


def from_file(file: File) -> Glance:
    """What the journal file tells; it's read as of one moment after another, so a running node may be a bit ahead."""
    settings, path = file.plan.settings, file.access.path
    parts = [f for f in (path, path.with_name(path.name + "-wal")) if f.exists()]
    written = max(part.stat().st_mtime_ns for part in parts)
    reader = file.reader()
    try:
        accounts = reader.accounts(CONSUMER)
        heads, series, children = [lane.head for lane in accounts.lanes], _series(file), reader.peer_names()
        used = reader.used_bytes()
        account = Account.decode(accounts.meta.get(ACCOUNT))
        pending = [
            0 if account.stays(lane.lane) else lane.head - lane.delivered - lane.gap_rows(lane.delivered, lane.head)
            for lane in accounts.lanes
        ]
        stored = read_documents(reader)
    finally:
        reader.close()
    documents = DocumentsStatus(len(stored), sum(one.bytes for one in stored)) if stored else None
    on_disk = sum(part.stat().st_size for part in parts)
    condition = "poisoned" if is_poisoned(path) else "ok" if file.is_running else "closed"
    level = level_of(used, settings.journal).name.lower()
    return Glance(
        source="file",
        at=str(path),
        note=file.note(),
        running=file.is_running,
        node=settings.node,
        version=None,
        uptime_s=None,
        written_ns=written,
        parent=None if settings.parent is None else settings.parent.url,
        link=None,
        backlog=pending if settings.parent else [],
        journal=JournalStatus(condition, on_disk, settings.journal.quota, heads, level, used),
        clock=None,
        series=series,
        children=children,
        documents=documents,
        saving=saving(accounts.counters),
    )


def said(glance: Glance) -> list[str]:
    """The glance as lines."""
    journal = glance.journal
    rows = [["node", _who(glance)], *_link(glance)]
    if glance.backlog:
        rows.append(["backlog", _by_lane(glance.backlog)])
    heads = _by_lane(journal.heads)
    used = f"{size(journal.used_bytes)} of {size(journal.quota_bytes)} ({journal.used_bytes / journal.quota_bytes:.1%})"
    rows += [
        ["journal", f"{journal.condition}, {used}, level {journal.level}; {size(journal.bytes)} on disk"],
        ["rows so far", f"{heads}; {glance.series:,} series"],
        ["clock", glance.clock or "not known: only a running node watches it"],
        ["children", ", ".join(map(plain, glance.children)) or "none"],
        *_documents(glance.documents),
        *_saving(glance.saving),
        *_foreign(glance),
        *_rules(glance.rules),
    ]
    return ([glance.note] if glance.note else []) + table(rows)


def _by_lane(rows: Sequence[int]) -> str:
    """The lanes that stay are named where they have rows."""
    named = [(Lane(i), n) for i, n in enumerate(rows)]
    return ", ".join(f"{lane.name.lower()} {n:,}" for lane, n in named if n or not lane.stays)


def _who(glance: Glance) -> str:
    if glance.uptime_s is not None:
        return f"{glance.node}, Holdfast {glance.version}, up {lasting(glance.uptime_s)}, at {glance.at}"
    state = "running" if glance.running else "not running"
    return f"{glance.node}, {state}, last written {when(glance.written_ns or 0)}"


def _link(glance: Glance) -> list[list[str]]:
    link = glance.link
    if glance.parent is None:
        return [["link", "no parent: what is here stays here"]]
    if link is None:
        return [["link", f"to {glance.parent}; its state is not known"]]
    detail = f" ({plain(link.detail)})" if link.detail else ""
    goodput = "not measured yet" if link.goodput_bps is None else f"{link.goodput_bps / 1000:,.0f} kbit/s"
    rtt = "not measured yet" if link.rtt_s is None else f"{link.rtt_s * 1000:.0f} ms"
    window = "open" if not link.window_in_s else f"bulk waits {lasting(link.window_in_s)}"
    traffic = f"sent {size(link.sent_bytes)}, received {size(link.received_bytes)}"
    return [
        ["link", f"{link.state} to {link.url}{detail}"],
        ["", f"pace {link.pace}, goodput {goodput}, round trip {rtt}, window {window}; {traffic}"],
        ["budget", _budget(link.budget)],
    ]


def _documents(documents: DocumentsStatus | None) -> list[list[str]]:
    if documents is None:
        return []
    words = f"{documents.count:,}, {size(documents.bytes)}"
    if documents.link != "none":
        words += f"; exchange {documents.link}" + (f" ({plain(documents.detail)})" if documents.detail else "")
        words += f"; {documents.waiting:,} with edits that the parent lacks"
    stuck = [["", f"stuck: {plain(name)}: {plain(why)}"] for name, why in sorted(documents.stuck.items())]
    return [["documents", words], *stuck]


def _saving(found: Saving | None) -> list[list[str]]:
    if found is None:
        return []
    sent = f"{size(found.summaries)} of summaries, {size(found.around)} around alerts"
    return [
        ["filter", f"{found.readings:,} readings kept here, {size(found.kept)}; sent instead: {sent}"],
        ["", f"{found.share:.1%} saved, in bytes as the journal stores rows"],
    ]


def _foreign(glance: Glance) -> list[list[str]]:
    """Brokers and routes, a line each."""
    rows = []
    for broker in glance.brokers:
        counted = f"{broker.received:,} received, {broker.unsettled:,} wait for their commit"
        rows.append([f"broker {broker.name}", f"{broker.state}, {broker.url}{_why(broker.detail)}; {counted}"])
    for route in glance.routes:
        lag = f"{route.lag_rows:,} rows wait" + (f", the oldest {lasting(route.lag_s)}" if route.lag_rows else "")
        lost = f"; {route.missed:,} rows missed" if route.missed else ""
        lost += f"; {route.left_out:,} messages too large" if route.left_out else ""
        counted = f"{route.delivered:,} delivered, {route.in_flight:,} in flight, {lag}{lost}"
        rows.append([f"route {route.name}", f"{route.state}, {route.url}{_why(route.detail)}; {counted}"])
    return rows


def _rules(rules: RulesStatus | None) -> list[list[str]]:
    """Told when there are some, and what is amiss with them."""
    if rules is None or not (rules.rules or rules.off or rules.problems):
        return []
    words = [f"{rules.rules:,} at work, {many(rules.raised, 'alert')} open"]
    words += [f"throttled: {', '.join(rules.throttled)}"] if rules.throttled else []
    words += [f"switched off: {', '.join(rules.off)}"] if rules.off else []
    words += ["the files as they are now can't be used: see `holdfast rules list`"] if rules.problems else []
    return [["rules", "; ".join(words)]]


def _why(detail: str) -> str:
    return f" ({plain(detail)})" if detail else ""


def _budget(budget: BudgetStatus | None) -> str:
    if budget is None:
        return "none"
    day, month = (
        f"{size(used)} this {period}"
        + ("" if left is None else f" ({size(left)} left)")
        + (f", cost {cost:.2f}" if cost else "")
        for period, used, left, cost in (
            ("day", budget.day_bytes, budget.day_left, budget.day_cost),
            ("month", budget.month_bytes, budget.month_left, budget.month_cost),
        )
    )
    return f"{day}; {month}"


def _series(file: File) -> int:
    db = file.access.reader()
    try:
        with translated():
            return len(load_catalogue(db))
    finally:
        db.close()
