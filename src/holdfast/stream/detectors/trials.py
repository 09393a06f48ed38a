"""A detector tried on readings of the past, and judged by windows in which something was wrong.

A subject is what a detector looks at: one series, or several of one device together. Readings at or above the threshold
that follow each other closely are one alarm. An alarm that begins in a window finds it; others are false.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

Array = NDArray[Any]
WEEK_NS = 7 * 86_400 * 1_000_000_000
_APART = 10.0  # usual intervals: alarms closer than that are one
_AT_ONCE = 4_096  # readings of a subject that are scored at once
_ONE = ("value",)
_LEAST_WINDOWS = 4  # a threshold is chosen on one half of so many and checked on the other


@dataclass(frozen=True, slots=True)
class Subject:
    """ts: ns UTC, shape (n,), ascending; values: (n,) or (n, k); windows: (from, to) in ns, both inside, by time."""

    name: str
    columns: tuple[str, ...]
    ts: Array
    values: Array
    windows: Sequence[tuple[int, int]] = ()

    @property
    def weeks(self) -> float:
        """How long it was watched."""
        return float(self.ts[-1] - self.ts[0]) / WEEK_NS if len(self.ts) else 0.0

    def is_right(self, row: int) -> bool | None:
        """Whether an alarm that begins at this row begins in a window; None: there are none."""
        return any(start <= self.ts[row] <= end for start, end in self.windows) if self.windows else None


@dataclass(frozen=True, slots=True)
class Run:
    """A detector's scores of all subjects. us: of CPU per reading; nbytes: per subject.

    speakers: of each subject the detector that scored it, which knows its columns' names
    """

    name: str
    speakers: Sequence[Detector]
    scores: Sequence[Scores]
    us: float
    nbytes: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """How alarms and windows met. delays: s from a found window's beginning; weeks: of subjects together."""

    threshold: float = THRESHOLD
    windows: int = 0
    found: int = 0
    alarms: int = 0
    false_alarms: int = 0
    weeks: float = 0.0
    delays: Sequence[float] = field(default_factory=tuple)

    @property
    def precision(self) -> float:
        """Share of alarms that were right; 0 without any."""
        return (self.alarms - self.false_alarms) / self.alarms if self.alarms else 0.0

    @property
    def recall(self) -> float:
        """Share of windows that were found; 0 without any."""
        return self.found / self.windows if self.windows else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    @property
    def false_per_week(self) -> float:
        """False alarms per subject and week."""
        return self.false_alarms / self.weeks if self.weeks else 0.0


def run(
    name: str, options: Mapping[str, float], subjects: Sequence[Subject], tell: Callable[[int], object] = lambda _: None
) -> Run:
    """All subjects that have the same columns side by side, from detectors that know nothing yet.

    tell: readings scored so far

    Raises: OptionsInvalid.
    """
    groups = dict[Sequence[str], list[int]]()
    for i, subject in enumerate(subjects):
        groups.setdefault(_ONE if len(subject.columns) == 1 else subject.columns, []).append(i)
    found = [Scores.none(len(subject.ts)) for subject in subjects]
    speakers, spent, nbytes, before = dict[int, Detector](), 0.0, 0.0, 0
    for columns, which in groups.items():
        state = State()
        detector = make(name, Scope(state), options, columns)
        state.grow(len(which))
        spent += _feed(detector, [subjects[i] for i in which], [found[i] for i in which], partial(_after, before, tell))
        before += sum(len(subjects[i].ts) for i in which)
        speakers |= dict.fromkeys(which, detector)
        nbytes += state.nbytes / state.capacity * len(which)
    readings = sum(len(subject.ts) for subject in subjects)
    told = [speakers[i] for i in range(len(subjects))]
    return Run(name, told, found, 1e6 * spent / max(readings, 1), nbytes / max(len(subjects), 1))


def _after(before: int, tell: Callable[[int], object], done: int) -> None:
    tell(before + done)


def _feed(
    detector: Detector, subjects: Sequence[Subject], found: Sequence[Scores], tell: Callable[[int], object]
) -> float:
    """Score them side by side, into `found`; seconds of CPU."""
    longest = max(len(subject.ts) for subject in subjects)
    began, done = process_time(), 0
    for start in range(0, longest, _AT_ONCE):
        going = [i for i, subject in enumerate(subjects) if len(subject.ts) > start]
        part = slice(start, start + _AT_ONCE)
        slots = np.concatenate([np.full(len(subjects[i].ts[part]), i) for i in going])
        ts = np.concatenate([subjects[i].ts[part] for i in going])
        scores = detector.update(slots, ts, np.concatenate([subjects[i].values[part] for i in going]))
        _share_out(scores, slots, [found[i] for i in going], part)
        done += len(ts)
        tell(done)
    return process_time() - began


def _share_out(scores: Scores, slots: Array, into: Sequence[Scores], part: slice) -> None:
    ends = np.flatnonzero(np.diff(slots, append=-1)) + 1
    for column in ("score", "aspect", "seen", "expected", "deviations"):
        for mine, piece in zip(into, np.split(getattr(scores, column), ends[:-1]), strict=True):
            getattr(mine, column)[part] = piece


def alarms(ts: Array, score: Array, threshold: float) -> list[tuple[int, int]]:
    """Rows at which alarms begin and end."""
    rows = np.flatnonzero(score >= threshold)
    if not len(rows):
        return []
    usual = float(np.median(np.diff(ts))) if len(ts) > 1 else 0.0
    ends = np.flatnonzero(np.diff(ts[rows]) > _APART * usual)
    firsts, lasts = np.insert(rows[ends + 1], 0, rows[0]), np.append(rows[ends], rows[-1])
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def judge(subjects: Sequence[Subject], scores: Sequence[Array], threshold: float) -> Verdict:
    """All subjects together at one threshold."""
    windows = found = begun = wrong = 0
    delays = list[float]()
    for subject, score in zip(subjects, scores, strict=True):
        begins = np.array([subject.ts[first] for first, _ in alarms(subject.ts, score, threshold)], np.int64)
        is_right = np.zeros(len(begins), np.bool_)
        for start, end in subject.windows:
            inside = (begins >= start) & (begins <= end)
            is_right |= inside
            if inside.any():
                found += 1
                delays.append(float(begins[inside].min() - start) / 1e9)
        windows, begun, wrong = windows + len(subject.windows), begun + len(begins), wrong + int((~is_right).sum())
    weeks = sum(subject.weeks for subject in subjects)
    return Verdict(threshold, windows, found, begun, wrong, weeks, tuple(sorted(delays)))


def thresholds(scores: Sequence[Array]) -> list[float]:
    """Thresholds worth trying: those at which something changes, at most about fifty."""
    every = np.concatenate([score[score > 0] for score in scores]) if scores else np.zeros(0)
    if not len(every):
        return [THRESHOLD]
    top = np.sort(every)[::-1][: max(200, len(every) // 20)]
    picked = np.unique(np.round(np.append(top[:: max(1, len(top) // 50)], THRESHOLD), 4))
    return [float(one) for one in picked if one > 0]


def best_threshold(subjects: Sequence[Subject], scores: Sequence[Array]) -> Verdict:
    """The verdict of highest F1; of equal ones that with fewer false alarms, then the higher threshold."""
    verdicts = [judge(subjects, scores, one) for one in thresholds(scores)]
    return max(verdicts, key=lambda v: (v.f1, -v.false_alarms, v.threshold))


@dataclass(frozen=True, slots=True)
class Checked:
    """A threshold chosen on the earlier half of the windows, and what it was worth on the later one."""

    chosen: float
    later: Verdict
    shipped: Verdict


def checked(subjects: Sequence[Subject], scores: Sequence[Array]) -> Checked | None:
    """Choose on the past before the middle window, check on what follows; None when there are too few windows."""
    every = sorted(window for subject in subjects for window in subject.windows)
    if len(every) < _LEAST_WINDOWS:
        return None
    middle = every[len(every) // 2][0]
    halves = []
    for is_late in (False, True):
        rows = [(subject.ts >= middle) == is_late for subject in subjects]
        part = [
            Subject(s.name, s.columns, s.ts[at], s.values[at], [w for w in s.windows if (w[0] >= middle) == is_late])
            for s, at in zip(subjects, rows, strict=True)
        ]
        halves.append((part, [score[at] for score, at in zip(scores, rows, strict=True)]))
    chosen = best_threshold(*halves[0]).threshold
    return Checked(chosen, judge(*halves[1], chosen), judge(*halves[1], THRESHOLD))
