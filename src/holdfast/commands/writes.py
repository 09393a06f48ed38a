"""What commands write, each inside a commit and repeatable."""

from collections.abc import Callable

from holdfast.commands.errors import CommandError
from holdfast.commands.names import Names
from holdfast.journal import commanded
from holdfast.journal.commanded import Stored
from holdfast.journal.transaction import Transaction
from holdfast.model.command import Answer
from holdfast.model.event import Event


def late(tx: Transaction, number: str, level: str, answer: Answer, names: Names, at_ns: int) -> bool:
    """Keep an answer beside the end that a command had; False when it isn't the answerer's command."""
    known = commanded.find(tx.db, number)
    if known is None or known.via or not names(known.command.device).answers_at(level):
        return False
    commanded.end(tx, number, answer, at_ns)
    return True


def end_and_tell(tx: Transaction, number: str, answer: Answer, event: Event) -> bool:
    """End a command with the event that says so; False when it had ended."""
    if commanded.end(tx, number, answer, event.ts) is None:
        return False
    tx.append_events(event.lane, [event])
    tx.count("events_accepted")
    return True


def take(
    tx: Transaction, new: Stored, why_not: CommandError | None, also: Callable[[Transaction], None] | None
) -> tuple[Stored, bool]:
    """Take a command, once by its id; returns it as stored, and whether it's new.

    why_not: raised when it's new; also: written with it
    """
    known = commanded.find(tx.db, new.command.id)
    if also is not None and (known is not None or why_not is None):
        also(tx)
    if known is not None:
        return known, False
    if why_not is not None:
        raise why_not
    commanded.insert(tx, new)
    return commanded.find(tx.db, new.command.id) or new, True
