"""What the journals of a gateway `gw` and its hub hold, read beside the running nodes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import FILE_NAME, load_catalogue
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.model.event import Event
from holdfast.model.lane import Lane

Row = tuple[str, str, int, float]
"""device, metric, time in `Held.tick_ns`, value."""


class Held:
    """For a site whose nodes' data lie in `folder`."""

    folder: Path
    tick_ns = 1_000_000

    def rows(self, name: str, *lanes: Lane) -> Iterator[Row]:
        path = self.folder / name / FILE_NAME
        reader, catalogue = JournalReader(path), load_catalogue(path)
        for group in itertools.chain(*(reader.between(0, 2**62, lane) for lane in lanes)):
            if group.kind is GroupKind.READINGS:
                batch = decode_readings(group.blob)
                columns = batch.series.tolist(), batch.ts.tolist(), batch.value.tolist()
                for number, ts, value in zip(*columns, strict=True):
                    yield catalogue[number].device, catalogue[number].metric, ts // self.tick_ns, value
        reader.close()

    def said(self, name: str) -> list[Event]:
        reader = JournalReader(self.folder / name / FILE_NAME)
        groups = [g for lane in (Lane.CRITICAL, Lane.NORMAL) for g in reader.between(0, 2**62, lane)]
        reader.close()
        return [one for g in groups if g.kind is GroupKind.EVENTS for one in decode_events(g.blob)]

    def ledger(self, name: str) -> Ledger:
        reader = JournalReader(self.folder / name / FILE_NAME)
        try:
            return balance(reader.accounts(CONSUMER, count=True), has_parent=name == "gw")
        finally:
            reader.close()

    def is_settled(self) -> bool:
        ledger = self.ledger("gw")
        known = ledger.filtered
        return known is not None and not (known.open or known.waiting or any(one.pending for one in ledger.lanes))
