"""Traces: what a reading or an alert went through, by steps, under one id that every node computes for itself.

A reading is what it is wherever it lies: a series, by its name, at a time. Both travel unchanged to every node above,
so its trace id is a hash of them, and whether it is traced is another: no byte travels for it, and nodes that trace the
same share pick the same readings, whenever they come by (ADR 23). An alert's trace id is its event's own id.

A step's span id is a hash, too: of the trace, the node and the step. So a node names the step below it as parent
without having been told of it.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.kernel.clock import Clock
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.series import Catalogue
from holdfast.telemetry.lines import Fact
from holdfast.wire.reports import is_report

READING, ALERT = "reading", "alert"
"""The root step: all that a node did for it."""
DEVICE, RECEIVE, DECODE, DECIDE, COMMIT, ACK = "device", "receive", "decode", "decide", "commit", "ack"
UPLINK, INGEST, APPLY = "uplink", "ingest", "apply"
MOST_A_SECOND = 20
"""Traces taken up at one node, at any step; those beyond are counted and let go."""
_MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_FULL = 2**64 - 1


class Span(Struct, frozen=True, omit_defaults=True):
    """One step of a trace at a node. Times in ns UTC by that node's clock.

    trace:  32 hex digits; id, parent: 16; parent empty = nothing is above it
    facts:  what is known of the step; links: traces that this one came of
    """

    trace: str
    id: str
    node: str
    name: str
    start_ns: int
    end_ns: int
    parent: str = ""
    facts: dict[str, Fact] = {}
    links: tuple[str, ...] = ()


def trace_id(series: str, ts_ns: int) -> str:
    """The trace of a reading. series: `node/device/metric`."""
    return blake2b(f"reading\0{series}\0{ts_ns}".encode(), digest_size=16).hexdigest()


def trace_of(event: Event) -> str:
    """The trace of an alert: its id, where that has the form of one."""
    if len(event.id) == 32 and all(c in "0123456789abcdef" for c in event.id):
        return event.id
    return blake2b(f"event\0{event.id}".encode(), digest_size=16).hexdigest()


def about(event: Event) -> str:
    """What an alert is about, in a few words."""
    return f"{event.rule} on {event.node}/{event.device}" + (f"/{event.metric}" if event.metric else "")


def span_id(trace: str, node: str, name: str) -> str:
    """A step's id."""
    return blake2b(f"{trace}\0{node}\0{name}".encode(), digest_size=8).hexdigest()


class Sampler:
    """Picks the readings that are traced. Cost is per batch: some passes over its columns. Any thread."""

    def __init__(self, share: float) -> None:
        """share: of all readings, 0 to 1."""
        self.share = share
        self._limit = np.uint64(min(_FULL, int(share * 2**64)))
        self.is_on = share > 0
        self._keys = np.empty(0, np.uint64)
        self._catalogue: Catalogue | None = None
        self._growing = threading.Lock()  # the loop and the uplink's worker threads both pick

    def pick(self, batch: Batch, catalogue: Catalogue) -> list[int]:
        """Which rows; none of series that mustn't be known elsewhere."""
        if not self.is_on or not len(batch):
            return []
        x = self._keys_of(catalogue)[batch.series]
        x ^= batch.ts.view(np.uint64)
        x *= _MIX_1
        x ^= x >> _HALF
        x *= _MIX_2
        is_picked = x <= self._limit
        if not is_picked.any():
            return []
        picked = np.flatnonzero(is_picked)
        rows = (int(row) for row in picked if not catalogue.stay_of[batch.series[row]])
        # a step that goes up as a row must not make more steps
        return [row for row in rows if not is_report(catalogue[int(batch.series[row])])]

    def _keys_of(self, catalogue: Catalogue) -> NDArray[np.uint64]:
        keys = self._keys
        if catalogue is self._catalogue and len(keys) == len(catalogue):
            return keys
        with self._growing:
            known = self._keys if catalogue is self._catalogue else np.empty(0, np.uint64)
            new = [_key(one.name) for one in catalogue.since(len(known))]
            keys = np.concatenate([known, np.array(new, np.uint64)])
            self._keys, self._catalogue = keys, catalogue
        return keys


class Tracer:
    """One node's traces: picks, counts, and hands finished spans to whoever keeps them."""

    def __init__(self, node: str, share: float, clock: Clock, most_a_second: int = MOST_A_SECOND) -> None:
        """share: of readings; alerts are always traced."""
        self.node = node
        self.sampler = Sampler(share)
        self.taken = self.let_go = 0
        """How often a trace was taken up here, at any of its steps, and how often there was no room for it."""
        self._clock, self._most = clock, most_a_second
        # by kind of step, so that readings leave room for alerts, and a trace that was begun can be gone on with
        self._left: dict[str, tuple[float, float]] = {}
        self._keepers: list[Callable[[Sequence[Span]], None]] = []
        self._counting = threading.Lock()  # the uplink picks on worker threads

    def now(self) -> int:
        """Wall time, ns UTC."""
        return self._clock.wall_ns()

    def on_spans(self, keeper: Callable[[Sequence[Span]], None]) -> None:
        """Hand finished spans to `keeper`, too; it must be quick."""
        self._keepers.append(keeper)

    def pick(self, batch: Batch, catalogue: Catalogue, kind: str = READING) -> list[int]:
        """The rows of a batch that are traced, as many as there is room for."""
        rows = self.sampler.pick(batch, catalogue)
        return rows[: self.room(len(rows), kind)] if rows else rows

    def room(self, wanted: int, kind: str) -> int:
        """How many of so many traces may be taken up at this kind of step; the rest is counted."""
        with self._counting:
            now = self._clock.monotonic()
            left, refilled = self._left.get(kind, (float(self._most), now))
            left = min(float(self._most), left + (now - refilled) * self._most)
            given = min(wanted, int(left))
            self._left[kind] = (left - given, now)
            self.taken += given
            self.let_go += wanted - given
        return given

    def keep(self, spans: Iterable[Span]) -> None:
        """These steps are over."""
        done = tuple(spans)
        for keeper in self._keepers if done else ():
            keeper(done)

    def span(
        self, trace: str, name: str, times: tuple[int, int], parent: str, facts: dict[str, Fact] | None = None
    ) -> Span:
        """A step at this node; a clock that was set meanwhile makes none end before it began."""
        start, end = times
        return Span(
            trace, span_id(trace, self.node, name), self.node, name, start, max(start, end), parent, facts or {}
        )


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little")
