"""Recorded room data: UCI Occupancy Detection (see data/ATTRIBUTION.md), as columns."""

import csv
import gzip
import io
from dataclasses import dataclass
from importlib import resources

WARMEST = 25.5
"""Replayed rooms stay below the demo rule's 26 °C, so that only scripted faults cross it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One minute of a room, at a sensor's resolution."""

    temperature: float
    humidity: float
    light: float
    co2: float
    occupied: bool


def load_recording() -> list[Row]:
    """Every row, in order."""
    packed = (resources.files("holdfast.sim") / "data" / "occupancy.csv.gz").read_bytes()
    reader = csv.DictReader(io.StringIO(gzip.decompress(packed).decode()))
    return [
        Row(
            min(WARMEST, round(float(r["Temperature"]), 2)),
            round(float(r["Humidity"]), 2),
            round(float(r["Light"]), 2),
            round(float(r["CO2"]), 2),
            r["Occupancy"] == "1",
        )
        for r in reader
    ]
