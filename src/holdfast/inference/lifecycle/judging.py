"""Who is better: every version that runs beside the active one, on the same rows where it can be, and with labels.

A version is compared with the active one on rows that both answered, whatever either's role was: a shadow sees every
row, and beside a canary the active version runs along on the canary's rows. Labels come late: predictions wait for
them in a ring, and labels for rows that come after them in a list.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.inference.lifecycle.blocks import Blocks
from holdfast.inference.lifecycle.comparing import Comparison, ComparisonStatus, Reservoir
from holdfast.inference.lifecycle.labels import Ahead, Recent, errors_of
from holdfast.inference.lifecycle.pairing import Answers, Pairs
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.lifecycle.significance import Difference, unpaired
from holdfast.inference.lifecycle.states import Book, State
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.predictions import Role

Array = NDArray[Any]
Span = tuple[int, int, int, float]
JOINED_AT_ONCE = 50
"""Labels joined in one tick; others wait for the next."""
MOST_PAST = 16
"""Last words about versions that aren't compared any more."""
_MATCH_AT = _MOST_DUE = 4_096


class ArmStatus(Struct, frozen=True):
    """One version that acts, over the devices it acts for. against_*: this less the active one, other devices each.

    A difference may come from the devices: believe the paired comparison first.
    """

    version: str
    rows: int
    devices: int
    failed: float
    labelled: int
    error: float | None
    latency_ms: list[float]
    against_error: Difference | None = None
    against_failed: Difference | None = None


@dataclass(slots=True)
class Arm:
    """What a version did for the devices it acts for."""

    failures: Blocks
    errors: Blocks
    latency: Reservoir
    seats: Array = field(default_factory=lambda: np.zeros(0, bool))

    def mark(self, seat: Array) -> None:
        """It answered for these."""
        most = int(seat.max()) + 1 if len(seat) else 0
        if most > len(self.seats):
            self.seats = np.pad(self.seats, (0, 2 * most - len(self.seats)))
        self.seats[seat] = True


class Judges:
    """Of one deployment. names: of the classes, in the order of `Answers.label`."""

    def __init__(self, names: Sequence[str], settings: LifeSettings, random: np.random.Generator) -> None:
        self.names, self._settings, self._random = tuple(names), settings, random
        self._block_ns = round(settings.block_s * NS_PER_S)
        self._active = ""
        self.comparisons: dict[str, tuple[Comparison, Pairs]] = {}
        self.past: dict[str, ComparisonStatus] = {}
        self.arms: dict[str, Arm] = {}
        self.recent, self._ahead = Recent(settings.recent), Ahead()
        self._due: deque[Span] = deque(maxlen=_MOST_DUE)
        self._fresh: deque[tuple[int, Array, int, int]] = deque(maxlen=256)
        self.labelled = 0

    def adopt(self, book: Book, places: Sequence[tuple[str, str]]) -> None:
        """Compare as this book says; what was said of versions that aren't compared any more is kept."""
        wanted = {one.ref for one in book.versions if one.state in (State.SHADOW, State.CANARY)}
        for ref, (comparison, pairs) in list(self.comparisons.items()):
            if ref not in wanted or book.active != self._active:
                self.past[ref] = comparison.status(places, self.alpha, self._settings.least, pairs.lost)
                del self.comparisons[ref]
        while len(self.past) > MOST_PAST:
            self.past.pop(next(iter(self.past)))
        for ref in wanted - set(self.comparisons) if book.active else ():
            made = Comparison(ref, book.active, self.names, self._block_ns, self._random)
            self.comparisons[ref] = (made, Pairs())
            self.past.pop(ref, None)  # else both would be told of one pair
        acting = {one.ref for one in book.versions if one.state in (State.ACTIVE, State.CANARY)}
        if book.active != self._active or acting != set(self.arms):
            self.arms = {ref: self._arm() for ref in sorted(acting)}  # both sides begin together
        self._active = book.active

    def _arm(self) -> Arm:
        return Arm(Blocks(self._block_ns), Blocks(self._block_ns), Reservoir(self._random, 1_024))

    @property
    def alpha(self) -> float:
        """How often a verdict may be wrong."""
        return 1.0 - self._settings.confidence

    def told(self, ref: str, role: Role, answers: Answers) -> None:
        """What a version said."""
        self.recent.add(ref, answers)
        if len(answers):
            self._fresh.append((self.recent.now, answers.seat, int(answers.ts.min()), int(answers.ts.max())))
        arm = self.arms.get(ref) if role != "shadow" else None
        if arm is not None:
            arm.failures.add(answers.seat, answers.ts, answers.failed.astype(float))
            arm.latency.add(answers.latency[np.isfinite(answers.latency)])
            arm.mark(answers.seat)
        for version, (comparison, pairs) in self.comparisons.items():
            if ref == version:
                pairs.new(answers)
            elif ref == self._active:
                pairs.old(answers)
            if pairs.waiting >= _MATCH_AT:
                self._match(comparison, pairs)

    def know(self, seat: int, start_ns: int, end_ns: int, value: float) -> None:
        """A label came: it's joined on the next ticks, and with rows that come later."""
        self._due.append((seat, start_ns, end_ns, value))
        self._ahead.add(seat, start_ns, end_ns, value)

    def tick(self) -> list[tuple[Array, Array, Array]]:
        """Match what waits; returns errors of the active version: seat, ts, error of labelled rows."""
        for comparison, pairs in self.comparisons.values():
            self._match(comparison, pairs)
        self.recent.next_round()
        due = dict.fromkeys(self._due)
        while self._fresh and self._fresh[0][0] < self.recent.ripe:
            _, seats, first, last = self._fresh.popleft()
            due.update(dict.fromkeys(self._ahead.spans(seats, first, last)))
        spans = list(due)
        self._due = deque(spans[JOINED_AT_ONCE:], maxlen=_MOST_DUE)
        joined = (self._join(*span) for span in spans[:JOINED_AT_ONCE])
        return [one for one in joined if one is not None]

    @staticmethod
    def _match(comparison: Comparison, pairs: Pairs) -> None:
        found = pairs.match()
        if found is not None:
            comparison.pairs(*found)

    def _join(self, seat: int, start_ns: int, end_ns: int, value: float) -> tuple[Array, Array, Array] | None:
        by_version = {}
        for ref, answers in self.recent.of(seat, start_ns, end_ns):
            errors = errors_of(answers, value, self.names)
            known = np.isfinite(errors)
            ts, first = np.unique(answers.ts[known], return_index=True)
            by_version[ref] = (ts, errors[known][first])
            if ref in self.arms:
                self.arms[ref].errors.add(np.full(len(ts), seat), ts, by_version[ref][1])
        for ref, (comparison, _) in self.comparisons.items():
            if ref in by_version and self._active in by_version:
                (ts, new), (others, old) = by_version[ref], by_version[self._active]
                same, at, there = np.intersect1d(ts, others, assume_unique=True, return_indices=True)
                comparison.errors(np.full(len(same), seat), same, new[at], old[there])
        if self._active not in by_version:
            return None
        ts, errors = by_version[self._active]
        self.labelled += len(ts)
        return np.full(len(ts), seat, np.int32), ts, errors

    def status(self, ref: str, places: Sequence[tuple[str, str]]) -> ComparisonStatus | None:
        """A version against the active one, or how it stood last; None = they were never compared."""
        if ref in self.comparisons:
            comparison, pairs = self.comparisons[ref]
            return comparison.status(places, self.alpha, self._settings.least, pairs.lost)
        return self.past.get(ref)

    def worse(self) -> list[tuple[str, str]]:
        """Versions that are shown to be worse than the active one, and why."""
        found = []
        for ref, (comparison, _) in self.comparisons.items():
            error, failures = comparison.verdicts(self.alpha, self._settings.least)
            why = [one.words for one in (failures, error) if one is not None and one.verdict == "worse"]
            if why:
                found.append((ref, why[0]))
        return found

    def split(self) -> list[ArmStatus]:
        """Versions that act, side by side."""
        least, base = self._settings.least, self.arms.get(self._active)
        found = []
        for ref, arm in self.arms.items():
            error = arm.errors.mean if arm.errors.rows else None
            against: tuple[Difference | None, Difference | None] = (None, None)
            if base is not None and arm is not base:
                against = (
                    self._apart(arm.errors, base.errors, "the error against labels", least),
                    self._apart(arm.failures, base.failures, "the share of rows without an answer", least),
                )
            latency = [1e3 * one for one in arm.latency.quantiles((0.5, 0.99))]
            failed = arm.failures.mean if arm.failures.rows else 0.0
            found.append(
                ArmStatus(
                    ref, arm.failures.rows, int(arm.seats.sum()), failed, arm.errors.rows, error, latency, *against
                )
            )
        return found

    def _apart(self, new: Blocks, old: Blocks, what: str, least: int) -> Difference | None:
        if not new.rows or not old.rows:
            return None
        return unpaired(new.moments()[0], old.moments()[0], self.alpha / 2, least, what, shares=bool(self.names))
