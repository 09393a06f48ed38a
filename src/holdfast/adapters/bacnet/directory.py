"""Which device is where: from I-Am (clause 16.10), or as the operator says. Pure.

- A device that works keeps its place: another station that says to be it is a duplicate, and is told of.
- A device that fails, or was never found, is where the next I-Am of its instance comes from.
- An I-Am from where it's known to be may mean that it began anew: its subscriptions are gone then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from holdfast.adapters.bacnet.frames import Station
from holdfast.adapters.bacnet.services import Introduction

News = Literal["", "found", "again", "moved", "duplicate"]
DUPLICATE_S = 900.0
"""So long a duplicate is told of after it was heard."""
UNKNOWN_APDU = 480
"""What every BACnet/IP device should take (clause 20.1.2.5 has smaller ones, for other media)."""


@dataclass(slots=True)
class Entry:
    """A device. fixed: by the operator; rival: another station of the same instance, heard at rival_s."""

    station: Station | None = None
    fixed: bool = False
    works: bool = False
    max_apdu: int = UNKNOWN_APDU
    vendor: int | None = None
    rival: Station | None = None
    rival_s: float = 0.0


class Directory:
    """Of one link: of those devices that are asked, and no others, however many say that they're there."""

    def __init__(self, wanted: Mapping[int, Station | None]) -> None:
        """wanted: instances, with where they are if it's told."""
        self.entries = {instance: Entry(where, where is not None) for instance, where in wanted.items()}

    def heard(self, said: Introduction, station: Station, now: float) -> News:
        """An I-Am came."""
        entry = self.entries.get(said.instance)
        if entry is None:
            return ""
        before, news = entry.station, _news(entry, station)
        if news == "duplicate":
            entry.rival, entry.rival_s = station, now
            return news
        entry.station, entry.vendor = station, said.vendor
        entry.max_apdu = max(50, min(said.max_apdu, 1476))
        if before is not None and before == entry.rival:
            entry.rival = None
        return news

    def worked(self, instance: int, *, works: bool) -> None:
        """It answered, or it didn't."""
        self.entries[instance].works = works

    def duplicate(self, instance: int, now: float) -> str:
        """What is to be said of a rival, if there is one."""
        entry = self.entries[instance]
        if entry.rival is None or now - entry.rival_s > DUPLICATE_S:
            return ""
        return f"{entry.rival} says to be device {instance} too: instance numbers must be unique"

    def addresses(self) -> list[tuple[str, int]]:
        """Where devices are known to be."""
        return [(one.station.host, one.station.port) for one in self.entries.values() if one.station is not None]


def _news(entry: Entry, station: Station) -> News:
    if entry.station is None:
        return "found"
    if station == entry.station:
        return "again"
    return "duplicate" if entry.fixed or entry.works else "moved"
