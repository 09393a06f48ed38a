"""Which rule keeps a series. Pure; a rule is asked once per series, not per row."""

import hashlib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.model.lane import Stay
from holdfast.model.names import Pattern
from holdfast.model.series import Catalogue, Series
from holdfast.residency.settings import ResidencyRule

NONE = -1


class Policy:
    """A node's residency rules over its own series. Children's rows come in the lane that their own node chose."""

    def __init__(self, rules: Sequence[ResidencyRule], node: str, region: str = "") -> None:
        """Compile the patterns of checked rules."""
        self.rules = tuple(rules)
        self.node = node
        self.region = region
        self._patterns = [Pattern(rule.series) for rule in rules]
        self._rule_of = np.empty(0, np.int16)

    def __bool__(self) -> bool:
        return bool(self.rules)

    @property
    def digest(self) -> str:
        """Tells rule sets apart: 16 hex digits over rules and region."""
        text = msgspec.json.encode((self.rules, self.region))
        return hashlib.sha256(text).hexdigest()[:16]

    def matching(self, series: Series) -> int:
        """The place of the first rule that matches a series, whoever's it is; NONE when there is none."""
        return next((i for i, pattern in enumerate(self._patterns) if pattern.means(series)), NONE)

    def stay(self, series: Series) -> Stay:
        """How far a series of this node may go."""
        if series.node != self.node:
            return Stay.ANYWHERE
        place = self.matching(series)
        return Stay.ANYWHERE if place == NONE else self.rules[place].how_far

    def rule_of(self, catalogue: Catalogue) -> NDArray[np.int16]:
        """The place of each own series' rule, NONE where there is none; shape (catalogue,)."""
        known = len(self._rule_of)
        new = catalogue.since(known)
        if new:
            made = catalogue.made
            places = [NONE if s.node != self.node or known + i in made else self.matching(s) for i, s in enumerate(new)]
            self._rule_of = np.concatenate([self._rule_of, np.array(places, np.int16)])
        return self._rule_of
