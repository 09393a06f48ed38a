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
    said = f"{model}\0{features}\0{in_digits(values, digits)}"
    return blake2b(said.encode(), digest_size=16).digest()


def in_digits(values: Array, digits: int) -> str:
    """Written with so many significant digits, each by its own size; shape (f,). What can't be told from 0 is 0.

    Decimal text, as binary scaling rounds what lies between two steps now up, now down.
    """
    shown = np.where(np.abs(values) < np.finfo(np.float64).tiny, 0.0, values)
    return " ".join(f"{value + 0.0:.{digits - 1}e}" for value in shown.tolist())


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
