"""What models say: of rows, and as results of devices on their way to being readings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Role = Literal["active", "canary", "shadow"]

PARTS = ("score", "label", "confidence", "ms", "version", "how")
"""What becomes of a result, as metrics of its device: `ml.<deployment>.<part>`."""
TROUBLE_PARTS = ("trouble", "trouble_about")
"""What's said of a deployment as such: how far the worst is beyond its limit (0 = all is well), and why."""

TEXT_PARTS = frozenset({"label", "version", "how", "trouble_about"})


def metric_of(deployment: str, part: str) -> str:
    """The metric that a part of a deployment's results is."""
    return f"ml.{deployment}.{part}"


class How(IntEnum):
    """What a result comes from; anything but `MODEL` is a fallback, and flagged."""

    MODEL = 0
    SMALLER = 1
    RULE = 2
    LAST = 3
    PARENT = 4


_RESULT = re.compile(rf"ml\.([a-z][a-z0-9_]*)\.({'|'.join((*PARTS, *TROUBLE_PARTS))})")


def result_of(metric: str) -> tuple[str, str] | None:
    """Deployment and part that a metric is; None = it isn't of a model."""
    found = _RESULT.fullmatch(metric)
    return None if found is None else (found[1], found[2])


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of n rows.

    score:      shape (n,), float64: the number (regression), how unusual (anomaly), how probable the last class is
                (two classes) or the class said (more)
    label:      shape (n,), int32: index into the card's labels, -1 = none
    confidence: shape (n,), float64 in [0, 1]: the probability of the class said; NaN = the model says none
    """

    score: Array
    label: Array
    confidence: Array

    def __len__(self) -> int:
        return len(self.score)

    @classmethod
    def none(cls, n: int) -> "Predictions":
        """Nothing said of n rows."""
        return cls(np.full(n, np.nan), np.full(n, -1, np.int32), np.full(n, np.nan))

    def take(self, at: Array) -> "Predictions":
        """The rows at these positions, or of this mask."""
        return Predictions(self.score[at], self.label[at], self.confidence[at])


@dataclass(frozen=True, slots=True)
class Results:
    """Predictions with whom they're about.

    model, version, labels: of the model that said it (of `How.RULE` and `How.LAST` the one that should have)
    places, key, ts:        as in `FeatureRows`
    how:     shape (n,), uint8: `How`
    flags:   shape (n,), uint8: of the inputs, as in `FeatureRows`
    took_s:  how long the model ran, for all rows together
    latency: shape (n,), float64: from the readings' arrival to here, s
    """

    deployment: str
    model: str
    version: str
    role: Role
    labels: Sequence[str]
    places: Sequence[tuple[str, str]]
    key: Array
    ts: Array
    predictions: Predictions
    how: Array
    flags: Array
    took_s: float
    latency: Array

    def __len__(self) -> int:
        return len(self.key)

    def take(self, at: Array) -> "Results":
        """The rows at these positions, or of this mask."""
        return replace(
            self,
            key=self.key[at],
            ts=self.ts[at],
            predictions=self.predictions.take(at),
            how=self.how[at],
            flags=self.flags[at],
            latency=self.latency[at],
        )
