"""Results as readings: `ml.<deployment>.score` and so on, of the device that they're about."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.features import FILLED, UNCERTAIN
from holdfast.model.predictions import TEXT_PARTS, How, Results, metric_of
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Catalogue, Kind, Series

Array = NDArray[Any]
MS_PER_S = 1e3
_UNITS = {"ms": "ms"}
_FALLBACK = encode_quality(Quality.UNCERTAIN, Reason.FALLBACK)
_DOUBTFUL = encode_quality(Quality.UNCERTAIN, Reason.INPUT_DOUBTFUL)
_HOW = tuple(how.name.lower() for how in How)


class Recorder:
    """One deployment's series. Loop thread only."""

    def __init__(self, catalogue: Catalogue, deployment: str, parts: Sequence[str]) -> None:
        """parts: which of `PARTS` become readings, in the order in which a message has them."""
        self._catalogue, self._parts = catalogue, tuple(parts)
        self._series = [
            (metric_of(deployment, part), _UNITS.get(part, ""), Kind.TEXT if part in TEXT_PARTS else Kind.FLOAT)
            for part in self._parts
        ]
        self._places: dict[tuple[str, str], int] = {}
        self._ids = np.empty((0, len(self._parts)), np.int32)

    def batch(self, results: Results) -> Batch:
        """The readings of results, each row's parts side by side.

        Rows without a score and parts without a value are left out.
        """
        n, parts = len(results), len(self._parts)
        texts = (*results.labels, results.version, *_HOW)
        value = np.empty((n, parts))
        for i, part in enumerate(self._parts):
            value[:, i] = self._column(part, results)
        kept = np.isfinite(value) & np.isfinite(results.predictions.score)[:, None]
        at = self._at(results.places)[results.key]
        series = self._ids[at][kept]
        ts, quality = (np.repeat(one, parts).reshape(n, parts)[kept] for one in (results.ts, _quality(results)))
        return Batch(series, ts, value[kept], quality, texts).slim(self._catalogue.is_text)

    def _column(self, part: str, results: Results) -> Array:
        said, n = results.predictions, len(results)
        labels = len(results.labels)
        match part:
            case "score":
                return said.score
            case "label":
                return np.where((said.label >= 0) & (said.label < labels), said.label, np.nan)
            case "confidence":
                return said.confidence
            case "ms":
                return results.latency * MS_PER_S
            case "version":
                return np.full(n, float(labels))
            case _:
                return results.how.astype(np.float64) + labels + 1

    def _at(self, places: Sequence[tuple[str, str]]) -> Array:
        """Each place's row in the table of series."""
        known = self._places
        new = [place for place in dict.fromkeys(places) if place not in known]
        if new:
            rows = [
                [self._catalogue.intern(Series(*place, metric, unit, kind)) for metric, unit, kind in self._series]
                for place in new
            ]
            known.update({place: len(known) + i for i, place in enumerate(new)})
            self._ids = np.concatenate([self._ids, np.array(rows, np.int32)])
        return np.fromiter((known[place] for place in places), np.intp, len(places))


def _quality(results: Results) -> Array:
    doubtful = (results.flags & (UNCERTAIN | FILLED)) != 0
    stood_in = (results.how != How.MODEL) & (results.how != How.PARENT)
    codes: Array = np.where(stood_in, _FALLBACK, np.where(doubtful, _DOUBTFUL, 0)).astype(np.uint8)
    return codes
