"""The audit: the fleet's own record against what the two journals really hold, message by message. Blocking.

A message's identity is (device, event time in ms): unique by construction of the fleet.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import load_catalogue
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.kernel.clock import NS_PER_MS
from holdfast.model.event import Event
from holdfast.model.lane import Lane

ROOM_METRICS = ("air.temperature", "air.humidity", "light.illuminance", "air.co2", "room.occupied")
_DEVICE_SHIFT = 44  # ms since 1970 need 41 bits
_ALL_TIME = 1 << 62
Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one journal holds of the fleet's rooms.

    keys:        each committed message once, ascending; one counts when all of its metrics are there
    doubled:     messages with a metric stored more than once
    temperature: the stored temperature of each of `keys`
    readings:    rows of the bulk lane, every device
    """

    keys: Keys
    doubled: int
    temperature: NDArray[np.float64]
    readings: int
    events: list[Event]


def message_keys(devices: NDArray[np.int64], ts_ms: NDArray[np.int64]) -> Keys:
    """The identity of each message as one number, shape (n,)."""
    return (devices.astype(np.int64) << _DEVICE_SHIFT) | ts_ms.astype(np.int64)


def holdings(path: Path, device_numbers: dict[str, int]) -> Holdings:
    """Read a stopped node's journal."""
    catalogue = load_catalogue(path)
    numbers = np.array([device_numbers.get(s.device, -1) for s in catalogue.since(0)], np.int64)
    metrics = np.array([_metric(s.metric) for s in catalogue.since(0)], np.int64)
    reader = JournalReader(path)
    try:
        series, times, values = _columns(reader)
        events = [
            event
            for group in reader.between(0, _ALL_TIME, Lane.CRITICAL)
            if group.kind is GroupKind.EVENTS
            for event in decode_events(group.blob)
        ]
    finally:
        reader.close()
    if not len(series):
        return Holdings(np.empty(0, np.int64), 0, np.empty(0), 0, events)
    ours = (numbers[series] >= 0) & (metrics[series] >= 0)
    keys = message_keys(numbers[series[ours]], times[ours] // NS_PER_MS)
    return _count(keys, metrics[series[ours]], values[ours], len(series), events)


def _count(
    keys: Keys, metrics: NDArray[np.int64], values: NDArray[np.float64], readings: int, events: list[Event]
) -> Holdings:
    distinct, position = np.unique(keys, return_inverse=True)
    seen = np.zeros((len(distinct), len(ROOM_METRICS)), np.int64)
    np.add.at(seen, (position, metrics), 1)
    temperature = np.full(len(distinct), np.nan)
    is_temperature = metrics == 0
    temperature[position[is_temperature]] = values[is_temperature]
    whole = (seen > 0).all(axis=1)
    doubled = int((seen > 1).any(axis=1).sum())
    return Holdings(distinct[whole], doubled, temperature[whole], readings, events)


def _columns(reader: JournalReader) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
    batches = [
        decode_readings(group.blob)
        for group in reader.between(0, _ALL_TIME, Lane.BULK)
        if group.kind is GroupKind.READINGS
    ]
    if not batches:
        return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0)
    return (
        np.concatenate([b.series for b in batches]),
        np.concatenate([b.ts for b in batches]),
        np.concatenate([b.value for b in batches]),
    )


def _metric(name: str) -> int:
    return ROOM_METRICS.index(name) if name in ROOM_METRICS else -1
