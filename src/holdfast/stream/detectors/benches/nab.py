"""How the Numenta Anomaly Benchmark scores a detector (Lavin and Ahmad 2015, arXiv:1510.03336, and NAB 1.1).

Early detections in a labelled window are worth most, the first one there counts, and every row flagged elsewhere costs.
Pure: rows, windows and scores in, numbers out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_PROBATION_SHARE = 0.15
_PROBATION_ROWS = 750
_STEEPNESS = 5.0
_FAR = 3.0  # window lengths behind a window, from where a false positive costs all


@dataclass(frozen=True, slots=True)
class Profile:
    """What a found window, a missed one and a false positive are worth."""

    found: float
    missed: float
    false: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 1.0, 0.11),
    "reward_low_FP_rate": Profile(1.0, 1.0, 0.22),
    "reward_low_FN_rate": Profile(1.0, 2.0, 0.11),
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file: its scores by row, and its windows as (first row, last row), in order, both inside."""

    scores: Array
    windows: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Result:
    """A corpus' score under one profile; raw: summed over files; normalised: 0 for silence, 100 for perfect."""

    threshold: float
    raw: float
    normalised: float
    per_file: Mapping[str, float]
    found: int
    windows: int
    false_rows: int


def probation(rows: int) -> int:
    """How many rows at a file's beginning aren't scored."""
    return min(int(_PROBATION_SHARE * rows), _PROBATION_ROWS)


def score(corpus: Mapping[str, Labelled], profile: Profile, threshold: float) -> Result:
    """The corpus' score where `score >= threshold` is a detection."""
    per_file, found, false_rows = dict[str, float](), 0, 0
    for name, one in corpus.items():
        worth, window = _worth(one)
        hit = (one.scores >= threshold) & (np.arange(len(worth)) >= probation(len(worth)))
        outside = hit & (window < 0)
        total = profile.false * float(worth[outside].sum())
        for w in range(len(one.windows)):
            inside = worth[hit & (window == w)]
            found += len(inside) > 0
            total += profile.found * float(inside.max()) if len(inside) else -profile.missed
        per_file[name] = total
        false_rows += int(outside.sum())
    windows = sum(len(one.windows) for one in corpus.values())
    raw = sum(per_file.values())
    null, perfect = -profile.missed * windows, profile.found * windows
    normalised = 100 * (raw - null) / (perfect - null) if windows else 0.0
    return Result(threshold, raw, normalised, per_file, found, windows, false_rows)


def best(corpus: Mapping[str, Labelled], profile: Profile) -> Result:
    """The score at the threshold that's best for this corpus: the highest one, if several are."""
    at, gain = list[Array](), list[Array]()
    for one in corpus.values():
        worth, window = _worth(one)
        scored = np.arange(len(worth)) >= probation(len(worth))
        outside = scored & (window < 0)
        at.append(one.scores[outside])
        gain.append(profile.false * worth[outside])
        for w in range(len(one.windows)):
            inside = scored & (window == w)
            order = np.argsort(-one.scores[inside], kind="stable")
            reached = profile.found * np.maximum.accumulate(worth[inside][order])
            at.append(one.scores[inside][order])
            gain.append(np.diff(reached, prepend=-profile.missed))
    thresholds, gains = np.concatenate(at), np.concatenate(gain)
    order = np.argsort(-thresholds, kind="stable")
    thresholds, total = thresholds[order], np.cumsum(gains[order])
    last = np.append(thresholds[1:] < thresholds[:-1], True)  # rows of one score are flagged together
    place = int(np.argmax(np.where(last, total, -np.inf)))
    silent = -profile.missed * sum(len(one.windows) for one in corpus.values())
    if total[place] <= silent:
        return score(corpus, profile, float(np.nextafter(thresholds[0], np.inf)))
    return score(corpus, profile, float(thresholds[place]))


def _worth(one: Labelled) -> tuple[Array, Array]:
    """What a detection at each row is worth, in [-1, 1], and the row's window or -1."""
    rows = len(one.scores)
    worth, window, place = np.full(rows, -1.0), np.full(rows, -1), np.arange(rows)
    for w, (first, last) in enumerate(one.windows):
        width = last - first + 1
        after = slice(last + 1, None)
        worth[after] = _sigmoid((place[after] - last) / (width - 1))
        worth[first : last + 1] = _sigmoid((place[first : last + 1] - last - 1) / width) / _sigmoid(np.array(-1.0))
        window[first : last + 1] = w
    return worth, window


def _sigmoid(y: Array) -> Array:
    scaled: Array = 2 / (1 + np.exp(_STEEPNESS * np.minimum(y, _FAR))) - 1
    return np.where(y > _FAR, -1.0, scaled)
