"""A gateway's journal under residency rules: real parts, a hand-turned clock."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tests.unit.journal.kept import a_store, do

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.journal.store import FILE_NAME
from holdfast.journal.transaction import Transaction
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.residency.leaving import Leaving, store, store_events
from holdfast.residency.rules import Policy
from holdfast.residency.settings import ResidencyRule

NOW = 1_700_000_000 * 10**9
KEY = bytes(range(32))
Reading = tuple[str, str, float | str]
"""device, metric, value"""


class House:
    """A store whose rows are sorted by rules."""

    def __init__(self, folder: Path, rules: Sequence[ResidencyRule], region: str = "eu", key: bytes = KEY) -> None:
        self.folder = folder
        self.store = a_store(folder)
        self.catalogue = self.store.catalogue
        self.policy = Policy(rules, "gw", region)
        self.catalogue.rule_by(self.policy.stay)
        self.leaving = Leaving(self.policy, self.catalogue, key, lambda: NOW)
        self.reader = JournalReader(folder / FILE_NAME)

    def batch(self, readings: Sequence[Reading], start: int = 0) -> Batch:
        """One row a second from NOW + start."""
        ids, values, texts = [], [], list[str]()
        for device, metric, value in readings:
            kind = Kind.TEXT if isinstance(value, str) else Kind.FLOAT
            ids.append(self.catalogue.intern(Series("gw", device, metric, "", kind)))
            values.append(float(len(texts)) if isinstance(value, str) else value)
            texts += [value] if isinstance(value, str) else []
        n = len(ids)
        ts = NOW + (start + np.arange(n)) * 10**9
        return Batch(np.array(ids, np.int32), ts, np.array(values), np.zeros(n, np.uint8), tuple(texts))

    def commit(self, batch: Batch, events: Sequence[Event] = ()) -> None:
        readings, sorted_events = self.leaving.sort(batch), self.leaving.sort_events(events)

        def write(tx: Transaction) -> None:
            store(tx, readings)
            store_events(tx, sorted_events)
            tx.count("readings_accepted", len(batch))
            tx.count("events_accepted", len(events))

        do(self.store, write)

    def rows(self, lane: Lane) -> Iterator[Reading]:
        for group in self.reader.read(lane, 0, 10**9):
            if group.kind is not GroupKind.READINGS:
                continue
            batch = decode_readings(group.blob)
            for number, value in zip(batch.series.tolist(), batch.value.tolist(), strict=True):
                series = self.catalogue[number]
                yield series.device, series.metric, batch.texts[int(value)] if series.kind is Kind.TEXT else value

    def events(self, lane: Lane) -> list[Event]:
        groups = [g for g in self.reader.read(lane, 0, 10**9) if g.kind is GroupKind.EVENTS]
        return [event for group in groups for event in decode_events(group.blob)]
