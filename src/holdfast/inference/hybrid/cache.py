"""Answers of the model above, for rows that are as good as the same. Pure; bounded in number and age."""

from collections import OrderedDict
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.wire.hybrid import Answered

Array = NDArray[Any]


def key_of(model: str, features: str, values: Array, digits: int) -> bytes:
    """What rows have in common that are as good as the same: values that agree in so many significant digits.

    values: shape (f,); NaN is like NaN, and 0 like -0
    """
    return blake2b(f"{model}\0{features}\0".encode() + rounded(values, digits).tobytes(), digest_size=16).digest()


def rounded(values: Array, digits: int) -> Array:
    """To so many significant digits, each by its own size; shape (f,), float64."""
    values = np.asarray(values, np.float64)
    size = np.abs(values)
    normal = np.isfinite(values) & (size >= np.finfo(np.float64).tiny)
    exponent = np.floor(np.log10(size, where=normal, out=np.zeros_like(size)))
    scale = 10.0 ** np.clip(digits - 1 - exponent, -300, 300)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.where(normal, np.round(values * scale) / scale, values)
    found = np.where(np.isfinite(values) & ~normal, 0.0, found)
    kept: Array = np.where(np.isnan(found), np.nan, found) + 0.0  # one NaN, one zero
    return kept


class _Kept(NamedTuple):
    answer: Answered
    until: float


class AnswerCache:
    """Of one deployment. Times: CLOCK_MONOTONIC, s."""

    def __init__(self, most: int, lasts_s: float) -> None:
        """most: 0 = nothing is kept."""
        self._most, self._lasts_s = most, lasts_s
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._version = ("", "")

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: float) -> Answered | None:
        """The answer to a row like this; None = there's none, or it's too old."""
        found = self._kept.get(key)
        if found is None:
            return None
        if now >= found.until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found.answer

    def put(self, key: bytes, answer: Answered, now: float) -> None:
        """Keep an answer. Those of another version of the model are forgotten: it knows better now, or is back."""
        version = answer.model, answer.version
        if version != self._version:
            self._kept.clear()
            self._version = version
        self._kept[key] = _Kept(answer, now + self._lasts_s)
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
