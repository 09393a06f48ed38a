"""What viewers are told of, looked up once a turn for all of them; with nobody to look, nothing is looked up.

Status, devices and newest values are in memory; alerts and events are read on a worker thread, and a turn doesn't wait
for them: they're told in a later one.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
from msgspec import Raw
from numpy.typing import NDArray

from holdfast.history.names import select
from holdfast.journal import alerts
from holdfast.journal.alerts import Wanted
from holdfast.kernel.errors import HoldfastError
from holdfast.model.batch import Batch
from holdfast.storage.sqlite import Connection
from holdfast.web.alerts import AlertRow, shown
from holdfast.web.deps import WebDeps
from holdfast.web.gate import Gate
from holdfast.web.live.changes import Table
from holdfast.web.live.following import Following
from holdfast.web.live.messages import Topic, Trouble
from holdfast.web.live.telling import last_row, piece

STATUS_S = EVENTS_S = 1.0
DEVICES_S, SHARE = 2.0, 50
"""Devices are listed on the loop: seldom enough that it takes a fiftieth of its time at most."""
MOST_ALERTS, MOST_CLEARED, MOST_DEVICES, MOST_EVENTS = 1_000, 1_000, 10_000, 200
_MOST_CHOICES = 64
_encode = msgspec.json.encode


class Sources:
    """Loop thread only."""

    def __init__(self, deps: WebDeps, gate: Gate) -> None:
        """gate: shared by all questions about the past."""
        self.following = Following(deps.catalogue)
        self.alerts = Table(MOST_ALERTS + MOST_CLEARED)
        self.devices, self.events = Table(MOST_DEVICES), Table(MOST_EVENTS)
        self.troubles: dict[str, Trouble] = {}
        self._deps, self._gate = deps, gate
        self._status, self._status_number = Raw(b"null"), 0
        self._due: dict[str, float] = {}
        self._ready: set[str] = set()
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._open: dict[int, AlertRow] = {}
        self._alerts_at = -1
        self._choices: dict[tuple[str, ...], NDArray[np.int32]] = {}
        self._chosen_of = 0
        self._lasts: dict[int, bytes] = {}
        self._pieces: dict[tuple[int, int, int], bytes] = {}

    def turn(self, now: float, topics: Mapping[Topic, int]) -> None:
        """Look up what is due and watched."""
        self._lasts.clear()
        self._pieces.clear()
        self.following.turn()
        if topics.get("status") and self._is_due("status", now, STATUS_S):
            self._status, self._status_number = Raw(_encode(self._deps.status())), self._status_number + 1
        if topics.get("devices") and self._is_due("devices", now, DEVICES_S):
            self._list_devices()
        if topics.get("events") and self._is_due("events", now, EVENTS_S):
            self._read("events", self._read_events)
        if topics.get("alerts") and self._deps.alerting is not None:
            revision = self._deps.alerting.service.revision
            if revision != self._alerts_at and "alerts" not in self._reading:
                self._read("alerts", partial(self._read_alerts, revision))

    def forget(self, topic: Topic) -> None:
        """Nobody watches a topic any more; what was kept for it goes."""
        self._ready.discard(topic)
        self._due.pop(topic, None)
        self.troubles.pop(topic, None)
        if topic == "alerts":
            self._open, self._alerts_at = {}, -1
            self.alerts.clear()
        elif topic in ("devices", "events"):
            getattr(self, topic).clear()

    def is_ready(self, topic: Topic) -> bool:
        """Has it been looked up since somebody watches?"""
        return topic in self._ready

    # Status, devices, logs

    def status(self, number: int) -> tuple[Raw | None, int]:
        """The status when there's one above this number; and its number."""
        return (self._status, self._status_number) if self._status_number > number else (None, number)

    def _list_devices(self) -> None:
        if self._deps.devices is None:
            return
        began = self._deps.clock.monotonic()
        for row in self._deps.devices.rows():
            self.devices.put((row.node, row.name), row)
        took = self._deps.clock.monotonic() - began
        self._due["devices"] = max(self._due["devices"], began + SHARE * took)
        self._ready.add("devices")

    def logs(self, after: int, room: int) -> tuple[list[bytes], int]:
        """Log lines with a higher number, oldest first; and the last one's number."""
        lines = self._deps.telemetry.lines
        told: list[bytes] = []
        for one in reversed(lines.after(after)):
            line = _encode(one)
            room -= len(line) + 1
            if room < 0:
                break
            told.append(line)
        return told[::-1], lines.last

    # Alerts and events

    def _read(self, topic: Topic, read: Callable[[], Awaitable[None]]) -> None:
        if topic in self._reading:
            return

        async def reading() -> None:
            try:
                await read()
                self.troubles.pop(topic, None)
            except HoldfastError as error:
                self.troubles[topic] = Trouble(str(error), error.hint)
            finally:
                self._ready.add(topic)
                self._reading.pop(topic, None)

        self._reading[topic] = asyncio.create_task(reading(), name=f"live {topic}")

    async def _read_alerts(self, revision: int) -> None:
        assert self._deps.alerting is not None  # noqa: S101  # asked by who calls
        known, below = set(self._open), self._deps.alerting.below

        def look(db: Connection) -> tuple[list[AlertRow], list[AlertRow]]:
            opened = alerts.page(db, Wanted(), MOST_ALERTS)
            over = sorted(known - {one.id for one in opened})[-MOST_CLEARED:]
            found = [one for number in over if (one := alerts.find(db, number)) is not None]
            return shown(db, below, opened), shown(db, below, found)

        async with self._gate.enter():
            opened, over = await asyncio.to_thread(self._deps.alerting.look, look)
        for row in (*over, *reversed(opened)):
            self.alerts.put(row.id, row)
        self._open, self._alerts_at = {row.id: row for row in opened}, revision

    async def _read_events(self) -> None:
        async with self._gate.enter():
            found = await asyncio.to_thread(self._deps.events, MOST_EVENTS)
        for event in reversed(found):
            self.events.put(event.id, event)

    # Readings

    def choose(self, patterns: tuple[str, ...]) -> NDArray[np.int32]:
        """Ids of the series that the patterns mean, by name.

        Raises:
            QueryInvalid: when one is no pattern.
        """
        catalogue = self._deps.catalogue
        if self._chosen_of != len(catalogue) or len(self._choices) >= _MOST_CHOICES:
            self._choices.clear()
            self._chosen_of = len(catalogue)
        if patterns not in self._choices:
            ids = select(catalogue, patterns or ("*",)).tolist()
            self._choices[patterns] = np.array(sorted(ids, key=lambda i: catalogue[i].name), np.int32)
        return self._choices[patterns]

    def last(self, ids: Sequence[int]) -> list[bytes]:
        """The newest reading of each, as JSON."""
        missing = [i for i in ids if i not in self._lasts]
        for i, last in zip(missing, self._deps.past.known.of(missing), strict=True):
            self._lasts[i] = _encode(last_row(self._deps.catalogue[i], last))
        return [self._lasts[i] for i in ids]

    def piece(self, series: int, after: int, batches: Sequence[Batch], most: int) -> tuple[bytes, int]:
        """A series' rows of the turns after one as JSON, the newest `most` of them; and how many those are."""
        rows = min(most, sum(len(batch) for batch in batches))
        key = series, after, rows
        if key not in self._pieces:
            self._pieces[key] = _encode(piece(batches, self._deps.catalogue[series].kind, rows))
        return self._pieces[key], rows

    def _is_due(self, topic: Topic, now: float, every_s: float) -> bool:
        if now < self._due.get(topic, -math.inf):
            return False
        self._due[topic] = now + every_s
        return True
