"""Reads what a filter kept, and sends in its place: summaries when their steps are over, raw readings around alerts.

It stands behind the commit, so deciding and acknowledging never wait for it (G1, G6). What it read is remembered in
memory; whenever something goes up, that, the cursors and the state of exactly these rows are one transaction. A node
that dies in between reads the same rows again and nothing is counted twice or left out.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from holdfast.journal.blobs import encode_readings
from holdfast.journal.filtered import ACCOUNT, AROUND, CONSUMER, RELEASED, SUMMARISED, SUMS, Account, saving
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import EXCERPT, Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.filtering.happenings import FilterCapReached, FilterStarted
from holdfast.uplink.filtering.reading import EVENT_LANES, Chunk, open_windows, read_back, read_events, read_rows
from holdfast.uplink.filtering.rules import NONE, SendPolicy
from holdfast.uplink.filtering.state import FilterState
from holdfast.uplink.filtering.steps import Table, both, empty, readings_in, summaries, table_of

EVERY_S = 1.0
REMEMBER_S = 30.0
"""How often the journal is told how far rows are read when nothing goes up: it may let them go then."""
REMEMBER_ROWS = 500_000
HOLD_S = 60.0
"""Readings wait so much longer than the longest `before` for an alert about them."""
GATHER_S, GATHER_SHARE = 60.0, 1 / 12
"""Steps that are over wait for others to go up with, at most so long and for such a share of their length: series of
one step end within a reading's interval of each other, and a request costs more than a summary."""
GATHER_STEPS = 500
_DAY_NS = 86_400 * NS_PER_S
_NEVER = np.iinfo(np.int64).min


@dataclass(slots=True)
class _Due:
    """What goes up with the next commit. excerpts: by entry; capped: entries that used up their day, and its rows."""

    over: Table = field(default_factory=empty)
    excerpts: list[Batch] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    capped: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(len(self.over) or self.excerpts or self.capped)


class Filter:
    """The filter of one node. `run` is its only task's body; one turn at a time."""

    def __init__(
        self,
        policy: SendPolicy,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        may_take: Callable[[], bool] = lambda: True,
    ) -> None:
        """may_take: False while rows' times may still change (the clock isn't set)."""
        self._policy, self._journal, self._clock, self._telemetry = policy, journal, clock, telemetry
        self._may_take = may_take
        self._state = FilterState(policy.digest)
        self._at = journal.cursor(CONSUMER, Lane.LOCAL)
        self._events = {lane: journal.cursor(CONSUMER, lane) for lane in EVENT_LANES}
        self._newest = np.empty(0, np.int64)
        self._over_since: float | None = None
        self._owed: Counter[str] = Counter()
        self._remembered_s = clock.monotonic()
        self._capped: dict[str, int] = {}
        self._passed: deque[tuple[float, int]] = deque()
        self._turning = asyncio.Lock()
        self._has_begun = False
        before = [rule.around.before for rule in policy.rules if rule.around is not None]
        self._hold_s = max(before) + HOLD_S if before else 0.0
        telemetry.gauge("filter_entries", "Entries of parent.send in force.", lambda: len(policy.rules))
        telemetry.gauge("filter_waiting_rows", "Readings kept here that no summary has yet.", self.waiting)
        telemetry.gauge(
            "filter_saved_ratio", "Of the bytes kept here, the part that nothing was sent for.", self._saved
        )

    def waiting(self) -> int:
        """Readings of lane LOCAL that aren't read, or in steps that aren't over."""
        return self._journal.head(Lane.LOCAL) - self._at + readings_in(self._state.steps)

    @property
    def offered(self) -> dict[Lane, int]:
        """How far rows are read: their times must not change any more."""
        return {Lane.LOCAL: self._at}

    async def run(self) -> None:
        """Look every second, for ever."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Read what there is, and send what is due."""
        async with self._turning:
            if not self._may_take():
                return
            if not self._has_begun:
                await self._begin()
            heads = {lane: self._journal.head(lane) for lane in (*EVENT_LANES, Lane.LOCAL)}
            while True:
                before = self._read()
                due = await asyncio.to_thread(self._turn)
                self._owed.update(due.counts)
                if due or self._must_remember():
                    await self._commit(due)
                now = self._read()
                if now == before or all(now[lane] >= head for lane, head in heads.items()):
                    return

    async def drain(self) -> None:
        """One last look; what is read is remembered, with the steps that aren't over."""
        await self.once()
        async with self._turning:
            if self._has_begun:
                await self._commit(_Due())

    def _read(self) -> dict[Lane, int]:
        return {**self._events, Lane.LOCAL: self._at}

    def _saved(self) -> float:
        found = saving(self._journal.counters())
        return 0.0 if found is None else found.share

    async def _begin(self) -> None:
        """Where it was; with other entries than before, alerts count from now on."""
        stored = await asyncio.to_thread(self._journal.checkpoint, CONSUMER)
        self._has_begun = True
        if stored is not None:
            self._state = FilterState.decode(stored[1], self._clock.monotonic())
        if stored is None or self._state.digest != self._policy.digest:
            self._state.digest = self._policy.digest
            self._state.forget_entries({rule.series: rule for rule in self._policy.rules})
            self._events = {lane: self._journal.head(lane) for lane in EVENT_LANES}
            self._telemetry.emit(FilterStarted(entries=len(self._policy.rules), digest=self._policy.digest))
            await self._commit(_Due())

    def _turn(self) -> _Due:
        """Events first: a window that opens now takes what was read before from the journal, the rest as it's read."""
        journal, due = self._journal, _Due()
        wall_ns, now_s = self._clock.wall_ns(), self._clock.monotonic()
        events, self._events = read_events(journal, self._events)
        new = open_windows(events, self._policy, journal.catalogue, self._state.windows)
        due.counts["filter_windows"] += sum(map(len, new.values()))
        raw = [read_back(journal, self._at, new)]
        chunk = read_rows(journal, self._at)
        raw += [batch.take(self._state.windows.covers(batch)) for batch in chunk.batches]
        self._sum_up(chunk, due, wall_ns, now_s)
        self._send_raw(concatenate(raw, journal.catalogue.is_text), due, wall_ns)
        self._at = chunk.end
        self._close(due, wall_ns, now_s)
        if not self._passed or now_s > self._passed[-1][0] + EVERY_S:
            self._passed.append((now_s, self._at))
        return due

    def _sum_up(self, chunk: Chunk, due: _Due, wall_ns: int, now_s: float) -> None:
        """Add readings to their steps."""
        due.counts["filter_rows.shed"] += chunk.gone
        batch = concatenate(chunk.batches, self._journal.catalogue.is_text)
        if not len(batch):
            return
        lengths, graces = self._lengths()
        length = lengths[batch.series]
        sums = length > 0
        due.counts["filter_rows.left_out"] += int(len(batch) - np.count_nonzero(sums))
        batch, length = batch.take(sums), length[sums]
        if not len(batch):
            return
        if len(self._newest) < len(lengths):
            self._newest = np.concatenate([self._newest, np.full(len(lengths) - len(self._newest), _NEVER)])
        sane = batch.ts <= wall_ns + graces[batch.series]  # one stamped far ahead doesn't end everyone's steps
        np.maximum.at(self._newest, batch.series[sane], batch.ts[sane])
        new = table_of(batch, length, self._journal.catalogue.is_text, now_s)
        self._state.steps = both(self._state.steps, new)

    def _lengths(self) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """Of each series: the length of its steps in ns, 0 = no summaries; and their grace in ns."""
        rules = self._policy.rules
        places = self._policy.place_of(self._journal.catalogue)
        every = [round(rule.every * NS_PER_S) if rule.as_ == "summaries" else 0 for rule in rules]
        grace = [round(rule.grace * NS_PER_S) for rule in rules]
        return np.array([*every, 0], np.int64)[places], np.array([*grace, 0], np.int64)[places]  # NONE is the last

    def _close(self, due: _Due, wall_ns: int, now_s: float) -> None:
        """Take out the steps that are over.

        A step is over when its series has got past it and its grace, or when that time is past by the clock and
        nothing was added for as long as the grace; or when its entry is gone or has other steps now.
        """
        table = self._state.steps
        if not len(table):
            return
        lengths, graces = self._lengths()
        if len(self._newest) < len(lengths):
            self._newest = np.concatenate([self._newest, np.full(len(lengths) - len(self._newest), _NEVER)])
        series = table["series"]
        grace = graces[series]
        end = table["start"] + table["length"] + grace
        is_past = end <= self._newest[series]
        is_quiet = (end <= wall_ns) & (now_s >= table["touched"] + grace / NS_PER_S)
        is_former = lengths[series] != table["length"]
        over = is_past | is_quiet | is_former
        if is_former.any() or self._have_gathered(table[over], now_s):
            due.over, self._state.steps = table[over], table[~over]

    def _have_gathered(self, over: Table, now_s: float) -> bool:
        """Do the steps that are over go up now? A reading that comes while they wait is still in them."""
        if not len(over):
            return False
        if self._over_since is None:
            self._over_since = now_s
        patience = min(GATHER_S, float(over["length"].min()) / NS_PER_S * GATHER_SHARE)
        if len(over) < GATHER_STEPS and now_s < self._over_since + patience:
            return False
        self._over_since = None
        return True

    def _send_raw(self, raw: Batch, due: _Due, wall_ns: int) -> None:
        """Raw readings of windows, as far as the day's bytes of their entry reach: first come, first served."""
        if not len(raw):
            return
        place = self._policy.place_of(self._journal.catalogue)[raw.series]
        for number in np.unique(place[place != NONE]).tolist():
            rule = self._policy.rules[number]
            if rule.around is None:
                continue
            rows = raw.take(place == number).slim(self._journal.catalogue.is_text)
            size = len(encode_readings(rows))
            if self._state.takes(rule.series, size, wall_ns // _DAY_NS, rule.around.per_day):
                due.excerpts.append(rows)
            else:
                due.counts["filter_rows.over_cap"] += len(rows)
                if self._capped.get(rule.series) != wall_ns // _DAY_NS:
                    self._capped[rule.series] = wall_ns // _DAY_NS
                    due.capped[rule.series] = len(rows)

    def _must_remember(self) -> bool:
        journal = self._journal
        if self._at - journal.cursor(CONSUMER, Lane.LOCAL) >= REMEMBER_ROWS:
            return True
        moved = any(seq > journal.cursor(CONSUMER, lane) for lane, seq in self._read().items())
        moved = moved or self._released() > journal.cursor(RELEASED, Lane.LOCAL)
        return moved and self._clock.monotonic() >= self._remembered_s + REMEMBER_S

    def _released(self) -> int:
        """Up to where rows were read so long ago that no new alert's window should need them."""
        until, done = self._clock.monotonic() - self._hold_s, self._journal.cursor(RELEASED, Lane.LOCAL)
        while self._passed and self._passed[0][0] <= until:
            done = max(done, self._passed.popleft()[1])
        if done > self._journal.cursor(RELEASED, Lane.LOCAL):
            self._passed.appendleft((until, done))  # not remembered yet
        return done

    async def _commit(self, due: _Due) -> None:
        owed, at, read, released = self._owed, self._at, self._read(), self._released()
        state = self._state.encode()
        account = Account(at, readings_in(self._state.steps)).encode()
        places = self._policy.place_of(self._journal.catalogue)
        wanted = [_wanted(self._policy, int(places[one])) for one in due.over["series"].tolist()]

        def write(tx: Transaction) -> None:
            _append(tx, due, wanted)
            for name, n in owed.items():
                tx.count(name, n)
            for lane, seq in read.items():
                tx.set_cursor(CONSUMER, lane, seq)
            tx.set_cursor(RELEASED, Lane.LOCAL, released)
            tx.checkpoint(CONSUMER, at, state)
            tx.set_meta(ACCOUNT, account)

        await self._journal.submit(write)
        self._owed = Counter()
        self._remembered_s = self._clock.monotonic()
        for series, rows in due.capped.items():
            self._telemetry.emit(FilterCapReached(series=series, rows=rows))


def _wanted(policy: SendPolicy, place: int) -> tuple[str, ...]:
    """The statistics of a step; all of a step whose entry is gone."""
    return policy.rules[place].statistics if place != NONE else ("min", "max", "mean", "first", "last")


def _append(tx: Transaction, due: _Due, wanted: list[tuple[str, ...]]) -> None:
    for excerpt in due.excerpts:
        tx.append_readings(Lane.BULK, excerpt, EXCERPT)
        tx.count(f"filter_rows.{AROUND}", len(excerpt))
        tx.count(f"filter_bytes.{AROUND}", tx.appended_bytes)
    if len(due.over):
        steps = summaries(due.over, wanted, tx.catalogue)
        tx.append_readings(Lane.NORMAL, steps)
        tx.count(SUMMARISED, len(steps))
        tx.count(f"filter_rows.{SUMS}", len(steps))
        tx.count(f"filter_bytes.{SUMS}", tx.appended_bytes)
        tx.count("filter_rows.summarised", readings_in(due.over))
