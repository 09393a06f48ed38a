"""`holdfast audit list`, `verify` and `export`: what people did and tried, and whether that's what was written."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import msgspec
import typer
from msgspec import Struct

from holdfast.cli.node_api import LONG_S, Api, File, Misused, as_json
from holdfast.cli.words import many, plain, table, when
from holdfast.identity.people.kinds import KINDS
from holdfast.journal import audit_log
from holdfast.journal.audit_log import LAST_ID, Wanted
from holdfast.kernel.clock import SystemClock
from holdfast.web.people_answers import AuditLine, AuditPage
from holdfast.web.times import parse_time

_WORDS = 60
_PIECE = 1_000
Filters = tuple[str, str, str, str]
"""Who, kind, from and to, as typed; empty = any."""


class Verdict(Struct, frozen=True):
    """What a check found. head: of the newest line, hex; broken_at: 0 = the chain is whole."""

    oldest: int
    newest: int
    head: str
    broken_at: int


class StoredRow(Struct, frozen=True):
    """A row as it's stored. body: the text that is chained; chain: hex."""

    id: int
    at_ns: int
    body: str
    chain: str


def show_lines(where: Api | File, filters: Filters, limit: int, *, json: bool) -> int:
    """Print what people did; returns 1 when the log's chain is broken, else 0.

    Raises:
        HoldfastError: when a filter can't be used, or nothing can be asked.
    """
    who, kind, since, until = filters
    if isinstance(where, Api):
        asked = {"who": who, "kind": kind, "from": since, "to": until, "limit": f"{limit}", "verify": "true"}
        found = where.get("audit", AuditPage, asked, LONG_S)
    else:
        wanted, reader = _wanted(filters), where.reader()
        try:
            lines = reader.look(lambda db: audit_log.page(db, wanted, limit))
            found = AuditPage([AuditLine.of(one) for one in lines], reader.look(audit_log.broken_at))
        finally:
            reader.close()
    if json:
        typer.echo(as_json(found))
        return 1 if found.broken_at else 0
    head = ["line", "at", "who", "what", "came of it", "from", "said"]
    body = [
        [
            f"{one.id}{'' if one.whole else ' !'}", when(one.at_ns), plain(one.who) or one.via or "-",
            plain(one.what, _WORDS), _outcome(one), one.address or "-", plain(one.body, _WORDS) or "-",
        ]
        for one in found.lines
    ]  # fmt: skip
    said = [where.note()] if isinstance(where, File) else []
    said += table([head, *body]) if body else ["Nobody did anything of that kind." if any(filters) else _NOBODY]
    typer.echo("\n".join([*said, *_broken(found.broken_at)]))
    return 1 if found.broken_at else 0


def show_verdict(file: File, *, json: bool) -> int:
    """Check the whole chain; returns 1 when it's broken, else 0."""
    reader = file.reader()
    try:
        broken, head = reader.look(audit_log.broken_at), reader.look(audit_log.head)
        first = reader.look(lambda db: audit_log.stored(db, 0, 1))
    finally:
        reader.close()
    found = Verdict(first[0].id if first else 0, head.id, head.chain.hex() if head.id else "", broken)
    if json:
        typer.echo(as_json(found))
    elif broken:
        typer.echo("\n".join(_broken(broken)))
    elif not head.id:
        typer.echo(_NOBODY)
    else:
        rows = many(found.newest - found.oldest + 1, "row")
        typer.echo(f"{rows}, {found.oldest} to {found.newest}: the chain is whole (head {found.head[:16]}).")
    return 1 if broken else 0


def export_rows(file: File, out: Path | None, filters: Filters) -> int:
    """Write rows as JSON lines, oldest first; returns 1 when the chain is broken, else 0.

    Raises:
        HoldfastError: when a filter can't be used.
    """
    wanted, reader, count = _wanted(filters), file.reader(), 0
    try:
        with _opened(out) as target:
            after = 0
            while rows := reader.look(partial(audit_log.stored, after=after, limit=_PIECE)):
                after = rows[-1].id
                kept = [one for one in rows if audit_log.fits(one, wanted)]
                for one in kept:
                    row = StoredRow(one.id, one.at_ns, one.body, one.chain.hex())
                    target.write(msgspec.json.encode(row).decode() + "\n")
                count += len(kept)
        broken: int = reader.look(audit_log.broken_at)
    finally:
        reader.close()
    typer.echo("\n".join([f"{many(count, 'row')}.", *_broken(broken)]), err=True)
    return 1 if broken else 0


_NOBODY = "Nobody did anything yet."


def _wanted(filters: Filters) -> Wanted:
    who, kind, since, until = filters
    if kind and kind not in KINDS:
        raise Misused(f"--kind {kind} is none", f"one of {', '.join(KINDS)}")
    now_ns = SystemClock().wall_ns()
    most = Wanted()
    since_ns = parse_time("--from", since, now_ns) if since else most.since_ns
    until_ns = parse_time("--to", until, now_ns) if until else most.until_ns
    return Wanted(LAST_ID, who, since_ns, until_ns, KINDS[kind] if kind else ())


def _outcome(one: AuditLine) -> str:
    said = {"asked": "not over yet", "unknown": "unknown: the node was stopped meanwhile"}
    return said.get(one.step) or f"{one.status}"


def _broken(line: int) -> list[str]:
    if not line:
        return []
    return [
        f"Line {line} isn't what was written there, or doesn't follow from the one before: the log was tampered with."
    ]


@contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8") as target:
        yield target
