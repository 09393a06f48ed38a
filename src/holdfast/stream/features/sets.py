"""Feature sets as they're known to others: what they're called, what they compute, whether a card means this one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.stream.features.errors import FeatureSetUnknown, FeaturesMismatch
from holdfast.stream.features.hashing import digest
from holdfast.stream.features.settings import FeatureText
from holdfast.stream.language.nearness import near

SHORT = 16
"""Hex digits of the hash in a reference: 64 bits."""


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """One set of a features document, checked.

    folder:  where the tables lie that it names
    hash:    SHA-256 of what it computes, hex
    columns: a row's numbers by name, in the order of the model's input
    inputs:  the metrics that it reads, by its own names; others: `device/metric` of other devices
    """

    name: str
    text: FeatureText
    folder: Path
    columns: tuple[str, ...]
    inputs: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """See the class."""
        return digest(self.text)

    @property
    def ref(self) -> str:
        """How a model's card names it: `name@` and the first 16 digits of the hash."""
        return f"{self.name}@{self.hash[:SHORT]}"

    @property
    def version(self) -> int:
        """As people count them."""
        return self.text.version

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return len(self.columns)


def demand_match(card_ref: str, features: FeatureSet) -> None:
    """Refuse a model whose card names another set than these rows are of.

    card_ref: `name@hash`, at least 16 digits of the hash; a card without one isn't bound to anything, so it's refused

    Raises:
        FeaturesMismatch: with what differs, and what to do.
    """
    name, _, wanted = card_ref.partition("@")
    if name != features.name or len(wanted) < SHORT or not features.hash.startswith(wanted.lower()):
        raise FeaturesMismatch(card_ref, features.ref)


def find(sets: Sequence[FeatureSet], name: str) -> FeatureSet:
    """One by name or by `name@hash`; without a name the only one.

    Raises:
        FeatureSetUnknown: when there is none, or more than one without a name.
    """
    if not name and len(sets) == 1:
        return sets[0]
    plain, _, wanted = name.partition("@")
    for one in sets:
        if one.name == plain and one.hash.startswith(wanted):
            return one
    raise FeatureSetUnknown(name, [one.ref for one in sets], near(plain, [one.name for one in sets]))
