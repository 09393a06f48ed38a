"""`holdfast quarantine`: refused messages, what today's profiles say about them, and decoding them again."""

import asyncio
from functools import partial
from pathlib import Path

import numpy as np
import typer

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.progress import waiting
from holdfast.cli.words import many, payload, plain, size, table, when
from holdfast.devices.roster import Roster
from holdfast.intake.replay import Quarantine, Replayed, Verdict, WouldRead, judge, stored_message
from holdfast.intake.seen import SeenKeys
from holdfast.journal.devices import stored
from holdfast.journal.journal import Journal
from holdfast.journal.quarantine import LAST_ID, QuarantineFilter
from holdfast.journal.records import QuarantineRow
from holdfast.kernel.clock import Clock
from holdfast.node.settings import NodePlan, read_plan
from holdfast.node.upkeep import report_found
from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import QuarantinedDetail, QuarantinedMessage, ReplayRequest
from holdfast.web.errors import Refused
from holdfast.web.quarantine import MOST_LISTED, told
from holdfast.web.times import parse_time

_DETAIL, _TOPIC = 60, 40


def chosen(reason: str, topic: str, source: str, since: str, ids: str, now_ns: int) -> QuarantineFilter:
    """The filter that was typed.

    Raises:
        Misused: when a time or an id is none.
    """
    numbers = [part.strip() for part in ids.split(",")] if ids else []
    if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
        raise Misused(f"--ids {ids} are no ids", "numbers with commas between them, as `quarantine list` shows them")
    try:
        since_ns = parse_time("--since", since, now_ns) if since else 0
    except Refused as error:
        raise Misused(str(error), error.hint) from error
    return QuarantineFilter(tuple(map(int, numbers)), reason, source, topic, since_ns)


def show_list(where: Api | File, wanted: QuarantineFilter, limit: int, *, json: bool) -> int:
    """Print the latest wanted messages, newest first."""
    found = _page(where, wanted, limit)
    if json:
        typer.echo(as_json(found))
        return 0
    if isinstance(where, File):
        typer.echo(where.note())
    head = ["id", "received", "reason", "source", "topic", "size", "detail"]
    body = [
        [
            str(one.id),
            when(one.received_ns),
            one.reason,
            plain(one.source, _TOPIC),
            plain(one.topic, _TOPIC),
            size(len(one.payload)),
            plain(one.detail, _DETAIL),
        ]
        for one in found
    ]
    typer.echo("\n".join(table([head, *body], (0, 5))) if found else "No refused message fits.")
    return 0


def show_one(where: Api | File, settings: Path, number: int, *, json: bool, raw: bool) -> int:
    """Print one message with its bytes, and what the profiles say about it.

    A running node answers with the profiles it has loaded; of a stopped one they're read from node.yaml.

    Raises:
        Misused: when there's no such message.
    """
    if isinstance(where, Api):
        found = where.get(f"quarantine/{number}", QuarantinedDetail)
    else:
        found = _detail(where, read_plan(settings), number)
    if raw:
        typer.echo(found.message.payload, nl=False)
    elif json:
        typer.echo(as_json(found))
    else:
        typer.echo("\n".join([*([where.note(), ""] if isinstance(where, File) else []), *_said(found)]))
    return 0


def replay(
    where: Api | File, settings: Path, wanted: QuarantineFilter, clock: Clock, *, dry_run: bool, json: bool
) -> int:
    """Decode the wanted messages again, in the running node or, when it's stopped, in its journal.

    Raises:
        Misused: when a node runs and can't be asked.
        StorageError: when the journal can't be opened.
    """
    if isinstance(where, Api):
        request = ReplayRequest(wanted.ids, wanted.reason, wanted.source, wanted.topic, wanted.since_ns, dry_run)
        done = waiting(partial(where.post, "quarantine/replay", request, Replayed), "the node decodes again", json=json)
    elif where.is_running:
        raise Misused(f"{where.why}, but the node runs", "stop it for the replay, or give it an `api:`")
    else:
        plan = read_plan(settings)
        done = waiting(
            lambda: asyncio.run(_replay_file(where, plan, wanted, clock, dry_run=dry_run)), "decoding again", json=json
        )
    typer.echo(as_json(done) if json else "\n".join(outcome(done)))
    return 0


def outcome(done: Replayed) -> list[str]:
    """What a replay did, as lines."""
    became, taken = ("would become", "would be") if done.dry_run else ("became", "were")
    lines = [f"{many(done.replayed, 'message')} {became} {many(done.readings, 'reading')}."]
    if done.repeats:
        lines.append(
            f"{done.repeats:,} had come again and been accepted meanwhile; they {taken} taken out as duplicates."
        )
    if done.still_rejected:
        reasons = ", ".join(f"{n:,} {plain(reason)}" for reason, n in done.still_rejected.items())
        lines.append(f"Still refused: {reasons}.")
    if done.dropped:
        lines.append(f"{done.dropped:,} fell out of the quarantine's bound meanwhile (journal.quarantine_rows).")
    return lines


def _page(where: Api | File, wanted: QuarantineFilter, limit: int) -> list[QuarantinedMessage]:
    found: list[QuarantinedMessage] = []
    reader = where.reader() if isinstance(where, File) else None
    try:
        while len(found) < limit:
            most, before = min(limit - len(found), MOST_LISTED), found[-1].id if found else LAST_ID
            if reader is not None:
                page = [told(row) for row in reader.quarantined(most, wanted, before)]
            else:
                assert isinstance(where, Api)  # noqa: S101  # the other of two
                page = _asked(where, wanted, most, before)
            if not page:
                break
            found += page
    finally:
        if reader is not None:
            reader.close()
    return found


def _asked(api: Api, wanted: QuarantineFilter, limit: int, before: int) -> list[QuarantinedMessage]:
    params = {"limit": str(limit), "reason": wanted.reason, "source": wanted.source, "topic": wanted.topic}
    if before != LAST_ID:
        params["before"] = str(before)
    if wanted.since_ns:
        params["since"] = f"{wanted.since_ns // 10**9}.{wanted.since_ns % 10**9:09}"
    return api.get("quarantine", list[QuarantinedMessage], params)


def _detail(file: File, plan: NodePlan, number: int) -> QuarantinedDetail:
    reader = file.reader()
    try:
        row: QuarantineRow | None = stored_message(reader, number)
        if row is None:
            raise Misused(f"no refused message has the id {number}", "`holdfast quarantine list` shows which there are")
        look = Roster(stored(reader), plan.settings.devices.limit, listed=plan.settings.devices.accept == "listed").look
        return QuarantinedDetail(told(row), judge(row, plan.profiles, plan.settings.node, reader.retained(), look))
    finally:
        reader.close()


def _said(found: QuarantinedDetail) -> list[str]:
    message, verdict = found.message, found.verdict
    about = [
        ["id", str(message.id)],
        ["received", when(message.received_ns)],
        ["source", plain(message.source)],
        ["topic", plain(message.topic)],
        ["refused as", f"{message.reason}: {plain(message.detail)}"],
        ["payload", size(len(message.payload))],
    ]
    return [*table(about), "", payload(message.payload), "", *_verdict(verdict)]


def _verdict(verdict: Verdict) -> list[str]:
    if not verdict.decodes:
        return [f"Today's profiles refuse it, too: {verdict.reason}: {plain(verdict.detail)}"]
    count = many(len(verdict.readings), "reading")
    return [
        f"Today's profiles take it; a replay would store {count}:",
        *table([_reading(r) for r in verdict.readings], (1,)),
    ]


def _reading(one: WouldRead) -> list[str]:
    why = f"{one.quality} ({one.why})" if one.why else one.quality
    value = (
        plain(one.value)
        if isinstance(one.value, str)
        else f"{one.value:g}"
        if isinstance(one.value, float)
        else str(one.value)
    )
    return [f"  {plain(one.series)}", value, plain(one.unit), when(one.ts), why]


async def _replay_file(
    file: File, plan: NodePlan, wanted: QuarantineFilter, clock: Clock, *, dry_run: bool
) -> Replayed:
    settings = plan.settings
    journal = Journal(file.access, settings.node, settings.journal, clock)
    try:
        await report_found(journal, clock, Telemetry(clock))
        seen = SeenKeys(settings.journal.keys_kept)
        for keys in journal.dedupe_keys():
            seen.admit(np.frombuffer(keys, "<u8"))
        devices = settings.devices
        look = Roster(stored(journal), devices.limit, listed=devices.accept == "listed").look
        quarantine = Quarantine(journal, plan.profiles, seen, registry=look)
        return await quarantine.replay(wanted, dry_run=dry_run)
    finally:
        await asyncio.to_thread(journal.close)
