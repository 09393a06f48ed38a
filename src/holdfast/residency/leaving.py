"""Sorts a commit's rows into the lanes that fit, and makes what may leave in their place. Loop thread; batches only."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.crypto.pseudonyms import keyed_digest, pseudonym
from holdfast.journal import filtered, register, weaves
from holdfast.journal.ledger import MADE
from holdfast.journal.transaction import MADE_TO_LEAVE, NODE_ITSELF, Origin, Transaction
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import READING_LANES, Lane, Stay
from holdfast.model.series import Catalogue, Series
from holdfast.residency.rules import Policy

Counts = Counter[tuple[str, str]]
"""(rule's pattern, what was done) -> rows."""
_LOCAL = np.uint8(READING_LANES.index(Lane.LOCAL))
NOBODY = "withheld"
"""The device of an alert whose device has no pseudonym."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """A commit's readings by lane. place: of each row as it came, in READING_LANES; None when all leave as they are.

    copies: pseudonymised ones
    """

    parts: dict[Lane, Batch]
    place: NDArray[np.uint8] | None = None
    copies: Batch = field(default_factory=Batch.empty)
    counts: Counts = field(default_factory=Counter)
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class SortedEvents:
    """A commit's events by lane; stubs: redacted ones among those of the open lanes."""

    by_lane: dict[Lane, list[Event]]
    stubs: int = 0
    counts: Counts = field(default_factory=Counter)
    at_ns: int = 0


class Leaving:
    """What leaves of a node's own rows."""

    def __init__(
        self, policy: Policy, catalogue: Catalogue, key: bytes = b"", now_ns: Callable[[], int] = lambda: 0
    ) -> None:
        """key: 32 secret bytes that stay at the site; now_ns: wall time, for the register's days."""
        self.policy = policy
        self.catalogue = catalogue
        self._key = key
        self._now_ns = now_ns
        # Intake sorts on the loop, a replay of refused messages on the journal's writer: the tables grow under a lock.
        self._growing = threading.Lock()
        self._copy_of = np.empty(0, np.int32)
        self._speaks = [any(leave.pseudonym for leave in rule.leave) for rule in policy.rules]

    def sort(self, batch: Batch) -> Sorted:
        """Each row to its lane; texts go only where their rows go."""
        if not len(batch):
            return Sorted({})
        if not self.policy and not self.catalogue.has_filter:
            return Sorted({Lane.BULK: batch})
        is_text = self.catalogue.is_text
        stay = self.catalogue.stay_of[batch.series]
        place = np.where((stay == 0) & self.catalogue.is_local[batch.series], _LOCAL, stay)
        if not place.any():
            return Sorted({Lane.BULK: batch.slim(is_text)})  # a repeat that was dropped may have left its text
        parts = {
            lane: batch.take(rows).slim(is_text)
            for number, lane in enumerate(READING_LANES)
            if (rows := place == number).any()
        }
        if not stay.any():
            return Sorted(parts, place)
        with self._growing:
            rules = self.policy.rule_of(self.catalogue)[batch.series]
            copy_of = self._copies()[batch.series]
        copied = copy_of >= 0
        copies = Batch.empty()
        if copied.any():
            mine = batch.take(copied)
            copies = Batch(copy_of[copied], mine.ts, mine.value, mine.quality, mine.texts).slim(self.catalogue.is_text)
        counts: Counts = Counter()
        self._count(counts, "stayed", rules[stay > 0])
        self._count(counts, "pseudonymised", rules[copied])
        return Sorted(parts, place, copies, counts, self._now_ns())

    def sort_events(self, events: Sequence[Event]) -> SortedEvents:
        """Alerts about what stays go where that stays; a stub without device, values or words may leave."""
        by_lane: dict[Lane, list[Event]] = {}
        counts: Counts = Counter()
        stubs = 0
        for event in events:
            stay, rule = self._stay_of(event)
            if stay is Stay.ANYWHERE:
                by_lane.setdefault(event.lane, []).append(event)
                continue
            name, kept = self.policy.rules[rule].series if rule >= 0 else "", event
            if rule >= 0 and self.policy.rules[rule].alerts == "redacted":
                stub = self._stub(event, stay, rule)
                by_lane.setdefault(event.lane, []).append(stub)
                kept = msgspec.structs.replace(event, why={**event.why, "left_as": stub.id})
                stubs += 1
                counts[name, "alerts_redacted"] += 1
            by_lane.setdefault(stay.lane, []).append(kept)
            counts[name, "alerts_stayed"] += 1
        return SortedEvents(by_lane, stubs, counts, self._now_ns())

    def may_be_known(self, device: str) -> bool:
        """May other nodes know that there is this device? Not where a series of it stays, nor while it has none."""
        if not self.policy:
            return True
        mine = np.flatnonzero(self.catalogue.device_of == self.catalogue.device_id(self.policy.node, device))
        return len(mine) > 0 and not self.catalogue.stay_of[mine].any()

    def alias(self, series: Series) -> Series:
        """The series under which a pseudonymised copy leaves."""
        return series._replace(device=pseudonym(self._key, series.node, series.device))

    def _copies(self) -> NDArray[np.int32]:
        """The id under which each series' copy leaves, -1 = none; shape (catalogue,) or longer."""
        if not any(self._speaks):
            return np.full(len(self.catalogue), -1, np.int32)
        while (known := len(self._copy_of)) < len(self.catalogue):  # naming copies makes the catalogue longer
            rules = self.policy.rule_of(self.catalogue)[known:].tolist()
            ids = [
                self.catalogue.intern_made(self.alias(self.catalogue[known + i]))
                if rule >= 0 and self._speaks[rule]
                else -1
                for i, rule in enumerate(rules)
            ]
            self._copy_of = np.concatenate([self._copy_of, np.array(ids, np.int32)])
        return self._copy_of

    def _count(self, counts: Counts, what: str, rules: NDArray[np.int16]) -> None:
        for place, n in zip(*np.unique(rules, return_counts=True), strict=True):
            counts[self.policy.rules[place].series if place >= 0 else "", what] += int(n)

    def _stay_of(self, event: Event) -> tuple[Stay, int]:
        """How far an event may go: as the strictest of the series it was decided on, and that one's rule.

        One about a series goes by that alone. Without inputs (a device fell silent) all series of its device count.
        """
        catalogue = self.catalogue
        if not self.policy or event.node != self.policy.node:
            return Stay.ANYWHERE, -1
        device = catalogue.device_id(event.node, event.device)
        mine = np.flatnonzero(catalogue.device_of == device)
        inputs = event.why.get("inputs")
        if event.metric:
            mine = np.array([i for i in mine if catalogue[int(i)].metric == event.metric], np.intp)
        elif isinstance(inputs, dict) and inputs:
            mine = np.array([i for i in mine if catalogue[int(i)].metric in inputs], np.intp)
        if not len(mine) or not catalogue.stay_of[mine].any():
            return Stay.ANYWHERE, -1
        strictest = int(mine[np.argmax(catalogue.stay_of[mine])])
        return Stay(int(catalogue.stay_of[strictest])), int(self.policy.rule_of(catalogue)[strictest])

    def _stub(self, event: Event, stay: Stay, rule: int) -> Event:
        """What may be known elsewhere: when, how severe, and by which rule."""
        device = pseudonym(self._key, event.node, event.device) if self._speaks[rule] else NOBODY
        return Event(
            id=keyed_digest(self._key, "event", event.id)[:32],  # the open id could be guessed from the device's name
            ts=event.ts,
            lane=event.lane,
            kind=event.kind,
            severity=event.severity,
            node=event.node,
            device=device,
            rule=event.rule,
            message=f"{event.kind} by rule {event.rule}; its evidence stays: {stay.word}",
            why={"withheld": stay.word, "rule_version": event.why.get("rule_version", "")},
        )


def store(tx: Transaction, found: Sorted, origin: Origin = NODE_ITSELF) -> None:
    """Store sorted readings with what leaves in their place, and count both, inside the commit."""
    for lane, part in found.parts.items():
        tx.append_readings(lane, part, origin)
        if lane is Lane.LOCAL:
            filtered.count_kept(tx, len(part))
    if found.place is not None and origin is NODE_ITSELF:
        weaves.keep(tx, found.place)
    if len(found.copies):
        tx.append_readings(Lane.BULK, found.copies, MADE_TO_LEAVE)
        tx.count(MADE, len(found.copies))
    count_all(tx, found.counts, found.at_ns)


def store_events(tx: Transaction, found: SortedEvents) -> None:
    """Store sorted events inside the commit."""
    for lane, events in found.by_lane.items():
        tx.append_events(lane, events)
    tx.count(MADE, found.stubs)
    count_all(tx, found.counts, found.at_ns)


def count_all(tx: Transaction, counts: Counts, now_ns: int) -> None:
    """Count in the day's register and, by what was done, for metrics."""
    for (rule, what), n in counts.items():
        register.count(tx, now_ns // register.DAY_NS, rule, what, n)
        tx.count(f"residency_rows.{what}", n)
