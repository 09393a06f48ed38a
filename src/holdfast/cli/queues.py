"""`holdfast queue`: what waits for consumers, what is dead and why, and giving dead letters another chance."""

import asyncio
from collections.abc import Callable, Sequence

import typer

from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import lasting, many, payload, plain, size, table, when
from holdfast.journal import queues
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.message import QueueName
from holdfast.web.messages import DeadLetter, DeadReply, DeadRequest, QueueRow, letter

_PAGE = 200
_REASON, _SOURCE = 60, 60
Ids = tuple[int, ...] | None


def numbers(ids: str) -> Ids:
    """The places that were typed, None = all.

    Raises:
        Misused: when one is none.
    """
    parts = [part.strip() for part in ids.split(",")] if ids else []
    if not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        raise Misused(f"--ids {ids} are no numbers", "with commas between them, as `queue dead` shows them")
    return tuple(map(int, parts)) or None


def show_queues(where: Api | File, clock: Clock, *, json: bool) -> int:
    """Print every queue's account; returns 1 when one doesn't add up, else 0."""
    if isinstance(where, Api):
        found = where.get("queues", list[QueueRow])
    else:
        reader = where.reader()
        try:
            found = [QueueRow.of(one) for one in reader.queue_depths()]
        finally:
            reader.close()
    if json:
        typer.echo(as_json(found))
    else:
        typer.echo("\n".join([*([where.note()] if isinstance(where, File) else []), *_accounts(found, clock)]))
    return 1 if any(one.residual for one in found) else 0


def _accounts(found: Sequence[QueueRow], clock: Clock) -> list[str]:
    if not found:
        return ["No queue is consumed at this node."]
    head = ["queue", "queued", "acked", "waiting", "dead", "dropped", "oldest"]
    now = clock.wall_ns()
    body = [
        [
            plain(one.queue),
            *(f"{n:,}" for n in (one.queued, one.acked, one.waiting, one.dead, one.dropped)),
            lasting(max(0, now - one.oldest_ns) / NS_PER_S) if one.oldest_ns else "-",
        ]
        for one in found
    ]
    wrong = [f"{plain(one.queue)}: {one.residual:+} doesn't add up" for one in found if one.residual]
    return [*table([head, *body], (1, 2, 3, 4, 5, 6)), *wrong]


def show_dead(where: Api | File, queue: QueueName, limit: int, *, json: bool, bodies: bool) -> int:
    """Print a queue's oldest dead letters; returns 1 when there are any, else 0."""
    found = _dead(where, queue, limit)
    if json:
        typer.echo(as_json(found))
    elif not found:
        typer.echo(f"No dead letters in {plain(queue)}.")
    else:
        head = ["id", "taken", "source", "number", "size", "attempts", "reason"]
        body = [
            [
                str(one.place),
                when(one.ts),
                plain(one.source, _SOURCE),
                str(one.n),
                size(len(one.body)),
                str(one.attempts),
                plain(one.reason, _REASON),
            ]
            for one in found
        ]
        typer.echo("\n".join(table([head, *body], (0, 3, 4, 5))))
        for one in found if bodies else ():
            typer.echo(f"\n{one.place}:\n{payload(one.body)}")
    return 1 if found else 0


def _dead(where: Api | File, queue: str, limit: int) -> list[DeadLetter]:
    found: list[DeadLetter] = []
    reader = where.reader() if isinstance(where, File) else None
    try:
        while len(found) < limit:
            most, after = min(_PAGE, limit - len(found)), found[-1].place if found else 0
            if reader is not None:
                page = [letter(one) for one in reader.dead_letters(queue, after, most)]
            else:
                assert isinstance(where, Api)  # noqa: S101  # the other of two
                page = where.get(f"queues/{queue}/dead", list[DeadLetter], {"after": f"{after}", "limit": f"{most}"})
            if not page:
                break
            found += page
    finally:
        if reader is not None:
            reader.close()
    return found


def replay_dead(where: Api | File, queue: QueueName, ids: Ids, clock: Clock) -> int:
    """Let dead letters wait again, with no attempt counted."""
    done = _change(where, queue, DeadRequest("replay", ids), clock)
    typer.echo(f"{many(done, 'dead letter')} of {plain(queue)} {'waits' if done == 1 else 'wait'} again.")
    return 0


def drop_dead(where: Api | File, queue: QueueName, ids: Ids, clock: Clock) -> int:
    """Throw dead letters away for good, counted."""
    done = _change(where, queue, DeadRequest("drop", ids), clock)
    typer.echo(f"{many(done, 'dead letter')} of {plain(queue)} {'is' if done == 1 else 'are'} gone.")
    return 0


def _change(where: Api | File, queue: str, wanted: DeadRequest, clock: Clock) -> int:
    if isinstance(where, Api):
        return where.post(f"queues/{queue}/dead", wanted, DeadReply).done
    if where.is_running:
        raise Misused(f"{where.why}, but the node runs", "stop it for this, or give it an `api:`")
    act = queues.revive if wanted.do == "replay" else queues.drop
    return asyncio.run(_in_file(where, lambda tx: act(tx, queue, wanted.places), clock))


async def _in_file(file: File, write: Callable[[Transaction], int], clock: Clock) -> int:
    settings = file.plan.settings
    journal = Journal(file.access, settings.node, settings.journal, clock)
    try:
        return await journal.submit(write)
    finally:
        await asyncio.to_thread(journal.close)
