"""What a model says of rows, and how good that is. Pure.

With labels: accuracy of classes, R² of numbers, the area under the ROC curve of anomalies. Without: how far it agrees
with the original, which is then the measure, and is named so. Loss: the original's figure less the candidate's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from holdfast.inference.optimising.errors import DataUnusable, ModelUnusable
from holdfast.inference.optimising.given import Array, Given, Task

Metric = Literal["accuracy", "r2", "auc", "agreement"]
_RESAMPLES = 200
_Z = 1.96
WORDS: Mapping[str, str] = {
    "accuracy": "share of rows with the right class",
    "r2": "R² of the numbers against the labels",
    "auc": "area under the ROC curve of the scores",
    "agreement": "agreement with the original: no labels were given",
}


@dataclass(frozen=True, slots=True)
class Said:
    """Of n rows. label: (n,) int64; score: (n,) float64; either may be absent."""

    label: Array | None
    score: Array | None


@dataclass(frozen=True, slots=True)
class Judged:
    """value: of the metric; loss: the original's less this one's, with its 95 % interval; more: other figures."""

    metric: Metric
    value: float
    loss: float
    low: float
    high: float
    more: dict[str, float] = field(default_factory=dict)


def guess(given: Given, outputs: Mapping[str, Array], y: Array | None) -> Task:
    """The task, where neither card nor command told it."""
    if given.task is not None:
        return given.task
    first = next(iter(outputs.values()))
    wide = any(out.ndim == 2 and out.shape[1] > 1 and out.dtype.kind == "f" for out in outputs.values())
    if any(out.dtype.kind in "iuUSO" for out in outputs.values()) or (wide and (y is None or y.dtype.kind == "i")):
        return "classification"
    if y is not None and y.dtype.kind == "f" and first.size == len(y):
        return "regression"
    raise ModelUnusable(
        "nobody says what this model is for",
        "give --task classification, regression, anomaly or image-classification, or a folder with a card",
    )


def said(given: Given, task: Task, outputs: Mapping[str, Array], x: Array) -> Said:
    """What the outputs mean, by the card or by the usual shapes.

    Raises:
        ModelUnusable: an output that the card names isn't there, or none has a meaning for this task.
    """
    told = dict(given.card.get("outputs") or {})
    if task == "anomaly" and "reconstruction" in told:
        seen = _named(outputs, told["reconstruction"])
        error = (seen.astype(np.float64).reshape(len(x), -1) - x.astype(np.float64).reshape(len(x), -1)) ** 2
        return Said(None, error.mean(axis=1))
    if task in {"regression", "anomaly"}:
        return Said(None, _score(outputs, told))
    if "classes" in told:
        return Said(_named(outputs, told["classes"]).reshape(len(x), -1).argmax(1), None)
    if "score" in told:
        score, middle = _score(outputs, told), given.card.get("threshold")
        return Said((score > (0.5 if middle is None else float(middle))).astype(np.int64), score)
    return _classes(outputs, told, len(x))


def _score(outputs: Mapping[str, Array], told: Mapping[str, Any]) -> Array:
    if "score" in told:
        of = told["score"]
        index = int(of["index"]) if isinstance(of, Mapping) and of.get("index") is not None else -1  # as cards have it
        out = _named(outputs, of)
        return _transformed(out.reshape(len(out), -1)[:, index].astype(np.float64), of)
    floats = [out for out in outputs.values() if out.dtype.kind == "f"]
    if len(floats) != 1 or floats[0][:1].size != 1:
        raise ModelUnusable("which output is the number isn't known", "say it in a card: outputs.score: {name: …}")
    return floats[0].ravel().astype(np.float64)


def _transformed(score: Array, of: Any) -> Array:
    if isinstance(of, Mapping) and of.get("transform") == "sigmoid":
        out: Array = 1 / (1 + np.exp(-np.clip(score, -500, 500)))
        return out
    return score


def _classes(outputs: Mapping[str, Array], told: Mapping[str, Any], rows: int) -> Said:
    wide = [out for out in outputs.values() if out.dtype.kind == "f" and out.ndim == 2 and out.shape[1] > 1]
    if wide:
        return Said(wide[0].argmax(1), None)
    labels = [out for out in outputs.values() if out.dtype.kind in "iu" and out.size == rows]
    if labels:
        return Said(labels[0].ravel().astype(np.int64), None)
    score = _score(outputs, told)  # one probability, or a logit
    middle = 0.5 if score.min() >= 0 and score.max() <= 1 else 0.0
    return Said((score > middle).astype(np.int64), score)


def _named(outputs: Mapping[str, Array], of: Any) -> Array:
    name = str(of["name"] if isinstance(of, Mapping) and "name" in of else of)
    if name not in outputs:
        raise ModelUnusable(f"the card speaks of an output {name}, but there are {', '.join(outputs)}")
    return outputs[name]


def judge(task: Task, of: Said, original: Said, y: Array | None, threshold: float | None = None) -> Judged:
    """How good, and how much worse than the original on the same rows.

    Raises:
        DataUnusable: the labels don't suit the task: one class only, all numbers alike.
    """
    if task in {"classification", "image-classification"}:
        return _of_classes(_there(of.label), _there(original.label), y)
    ours, theirs = _there(of.score), _there(original.score)
    if not np.isfinite(ours).all():
        return Judged("agreement" if y is None else "r2" if task == "regression" else "auc", 0.0, 1.0, 1.0, 1.0)
    if task == "regression":
        return _of_numbers(ours, theirs, y)
    return _of_anomalies(ours, theirs, y, threshold)


def _of_classes(ours: Array, theirs: Array, y: Array | None) -> Judged:
    truth = theirs if y is None else y
    worse = (theirs == truth).astype(float) - (ours == truth)
    loss, reach = float(worse.mean()), _Z * float(worse.std()) / max(len(worse), 1) ** 0.5
    metric: Metric = "agreement" if y is None else "accuracy"
    more = {} if y is None else {"f1_macro": f1_macro(ours, y), "agreement": float((ours == theirs).mean())}
    return Judged(metric, float((ours == truth).mean()), loss, loss - reach, loss + reach, more)


def _of_numbers(ours: Array, theirs: Array, y: Array | None) -> Judged:
    truth = theirs if y is None else y.astype(np.float64)
    if float(truth.std()) == 0:
        raise DataUnusable("all rows have the same number: R² says nothing of them")
    value, before = r2(ours, truth), r2(theirs, truth)
    rmse = float(np.sqrt(((ours - truth) ** 2).mean()))
    low, high = _resampled(lambda at: r2(theirs[at], truth[at]) - r2(ours[at], truth[at]), len(truth))
    metric: Metric = "agreement" if y is None else "r2"
    return Judged(metric, value, before - value, low, high, {"rmse": rmse})


def _of_anomalies(ours: Array, theirs: Array, y: Array | None, threshold: float | None) -> Judged:
    if y is None:
        if threshold is not None:
            return _of_classes(ours > threshold, theirs > threshold, None)
        value = float(np.corrcoef(_ranks(ours), _ranks(theirs))[0, 1]) if np.ptp(ours) else 0.0
        low, high = _resampled(lambda at: 1 - float(np.corrcoef(ours[at], theirs[at])[0, 1]), len(ours))
        return Judged("agreement", value, 1 - value, min(low, 1 - value), max(high, 1 - value))
    truth = y != 0
    if truth.all() or not truth.any():
        raise DataUnusable("anomalies are judged by rows of both kinds: label them 0 and 1", "give both in --evaluate")
    value, before = auc(ours, truth), auc(theirs, truth)
    low, high = _resampled(lambda at: auc(theirs[at], truth[at]) - auc(ours[at], truth[at]), len(truth))
    more = (
        {} if threshold is None else {"f1": f1(ours > threshold, truth), "f1_original": f1(theirs > threshold, truth)}
    )
    return Judged("auc", value, before - value, low, high, more)


def r2(of: Array, truth: Array) -> float:
    """1 - the squared error's share of the truth's variance."""
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((of - truth) ** 2).sum()) / spread if spread else 0.0


def auc(score: Array, truth: Array) -> float:
    """The chance that an anomaly's score is above a good row's; ties count half (Mann and Whitney)."""
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return 0.5
    return float((_ranks(score)[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def f1(of: Array, truth: Array) -> float:
    """Of yes and no."""
    hits, wrong = float((of & truth).sum()), float((of ^ truth).sum())
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0


def f1_macro(of: Array, truth: Array) -> float:
    """The mean of all classes' F1."""
    return float(np.mean([f1(of == kind, truth == kind) for kind in np.unique(truth)]))


def confusion(rows: Array, columns: Array, size: int) -> Array:
    """[size, size]: how often the first said i and the second j."""
    out = np.zeros((size, size), np.int64)
    np.add.at(out, (rows, columns), 1)
    return out


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which stays in [0, 1]."""
    if not of:
        return 0.0, 1.0
    share, z2 = hits / of, _Z**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    reach = _Z * (share * (1 - share) / of + z2 / (4 * of**2)) ** 0.5 / (1 + z2 / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _resampled(figure: Any, rows: int) -> tuple[float, float]:
    """The 95 % interval of a figure over rows drawn with replacement, always the same draws."""
    random = np.random.default_rng(1)
    drawn = [figure(random.integers(0, rows, rows)) for _ in range(_RESAMPLES)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def _ranks(values: Array) -> Array:
    """From 1; equals share their mean."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[at]
    return ranks


def _there(of: Array | None) -> Array:
    if of is None:
        raise ModelUnusable("the model's outputs don't suit its task")
    return of


def as_numbers(outputs: Sequence[Any], names: Sequence[str]) -> dict[str, Array]:
    """A session's outputs as arrays; what is no array (a list of maps, as ZipMap gives) is left out."""
    return {name: out for name, out in zip(names, outputs, strict=True) if isinstance(out, np.ndarray) and out.ndim}
