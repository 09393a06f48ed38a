"""A version beside the one that acts: how often they agree, how their numbers differ, who errs and who is slow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.inference.lifecycle.blocks import Blocks
from holdfast.inference.lifecycle.pairing import Answers
from holdfast.inference.lifecycle.significance import Difference, Verdict, paired

Array = NDArray[Any]
SAMPLE, MOST_DEVICES, MOST_LABELS, WORST = 4_096, 1_000, 50, 5
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a version's card says. labels: of a classification; threshold: above which a score is an alarm (anomaly)."""

    task: str = "classification"
    labels: tuple[str, ...] = ()
    threshold: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes that a version's answers fall into; empty of a regression."""
        if self.labels:
            return self.labels
        return ("normal", "anomaly") if self.threshold is not None else ()

    def classes(self, score: Array, label: Array) -> Array:
        """The class of every answer as a place in `names`, -1 = none; shape (n,), int32."""
        if self.labels:
            return np.where(label < len(self.labels), label, -1).astype(np.int32)
        if self.threshold is None:
            return np.full(len(score), -1, np.int32)
        return np.where(np.isfinite(score), score > self.threshold, -1).astype(np.int32)


class DeviceLine(Struct, frozen=True):
    """One device in a comparison."""

    node: str
    device: str
    rows: int
    agreement: float


class ComparisonStatus(Struct, frozen=True):
    """A version against the acting one, on the same rows.

    agreement:  share of rows with the same class (of a regression: NaN as None)
    confusion:  rows by [class of the acting one][class of this one]; labels names them, the last = none
    quantiles:  of this one's score less the other's: (share, value)
    error, failures: this one's less the other's, with verdicts; error is None where nobody gave labels
    latency_ms: p50 and p99 of this one, then of the other
    verdict, words: altogether
    """

    version: str
    against: str
    rows: int
    agreement: float | None
    labels: list[str]
    confusion: list[list[int]]
    quantiles: list[tuple[float, float]]
    labelled: int
    error_new: float | None
    error_old: float | None
    error: Difference | None
    failures: Difference
    latency_ms: list[float]
    worst: list[DeviceLine]
    verdict: Verdict
    words: str
    lost: int = 0


class Reservoir:
    """A fair sample of a stream (Vitter's R, by batches)."""

    def __init__(self, random: np.random.Generator, size: int = SAMPLE) -> None:
        self._random, self._kept, self.seen = random, np.empty(size), 0

    def add(self, values: Array) -> None:
        """More of the stream."""
        room = max(0, min(len(self._kept) - self.seen, len(values)))
        self._kept[self.seen : self.seen + room] = values[:room]
        rest = values[room:]
        if len(rest):
            numbers = self.seen + room + np.arange(1, len(rest) + 1)
            at = (self._random.random(len(rest)) * numbers).astype(np.int64)
            stays = at < len(self._kept)
            self._kept[at[stays]] = rest[stays]
        self.seen += len(values)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Of the sample; empty of none."""
        held = self._kept[: min(self.seen, len(self._kept))]
        return np.quantile(held, shares).tolist() if len(held) else []

    def keep(self) -> tuple[int, list[float]]:
        """For a snapshot."""
        return self.seen, self._kept[: min(self.seen, len(self._kept))].tolist()

    def restore(self, kept: tuple[int, list[float]]) -> None:
        """From a snapshot."""
        self.seen = kept[0]
        self._kept[: len(kept[1])] = kept[1]


class Comparison:
    """Of one version with the acting one; begins anew when another one acts."""

    def __init__(
        self, version: str, against: str, names: Sequence[str], block_ns: int, random: np.random.Generator
    ) -> None:
        self.version, self.against, self._names = version, against, tuple(names)
        side = min(len(names), MOST_LABELS) + 1
        self.rows = 0
        self._confusion = np.zeros((side, side), np.int64)
        self._differences = Reservoir(random)
        self._latency = Reservoir(random), Reservoir(random)
        self._failures, self._errors = Blocks(block_ns), Blocks(block_ns)
        self._error_new, self._error_old = 0.0, 0.0
        self._device_rows = np.zeros((0, 2), np.int64)  # by seat: rows, rows that agree

    def pairs(self, new: Answers, old: Answers) -> None:
        """Answers to the same rows."""
        self.rows += len(new)
        none = len(self._confusion) - 1
        a, b = (np.where((x < 0) | (x > none), none, x) for x in (old.label, new.label))
        np.add.at(self._confusion, (a, b), 1)
        self._differences.add((d := new.score - old.score)[np.isfinite(d)])
        for kept, side in zip(self._latency, (new, old), strict=True):
            kept.add(side.latency[np.isfinite(side.latency)])
        self._failures.add(new.seat, new.ts, new.failed.astype(float) - old.failed.astype(float))
        most = min(int(new.seat.max()) + 1, MOST_DEVICES)
        if most > len(self._device_rows):
            self._device_rows = np.vstack([self._device_rows, np.zeros((most - len(self._device_rows), 2), np.int64)])
        fits = new.seat < MOST_DEVICES
        for column, which in ((0, fits), (1, fits & (a == b))):
            self._device_rows[:, column] += np.bincount(new.seat[which], minlength=len(self._device_rows))

    def errors(self, seat: Array, ts: Array, new: Array, old: Array) -> None:
        """Errors of both on labelled rows, shape (n,) each."""
        self._errors.add(seat, ts, new - old)
        self._error_new += float(new.sum())
        self._error_old += float(old.sum())

    def verdicts(self, alpha: float, least: int) -> tuple[Difference | None, Difference]:
        """Of errors (None: no row is labelled), and of failures."""
        moments, ups, downs = self._failures.moments()
        failures = paired(moments, ups, downs, alpha / 2, least, "the share of rows without an answer")
        if not self._errors.rows:
            return None, failures
        moments, ups, downs = self._errors.moments()
        what = "the error rate" if self._names else "the mean absolute error"
        return paired(moments, ups, downs, alpha / 2, least, what), failures

    def status(self, places: Sequence[tuple[str, str]], alpha: float, least: int, lost: int) -> ComparisonStatus:
        """As it stands; places: by seat."""
        error, failures = self.verdicts(alpha, least)
        verdict, words = together(error, failures)
        n, named = self._errors.rows, bool(self._names)
        agree = float(np.trace(self._confusion)) / self.rows if self.rows and named else None
        told = zip(QUANTILES, self._differences.quantiles(QUANTILES), strict=False)
        latency = [1e3 * one for side in self._latency for one in side.quantiles((0.5, 0.99))]
        return ComparisonStatus(
            self.version, self.against, self.rows, agree, [*self._names[:MOST_LABELS], "none"],
            self._confusion.tolist(), list(told), n, self._error_new / n if n else None,
            self._error_old / n if n else None, error, failures, latency, self._worst(places) if named else [],
            verdict, words, lost,
        )  # fmt: skip

    def _worst(self, places: Sequence[tuple[str, str]]) -> list[DeviceLine]:
        rows, same = self._device_rows[: len(places), 0], self._device_rows[: len(places), 1]
        share = np.where(rows > 0, same / np.maximum(rows, 1), math.inf)
        order = np.argsort(share, kind="stable")[:WORST]
        return [
            DeviceLine(places[at][0], places[at][1], int(rows[at]), float(share[at]))
            for at in order.tolist()
            if share[at] < 1
        ]

    def keep(self) -> dict[str, Any]:
        """For a snapshot."""
        return {
            "version": self.version,
            "against": self.against,
            "rows": self.rows,
            "confusion": self._confusion.tolist(),
            "samples": [one.keep() for one in (self._differences, *self._latency)],
            "blocks": [self._failures.keep(), self._errors.keep()],
            "errors": [self._error_new, self._error_old],
            "devices": self._device_rows.tolist(),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """From a snapshot of the same two versions and classes."""
        confusion = np.array(kept["confusion"], np.int64)
        if confusion.shape != self._confusion.shape:
            return
        self.rows, self._confusion = kept["rows"], confusion
        for one, held in zip((self._differences, *self._latency), kept["samples"], strict=True):
            one.restore(held)
        for blocks, state in zip((self._failures, self._errors), kept["blocks"], strict=True):
            blocks.restore(state)
        self._error_new, self._error_old = kept["errors"]
        self._device_rows = np.array(kept["devices"], np.int64).reshape(-1, 2)


def together(error: Difference | None, failures: Difference) -> tuple[Verdict, str]:
    """One verdict: whatever is worse is worse; better only by errors against labels."""
    if failures.verdict == "worse" or error is None:
        words = failures.words
        if failures.verdict == "worse":
            return "worse", words
        if failures.verdict == "too few rows":
            return "too few rows", words
        return "no difference shown", f"no row is labelled, so only failures are known; {words}"
    return error.verdict, error.words
