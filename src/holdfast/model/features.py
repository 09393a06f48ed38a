"""What a feature set says of devices: rows of numbers for a model. Made by the stream engine, scored elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

UNCERTAIN = 1
"""Flag: an input's quality was uncertain."""
FILLED = 2
"""Flag: an input was missing, and its feature set says what stands for it."""
UNUSABLE = 4
"""Flag: an input was bad or missing; never scored."""


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """n rows of f numbers each.

    features:   name@hash of the feature set
    deployment: whom they're for
    places:     (node, device) by key
    key:        shape (n,), int32: place in `places`
    ts:         shape (n,), int64: event time, ns UTC
    values:     shape (n, f), float64, C order; NaN = missing
    flags:      shape (n,), uint8: `UNCERTAIN`, `FILLED`, `UNUSABLE`
    arrived:    `Clock.monotonic()` when the readings came, s: where a latency begins
    """

    features: str
    deployment: str
    places: Sequence[tuple[str, str]]
    key: Array
    ts: Array
    values: Array
    flags: Array
    arrived: float

    def __len__(self) -> int:
        return len(self.key)

    def take(self, at: Array) -> "FeatureRows":
        """The rows at these positions, or of this mask."""
        return replace(self, key=self.key[at], ts=self.ts[at], values=self.values[at], flags=self.flags[at])

    @property
    def usable(self) -> Array:
        """Which rows may be scored, shape (n,)."""
        usable: Array = (self.flags & UNUSABLE) == 0
        return usable


def no_flags(n: int) -> Array:
    """Of n rows of which there's nothing to say."""
    return np.zeros(n, np.uint8)
