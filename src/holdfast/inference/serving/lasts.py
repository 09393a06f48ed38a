"""Each device's last value of a deployment, for when there's none better. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Predictions

Array = NDArray[Any]
_NEVER = np.iinfo(np.int64).min


class Lasts:
    """By place in `places`; grows with it."""

    def __init__(self) -> None:
        self._places: Sequence[tuple[str, str]] = ()
        self._ts = np.zeros(0, np.int64)
        self._said = Predictions.none(0)

    def learn(self, places: Sequence[tuple[str, str]], key: Array, ts: Array, said: Predictions) -> None:
        """A model said this of them."""
        self._follow(places)
        if (ts >= self._ts[key]).all() and (ts[1:] >= ts[:-1]).all():  # as nearly always
            self._ts[key] = ts  # of one key's assignments the last stands
            for mine, theirs in zip(self._columns(self._said), self._columns(said), strict=True):
                mine[key] = theirs
            return
        order = np.argsort(ts, kind="stable")
        order = order[ts[order] >= self._ts[key[order]]]
        at = key[order]
        self._ts[at] = ts[order]
        for mine, theirs in zip(self._columns(self._said), self._columns(said), strict=True):
            mine[at] = theirs[order]

    def of(self, rows: FeatureRows, within_s: float) -> tuple[Array, Predictions]:
        """Which rows' devices have a value that is no older, and the values of all (NaN without)."""
        self._follow(rows.places)
        then = self._ts[rows.key]
        known = (then != _NEVER) & (rows.ts - np.maximum(then, 0) <= int(within_s * 1e9))
        return known, self._said.take(rows.key)

    def _columns(self, said: Predictions) -> tuple[Array, Array, Array]:
        return said.score, said.label, said.confidence

    def _follow(self, places: Sequence[tuple[str, str]]) -> None:
        if places is self._places and len(places) == len(self._ts):
            return
        if len(places) == len(self._ts) and places == self._places:
            self._places = places
            return
        before = {place: at for at, place in enumerate(self._places[: len(self._ts)])}
        old_ts, old = self._ts, self._said
        self._places, self._ts = places, np.full(len(places), _NEVER, np.int64)
        self._said = Predictions.none(len(places))
        found = [(at, before[place]) for at, place in enumerate(places) if place in before]
        if found:
            new_at, old_at = (np.array(column) for column in zip(*found, strict=True))
            self._ts[new_at] = old_ts[old_at]
            for mine, theirs in zip(self._columns(self._said), self._columns(old), strict=True):
                mine[new_at] = theirs[old_at]
