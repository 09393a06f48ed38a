"""Texts as numbers: a text's code is 48 bits of its hash, exact in a float64 and the same on every node and run.

Columns stay columns of numbers; texts are compared by code. Two texts with one code: 1 in 2**48 per pair.
A function of texts (`upper(mode)`) needs to know them: it asks `known()` for those of the engine at work.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

MOST = 100_000
"""Texts remembered; of more, only the codes are known."""


def code(text: str) -> float:
    """The number that stands for a text."""
    return float(int.from_bytes(blake2b(text.encode(errors="replace"), digest_size=6).digest()))


class Texts:
    """The texts seen, by code.

    results: what functions of texts gave before: per function, arguments to result
    """

    def __init__(self) -> None:
        self._codes: dict[str, float] = {}
        self._texts: dict[float, str] = {}
        self.results: WeakKeyDictionary[object, dict[Any, float]] = WeakKeyDictionary()

    def learn(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """The codes of these texts, shape (len,)."""
        return np.array([self.number(text) for text in texts], np.float64)

    def number(self, text: str) -> float:
        """The code of a text, which is remembered."""
        known = self._codes.get(text)
        if known is None:
            known = code(text)
            if len(self._codes) < MOST:
                self._codes[text] = known
                self._texts[known] = text
        return known

    def text(self, number: float) -> str | None:
        """The text of a code, None when it isn't known."""
        return self._texts.get(number)

    def coded(self, value: NDArray[Any], is_text: NDArray[np.bool_], texts: Sequence[str]) -> NDArray[Any]:
        """A batch's values with codes in place of the texts' positions."""
        codes = self.learn(texts)
        rows = np.flatnonzero(is_text & np.isfinite(value))
        out = value.copy()
        out[rows] = codes[value[rows].astype(np.intp)]
        return out

    def export(self) -> list[str]:
        """All texts, for a checkpoint."""
        return list(self._codes)


_AT_WORK: ContextVar[Texts] = ContextVar("texts")


@contextmanager
def using(texts: Texts) -> Iterator[None]:
    """These are what `known` gives in here; like numpy's error state, of this thread or task alone."""
    token = _AT_WORK.set(texts)
    try:
        yield
    finally:
        _AT_WORK.reset(token)


def known() -> Texts:
    """The texts of the engine at work."""
    found = _AT_WORK.get(None)
    if found is None:
        found = Texts()
        _AT_WORK.set(found)
    return found
