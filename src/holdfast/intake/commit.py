"""What one commit writes: everything prepared since the last one, as one group per lane."""

from collections.abc import Callable, Sequence

import numpy as np

from holdfast.intake.prepare import Prepared
from holdfast.intake.tracing import note_event_places, note_places
from holdfast.journal import commanded, weaves
from holdfast.journal.restamp import REPAIR
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import concatenate
from holdfast.model.lane import READING_LANES, Lane
from holdfast.residency.leaving import Leaving, store, store_events
from holdfast.stream import steps

CONSUMER = "rules"


def writing(
    work: Sequence[Prepared], leaving: Leaving, settings: JournalSettings, engine_state: bytes | None
) -> Callable[[Transaction], None]:
    """The repeatable write that stores rows, events, quarantine, keys, commands, counters and annexes together.

    leaving:      sorts rows and events into the lanes that residency rules allow
    engine_state: the rule engine's state after exactly these rows, when a checkpoint is due.
    """
    readings = leaving.sort(concatenate([b for w in work for b in (w.batch, *w.derived)], leaving.catalogue.is_text))
    events = leaving.sort_events([d.event for w in work for d in w.decisions])
    keys = work[0].keys if len(work) == 1 else np.concatenate([w.keys for w in work])
    quarantine = [row for w in work for row in w.quarantine]
    retained = {topic: payload for w in work for topic, payload in w.retained.items()}
    counts = _summed(work)
    annexes = [a.annex.writing() for w in work for a in w.arrivals if a.annex is not None]
    commands = [one for w in work for one in w.commands]
    also = [one for w in work for one in w.also]
    told = b"" if engine_state is not None else steps.encode([step for w in work for step in w.steps])

    def write(transaction: Transaction) -> None:
        store(transaction, readings)
        note_places(transaction, work, readings)
        store_events(transaction, events)
        note_event_places(transaction, work, events)
        if len(keys):
            transaction.remember_keys(keys, settings.keys_kept)
        if quarantine:
            transaction.quarantine(quarantine, settings.quarantine_rows)
        transaction.retain(retained)
        _remember(transaction, engine_state, told, is_woven=readings.place is not None)
        for one in commands:
            commanded.insert(transaction, one)
        for name, by in counts.items():
            transaction.count(name, by)
        for more in (*annexes, *also):
            more(transaction)

    return write


def _remember(transaction: Transaction, engine_state: bytes | None, told: bytes, *, is_woven: bool) -> None:
    """What a restart needs of the rule engine: its state, or what it was told since that was stored."""
    if engine_state is not None:
        checkpoint(transaction, engine_state)
    elif told:
        weaves.note(transaction, told, is_woven=is_woven)


def checkpoint(transaction: Transaction, engine_state: bytes) -> None:
    """Store the rule engine's state as of everything committed so far, this transaction included."""
    heads = transaction.draft.heads
    transaction.checkpoint(CONSUMER, heads[Lane.BULK], engine_state)
    for lane in READING_LANES:
        if lane is not Lane.BULK and heads[lane]:
            transaction.set_cursor(CONSUMER, lane, heads[lane])
    weaves.forget(transaction)
    if transaction.meta(REPAIR):
        transaction.set_meta(REPAIR, "")


def _summed(work: Sequence[Prepared]) -> dict[str, int]:
    """The counts of all of it. `Counter` adds at ten times the cost, once a commit."""
    total: dict[str, int] = {}
    for prepared in work:
        for name, by in prepared.counts.items():
            total[name] = total.get(name, 0) + by
    return total
