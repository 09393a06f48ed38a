"""What one commit writes: everything prepared since the last one, as one group per lane."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from holdfast.intake.prepare import Prepared
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import concatenate
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Catalogue

CONSUMER = "rules"


def writing(
    work: Sequence[Prepared], catalogue: Catalogue, settings: JournalSettings, engine_state: bytes | None
) -> Callable[[Transaction], None]:
    """The repeatable write that stores rows, events, quarantine, dedupe keys and counters in one transaction.

    engine_state: the rule engine's state after exactly these rows, when a checkpoint is due.
    """
    batch = concatenate([w.batch for w in work], catalogue.is_text)
    events = by_lane([d.event for w in work for d in w.decisions])
    keys = np.concatenate([w.keys for w in work])
    quarantine = [row for w in work for row in w.quarantine]
    retained = {topic: payload for w in work for topic, payload in w.retained.items()}
    counts = sum((w.counts for w in work), Counter[str]())

    def write(transaction: Transaction) -> None:
        if len(batch):
            transaction.append_readings(Lane.BULK, batch)
        for lane, of_lane in events.items():
            transaction.append_events(lane, of_lane)
        if len(keys):
            transaction.remember_keys(keys, settings.keys_kept)
        if quarantine:
            transaction.quarantine(quarantine, settings.quarantine_rows)
        transaction.retain(retained)
        if engine_state is not None:
            transaction.checkpoint(CONSUMER, transaction.draft.heads[Lane.BULK], engine_state)
        for name, by in counts.items():
            transaction.count(name, by)

    return write


def by_lane(events: Sequence[Event]) -> dict[Lane, list[Event]]:
    """Events grouped by lane, order kept."""
    lanes: dict[Lane, list[Event]] = {}
    for event in events:
        lanes.setdefault(event.lane, []).append(event)
    return lanes
