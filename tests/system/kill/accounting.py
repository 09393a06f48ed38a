"""The books of a whole site: what a device had acked = what the hub stored + what it knows to be gone."""

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.system.kill.site import METRICS, Site, hub_readings, judge

from holdfast.journal.blobs import decode_events
from holdfast.journal.integrity import Damage, scan
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.model.lane import Lane


@dataclass(frozen=True)
class Account:
    """Rows acked, stored at the hub, and in gaps there; alerts at the hub by device."""

    acked: int
    stored: int
    gaps: int
    lost: int
    wrong: int
    alerts: Counter[str]

    def __str__(self) -> str:
        return (
            f"{self.acked} rows acked = {self.stored} stored + {self.gaps} in gaps; {sum(self.alerts.values())} alerts"
        )


def marks(site: Site) -> list[tuple[int, int]]:
    """(delivered, head) of the gateway's lanes."""
    reader = JournalReader(site.folder / "gw" / FILE_NAME)
    try:
        return [(lane.delivered, lane.head) for lane in reader.accounts(CONSUMER).lanes]
    finally:
        reader.close()


def wait_delivered(site: Site, seconds: float = 180) -> None:
    """Wait until the hub has acknowledged all that the gateway has."""
    deadline = time.monotonic() + seconds
    while any(delivered < head for delivered, head in marks(site)):
        assert time.monotonic() < deadline, f"the hub doesn't get everything:\n{site.log('gw')}"
        time.sleep(0.1)


def shed(site: Site) -> bool:
    """Has the gateway let go of bulk rows already?"""
    reader = JournalReader(site.folder / "gw" / FILE_NAME)
    try:
        return any(gap.lane is Lane.BULK for gap in reader.gaps())
    finally:
        reader.close()


def account(site: Site, record: Path, alerts: int) -> Account:
    """What became of everything; both journals must be whole, and their ledgers balance."""
    for node in ("gw", "hub"):
        reader = JournalReader(site.folder / node / FILE_NAME)
        assert not [found for lane in Lane for found in scan(reader, lane) if isinstance(found, Damage)], node
        ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=node == "gw")
        assert ledger.balanced, ledger
        gaps = sum(len(gap) for gap in reader.gaps() if gap.lane is Lane.BULK)
        names: Counter[str] = Counter()
        for group in reader.read(Lane.CRITICAL, 0, 10**9):
            if group.kind is GroupKind.EVENTS:
                names.update(event.device for event in decode_events(group.blob) if event.kind == "alert.raised")
        reader.close()
    verdict = judge(site, record)
    stored = sum(len(values) for values in hub_readings(site).values())
    acked = (verdict.acked + alerts) * len(METRICS)
    assert verdict.doubled == 0
    return Account(acked, stored, gaps, verdict.lost, verdict.wrong, names)
