"""How SKAB scores detectors (Katser and Kozitsin 2020), and its folder run through ours.

Outliers: rows pooled over files; F1, false alarm rate (FAR) and missed alarm rate (MAR). Change points: NAB's idea with
a window of 60 s after each. Neither is to be read alone: flagging every row gives an F1 near 0.7, and a change reported
blindly every 60 s scores far above published detectors, so `blind` is reported beside. Labels are only for scoring.

The constants of `joint` and `turn` were chosen on the development half and the anomaly-free run. The confirmation half
had been looked at before with other candidates, so its figures are a check, not a proof.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import THRESHOLD, Scope
from holdfast.stream.state import State

Array = NDArray[Any]
FIT_ROWS = 400
"""Rows of each file that detectors learn from and that aren't scored."""
WINDOW_NS = 60 * 1_000_000_000
_NORMAL = "anomaly-free"
_LABELS = ("anomaly", "changepoint")


class SkabUnreadable(Exception):
    """A folder isn't SKAB's, or a file of it isn't as it should be."""

    def __init__(self, path: Path, why: str) -> None:
        self.path, self.why = path, why
        self.hint = "give the folder that holds data/<group>/<n>.csv, plain or gzipped, as in waico/SKAB"
        super().__init__(f"{path}: {why}")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One file. ts: ns UTC; values: (rows, sensors); anomaly, change: flags by row."""

    ts: Array
    values: Array
    anomaly: Array
    change: Array


@dataclass(frozen=True, slots=True)
class Outliers:
    """far, mar: percent."""

    f1: float
    far: float
    mar: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What a missed change point and a false one cost."""

    missed: float
    false: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 0.11),
    "low_FP": Profile(1.0, 0.22),
    "low_FN": Profile(2.0, 0.11),
}


@dataclass(frozen=True, slots=True)
class Changes:
    """scores: by profile, 0 for silence, 100 for perfect."""

    scores: Mapping[str, float]
    points: int
    missed: int
    false: int


@dataclass(frozen=True, slots=True)
class Run:
    """Rows after the fitting ones: what the two detectors said, and what they took."""

    flags: Mapping[str, Array]
    turns: Mapping[str, Array]
    rows: int
    cpu_s: float
    bytes_per_series: float


def outliers(flags: Mapping[str, Array], files: Mapping[str, Experiment]) -> Outliers:
    """Pooled over the files that have flags, scored rows only."""
    flagged = np.concatenate([flags[name].astype(bool) for name in flags])
    labelled = np.concatenate([files[name].anomaly[FIT_ROWS:] for name in flags])
    hit, false = int((flagged & labelled).sum()), int((flagged & ~labelled).sum())
    missed, quiet = int((~flagged & labelled).sum()), int((~flagged & ~labelled).sum())
    wrong = 2 * hit + false + missed
    f1 = 2 * hit / wrong if wrong else 0.0
    return Outliers(f1, 100 * false / max(false + quiet, 1), 100 * missed / max(missed + hit, 1))


def changes(turns: Mapping[str, Array], files: Mapping[str, Experiment]) -> Changes:
    """Over the files that have predictions, scored rows only."""
    worth, missed, false = list[float](), 0, 0
    for name, said in turns.items():
        ts, at = files[name].ts[FIT_ROWS:], files[name].change[FIT_ROWS:]
        found, wrong = _positions(ts[said.astype(bool)], ts[at])
        worth += [x for x in found if x is not None]
        missed += sum(x is None for x in found)
        false += wrong
    points = len(worth) + missed
    scores = {}
    for name, profile in PROFILES.items():
        raw = sum(_worth(x, profile) for x in worth) - profile.missed * missed - profile.false * false
        null = -profile.missed * points
        scores[name] = 100 * (raw - null) / (points - null) if points else 0.0
    return Changes(scores, points, missed, false)


def flips(flags: Array) -> Array:
    """Where a flag begins or ends; a flag at the first row counts as begun there."""
    edges: Array = np.diff(flags.astype(int), prepend=0) != 0
    return edges


def blind(files: Mapping[str, Experiment]) -> dict[str, Array]:
    """A change every 60 rows whatever the data: what a score must be compared with."""
    return {name: np.arange(max(len(f.ts) - FIT_ROWS, 0)) % 60 == 0 for name, f in files.items()}


def halves(names: Iterable[str]) -> dict[str, list[str]]:
    """The files that constants were chosen on, and the others: in each group every second one by name."""
    groups = dict[str, list[str]]()
    for name in sorted(names):
        groups.setdefault(name.partition("/")[0], []).append(name)
    return {
        "development": [name for group in groups.values() for name in group[0::2]],
        "confirmation": [name for group in groups.values() for name in group[1::2]],
    }


def read(folder: Path) -> dict[str, Experiment]:
    """All labelled experiments by `group/number`. Raises: SkabUnreadable."""
    paths = sorted(p for p in (folder / "data").glob("*/*") if p.name.endswith((".csv", ".csv.gz")))
    files = {_name(path): _experiment(path) for path in paths if path.parent.name != _NORMAL}
    if not files:
        raise SkabUnreadable(folder / "data", "no experiments there")
    return files


def run(files: Mapping[str, Experiment], tell: Callable[[int], object] = lambda _: None) -> Run:
    """Every file through a `joint` and a `turn` of its own, a row at a time in order; nothing is kept between files.

    tell: rows so far
    """
    flags, turns, rows, cpu, size = dict[str, Array](), dict[str, Array](), 0, 0.0, 0.0
    for name, file in files.items():
        state, columns = State(), file.values.shape[1]
        joint = make("joint", Scope(state, "joint."), {"learn": FIT_ROWS}, columns)
        turn = make("turn", Scope(state, "turn."), {"learn": FIT_ROWS}, columns)
        state.grow(1)
        slot, said = np.zeros(1, int), np.zeros((2, len(file.ts)))
        started = process_time()
        for row in range(len(file.ts)):
            one = slice(row, row + 1)
            for part, detector in enumerate((joint, turn)):
                said[part, row] = detector.update(slot, file.ts[one], file.values[one]).score[0]
        cpu += process_time() - started
        rows, size = rows + len(file.ts), state.nbytes / state.capacity
        tell(rows)
        flags[name], turns[name] = (part[FIT_ROWS:] >= THRESHOLD for part in said)
    return Run(flags, turns, rows, cpu, size)


def _positions(said: Array, points: Array) -> tuple[list[float | None], int]:
    """Of each change point where in its window the first prediction lies, in [0, 1]; and how many lie in none."""
    found, used, before = list[float | None](), np.zeros(len(said), bool), 0
    for point in points:
        start, end = max(int(point), before), int(point) + WINDOW_NS
        inside = (said >= start) & (said <= end)
        used |= inside
        before = end
        found.append(float(said[inside][0] - start) / (end - start) if inside.any() else None)
    return found, int((~used).sum())


def _worth(position: float, profile: Profile) -> float:
    scaled = float(np.tanh(np.pi * (position - 0.5)) / np.tanh(np.pi / 2))
    return (1 + profile.false) / 2 * (1 - scaled) - profile.false


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix('.gz').removesuffix('.csv')}"


def _experiment(path: Path) -> Experiment:
    try:
        data = path.read_bytes()
        text = gzip.decompress(data).decode() if path.suffix == ".gz" else data.decode()
        head, *rows = csv.reader(io.StringIO(text), delimiter=";")
        if tuple(head[-2:]) != _LABELS:
            raise SkabUnreadable(path, "no columns anomaly and changepoint at the end")
        ts = np.array([_ns(row[0]) for row in rows])
        values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    except OSError as error:
        raise SkabUnreadable(path, error.strerror or "can't be read") from None
    except (ValueError, IndexError) as error:
        raise SkabUnreadable(path, f"not rows of datetime;sensors;anomaly;changepoint: {error}") from None
    if len(ts) <= FIT_ROWS:
        raise SkabUnreadable(path, f"{len(ts)} rows; more than {FIT_ROWS} are needed, the first of which aren't scored")
    return Experiment(ts, values[:, :-2], values[:, -2] > 0, values[:, -1] > 0)


def _ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000
