"""Residency at work: puts rules in force, makes aggregates when their steps are over, seals the register's days.

Aggregates are made from what is committed, not from what passes by: a step's row, its counts and how far the aggregate
is change in one transaction, so `kill -9` at any moment neither repeats nor loses one.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from holdfast.crypto.pseudonyms import fingerprint
from holdfast.journal import register
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import Journal
from holdfast.journal.ledger import MADE
from holdfast.journal.records import GroupKind
from holdfast.journal.stays import MarkedBy, mark
from holdfast.journal.transaction import MADE_TO_LEAVE, Transaction
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import Lane, Stay
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Kind, Series
from holdfast.residency.aggregates import Step, step_of, wanted
from holdfast.residency.happenings import ResidencyDaySealed, ResidencyRuleLate, ResidencyRulesChanged
from holdfast.residency.rules import Policy
from holdfast.residency.settings import Leave
from holdfast.telemetry.happenings import Telemetry

EVERY_S = 1.0
IDLE_S = 60.0
RULES = "residency.rules"
STEPS_AT_ONCE = 200
"""Steps made at one look, so that a long backlog of them holds nothing up."""
LATE_HINT = "what already left can't be called back; see docs/how-to/residency.md on bringing a rule in"
_NEVER = 2**63
_QUALITY = encode_quality(Quality.GOOD, Reason.SUMMARY)


class InForce(msgspec.Struct, frozen=True):
    """What rules and key were last in force here."""

    digest: str
    key: str


@dataclass(frozen=True, slots=True)
class _Aggregate:
    """One `leave` of one rule. lane: where its rows are."""

    place: int
    leave: Leave
    lane: Lane

    @property
    def meta(self) -> str:
        """Where it's kept how far it is: ns UTC up to which every step is decided."""
        return f"residency.aggregate.{self.leave.as_}"

    @property
    def step_ns(self) -> int:
        """A step's length."""
        return round(self.leave.step * NS_PER_S)


class Residency:
    """Keeps the rules of one node. `apply` once before the first commit; `run` is its only task's body."""

    def __init__(self, policy: Policy, key: bytes, journal: Journal, clock: Clock, telemetry: Telemetry) -> None:
        self._policy, self._key, self._journal = policy, key, journal
        self._clock, self._telemetry = clock, telemetry
        self._aggregates = [
            _Aggregate(place, leave, rule.how_far.lane)
            for place, rule in enumerate(policy.rules)
            for leave in rule.leave
            if leave.aggregate is not None
        ]
        # When to look again, by aggregate: (not before ns UTC, unless the lane's head was another one); a look reads
        # the times of every group in the lane.
        self._quiet: dict[str, tuple[int, int]] = {}
        telemetry.gauge("residency_rules", "Residency rules in force.", lambda: len(policy.rules))

    async def apply(self) -> None:
        """Mark the series that the rules keep now, free those that they no longer do, and note the change."""
        kept, freed = self._changes()
        late = sum(map(len, kept.values()))
        now = InForce(self._policy.digest if self._policy else "", fingerprint(self._key) if self._policy else "")
        before = await asyncio.to_thread(self._before)
        if now == before and not late and not freed:
            return
        at_ns = self._clock.wall_ns()
        body: dict[str, object] = {
            "rules": msgspec.to_builtins(self._policy.rules),
            "region": self._policy.region,
            "digest": now.digest,
            "key": now.key,
            "series_kept_from_now": late,
            "series_freed": len(freed),
        }

        def write(tx: Transaction) -> None:
            for stay, series in kept.items():
                mark(tx, series, stay, MarkedBy.RULE)
            mark(tx, freed, Stay.ANYWHERE, MarkedBy.RULE)
            register.write(tx, at_ns, "rules", body)
            tx.set_meta(RULES, msgspec.json.encode(now).decode())

        await self._journal.submit(write)
        self._telemetry.emit(ResidencyRulesChanged(rules=len(self._policy.rules), digest=now.digest, key=now.key))
        if late:
            self._telemetry.emit(ResidencyRuleLate(series=late, hint=LATE_HINT))

    async def run(self) -> None:
        """Look every second, for ever; without aggregates only for days to seal."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S if self._aggregates else IDLE_S)

    async def once(self) -> int:
        """Make what is due; returns the steps decided."""
        now_ns, steps = self._clock.wall_ns(), 0
        for aggregate in self._aggregates:
            for _ in range(STEPS_AT_ONCE):
                if not await self._step(aggregate, now_ns):
                    break
                steps += 1
        today = now_ns // register.DAY_NS
        if any(day < today for day in await asyncio.to_thread(self._journal.register_days)):
            days = await self._journal.submit(lambda tx: register.seal(tx, now_ns))
            self._telemetry.emit(ResidencyDaySealed(days=days))
        return steps

    def _before(self) -> InForce:
        stored = self._journal.meta(RULES)
        return InForce("", "") if stored is None else msgspec.json.decode(stored, type=InForce)

    def _changes(self) -> tuple[dict[Stay, list[int]], list[int]]:
        """Own series by how far they may go now, where that isn't what is marked; and those that are free again."""
        catalogue, policy = self._journal.catalogue, self._policy
        kept: dict[Stay, list[int]] = {}
        freed: list[int] = []
        for number, series in enumerate(catalogue.since(0)):
            if series.node != policy.node or number in catalogue.made:
                continue
            stay = policy.stay(series)
            if stay == catalogue.stay_of[number]:
                continue
            (freed if stay is Stay.ANYWHERE else kept.setdefault(stay, [])).append(number)
        return kept, freed

    async def _step(self, aggregate: _Aggregate, now_ns: int) -> bool:
        """Decide the next step that is over and has rows; False when there is none."""
        head = self._journal.head(aggregate.lane)
        until, seen = self._quiet.get(aggregate.meta, (0, -1))
        if now_ns < until and (until < _NEVER or head == seen):
            return False
        done, start = await asyncio.to_thread(self._next, aggregate)
        wait = aggregate.step_ns + round(aggregate.leave.grace * NS_PER_S)
        if start is None or start + wait > now_ns:
            self._quiet[aggregate.meta] = (_NEVER if start is None else start + wait, head)
            return False
        found = await asyncio.to_thread(self._decide, aggregate, start)
        write = self._writing(aggregate, done, start, found, now_ns)
        await self._journal.submit(write)
        return True

    def _next(self, aggregate: _Aggregate) -> tuple[int, int | None]:
        """How far the aggregate is, and where the next step begins that may have rows."""
        done = int(self._journal.meta(aggregate.meta) or 0)
        first = self._journal.first_time(aggregate.lane, done)
        if first is None:
            return done, None
        return done, max(done, first // aggregate.step_ns * aggregate.step_ns)

    def _decide(self, aggregate: _Aggregate, start: int) -> Step | None:
        catalogue = self._journal.catalogue
        rows = concatenate(list(self._rows(aggregate, start)), catalogue.is_text)
        return step_of(rows, catalogue, aggregate.leave)

    def _rows(self, aggregate: _Aggregate, start: int) -> Iterator[Batch]:
        end = start + aggregate.step_ns
        for group in self._journal.between(start, end - 1, aggregate.lane):
            if group.kind is GroupKind.READINGS:
                batch = decode_readings(group.blob)
                inside = batch.take((batch.ts >= start) & (batch.ts < end))
                yield wanted(inside, self._journal.catalogue, self._policy, aggregate.place, aggregate.leave)

    def _writing(
        self, aggregate: _Aggregate, done: int, start: int, step: Step | None, now_ns: int
    ) -> Callable[[Transaction], None]:
        day, rule = now_ns // register.DAY_NS, self._policy.rules[aggregate.place].series
        leave = aggregate.leave

        def write(tx: Transaction) -> None:
            if int(tx.meta(aggregate.meta) or 0) != done:
                return  # decided already
            tx.set_meta(aggregate.meta, str(start + aggregate.step_ns))
            if step is None:
                return
            if step.fate != "left":
                what = "suppressed_too_few" if step.fate == "too_small" else "suppressed_mixed"
                register.count(tx, day, rule, what, step.rows)
                tx.count(f"residency_rows.{what}", step.rows)
                return
            device, _, metric = leave.as_.partition("/")
            series = tx.catalogue.intern_made(Series(self._policy.node, device, metric, step.unit, Kind.FLOAT))
            tx.append_readings(Lane.NORMAL, _row(series, start, step.value), MADE_TO_LEAVE)
            tx.count(MADE)
            for what, n in (("aggregated", step.rows), ("aggregates", 1)):
                register.count(tx, day, rule, what, n)
                tx.count(f"residency_rows.{what}", n)

        return write


def _row(series: int, ts: int, value: float) -> Batch:
    return Batch(
        np.array([series], np.int32),
        np.array([ts], np.int64),
        np.array([value], np.float64),
        np.array([_QUALITY], np.uint8),
    )
