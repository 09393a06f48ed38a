"""`detect:` of a rule: which detector watches every series, and what operators' labels make of each one's threshold.

A series' threshold is the rule's, moved by `STEP` for every label: up where somebody rejected an alert, down where one
was confirmed, never beyond `LEAST` and `MOST` (or the rule's own, where that lies beyond them).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors import catalogue
from holdfast.stream.detectors.ports import THRESHOLD, Detector, Scope, Scores
from holdfast.stream.state import State

Array = NDArray[Any]
Label = Literal["confirmed", "rejected"]
STEP, LEAST, MOST = 0.05, 0.3, 0.9
PREFIX = "label."
"""Of arrays that outlive an edit of the rule's alarm."""
COLUMNS = ("score", "aspect", "seen", "expected", "deviations")
"""What a rule with a detector selects."""


@dataclass(frozen=True, slots=True)
class Watch:
    """A rule's detector. options: as the rule has them; threshold: scores from here on are alarms."""

    detector: str
    options: Mapping[str, float] = field(default_factory=dict)
    threshold: float = THRESHOLD

    def explain(self, values: Mapping[str, Any]) -> str:
        """The detector's sentence about what was seen; empty where it had nothing to say."""
        detector = _speaker(self.detector, self.options)
        aspect, numbers = values.get("aspect"), [values.get(name) for name in COLUMNS if name != "aspect"]
        if aspect not in detector.aspects:
            return ""
        score, seen, expected, deviations = (np.array([np.nan if n is None else n], np.float64) for n in numbers)
        place = np.array([list(detector.aspects).index(str(aspect))])
        return detector.explain(Scores(score, place, seen, expected, deviations), 0)

    def threshold_after(self, steps: Any) -> Any:
        """The threshold of series that labels have moved so far."""
        return np.round(np.clip(self.threshold + STEP * steps, *self.bounds()), 9)

    def step(self, steps: int, label: Label) -> int:
        """Where one more label moves it."""
        low, high = self.bounds()
        there = self.threshold + STEP * steps
        if label == "rejected":
            return steps + (there < high - 1e-9)
        return steps - (there > low + 1e-9)

    def bounds(self) -> tuple[float, float]:
        """Between which labels move a series' threshold."""
        return min(self.threshold, LEAST), max(self.threshold, MOST)


@dataclass(frozen=True, slots=True)
class Labelled:
    """How one series stands: its own threshold, and how many of its alerts were confirmed and rejected."""

    threshold: float
    confirmed: int
    rejected: int


class Thresholds:
    """Every series' own threshold for one rule; by slot, in the rule's state."""

    def __init__(self, state: State, watch: Watch) -> None:
        self._state, self.watch = state, watch
        for name in ("steps", "confirmed", "rejected"):
            state.declare(PREFIX + name, np.int64, 0)

    def of(self, slots: Array) -> Any:
        """The thresholds; one number where no label has moved any."""
        steps = self._state[PREFIX + "steps"][slots]
        return self.watch.threshold_after(steps) if np.count_nonzero(steps) else self.watch.threshold

    def label(self, slot: int, label: Label, instead: Label | None = None) -> None:
        """Somebody said what an alert was worth. instead: what was said of it before."""
        steps, watch = self._state[PREFIX + "steps"], self.watch
        if instead is not None:
            steps[slot] = watch.step(int(steps[slot]), "confirmed" if instead == "rejected" else "rejected")
            self._state[PREFIX + instead][slot] -= 1
        steps[slot] = watch.step(int(steps[slot]), label)
        self._state[PREFIX + label][slot] += 1

    def at(self, slot: int) -> Labelled:
        """How a series stands."""
        steps, confirmed, rejected = (int(self._state[PREFIX + n][slot]) for n in ("steps", "confirmed", "rejected"))
        return Labelled(float(self.watch.threshold_after(steps)), confirmed, rejected)

    def totals(self) -> tuple[int, int]:
        """How many alerts were confirmed and rejected."""
        return int(self._state[PREFIX + "confirmed"].sum()), int(self._state[PREFIX + "rejected"].sum())

    def labelled(self) -> list[int]:
        """The slots with any label."""
        known = self._state[PREFIX + "confirmed"] + self._state[PREFIX + "rejected"]
        found: list[int] = np.flatnonzero(known > 0).tolist()
        return found


def _speaker(name: str, options: Mapping[str, float]) -> Detector:
    """A detector that only speaks: sentences are made of what was stored with the reading, nothing else."""
    return catalogue.make(name, Scope(State()), options)
