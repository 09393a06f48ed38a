"""Which entry of `parent.send` decides about a series. Pure; asked once per series, not per row."""

import hashlib
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.model.lane import Stay
from holdfast.model.series import Catalogue, Series
from holdfast.uplink.filtering.settings import SendRule

NONE = -1


class SendPolicy:
    """The entries over a node's own series; children's rows go on as their own node sent them."""

    def __init__(
        self,
        rules: Sequence[SendRule],
        node: str,
        stay: Callable[[Series], Stay],
        is_result: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Take checked entries.

        stay:      the residency rules, which decide first
        is_result: does a rule store this metric? It goes up as it is unless an entry ends with its own last word
        """
        self.rules, self.node, self.is_result = tuple(rules), node, is_result
        self._stay = stay
        self._patterns = [rule.pattern for rule in rules]
        self._place_of = np.empty(0, np.int16)

    @property
    def digest(self) -> str:
        """Tells entries apart: 16 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self.rules)).hexdigest()[:16]

    def is_local(self, series: Series) -> bool:
        """Do a series' readings stay here, though they'd be free to leave?"""
        return self.matching(series) != NONE

    def matching(self, series: Series) -> int:
        """The place of the entry by which a series' readings stay here; NONE when they go up, or must not."""
        if series.node != self.node:
            return NONE
        last = _last_word(series.metric) if self.is_result(series.metric) else None
        place = next(
            (
                i
                for i, pattern in enumerate(self._patterns)
                if pattern.means(series) and (last is None or _last_word(pattern.text) == last)
            ),
            NONE,
        )
        if place == NONE or self.rules[place].as_ == "raw" or self._stay(series) is not Stay.ANYWHERE:
            return NONE
        return place

    def place_of(self, catalogue: Catalogue) -> NDArray[np.int16]:
        """The place of each series' entry, shape (catalogue,); one thread at a time."""
        known = len(self._place_of)
        new = catalogue.since(known)
        if new:
            made = catalogue.made
            places = [NONE if known + i in made else self.matching(one) for i, one in enumerate(new)]
            self._place_of = np.concatenate([self._place_of, np.array(places, np.int16)])
        return self._place_of


def _last_word(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[2]
