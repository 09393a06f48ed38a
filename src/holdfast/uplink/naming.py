"""What a parent learns of series: names where it may know them, placeholders where it mustn't. Pure.

Ids are dense, so a series that stays can't be left out of a run of definitions: it goes as `withheld/<node>-<id>`, a
name that says nothing. Should it become free to leave, its real name follows with the first rows of it (`again`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.lane import Stay
from holdfast.model.series import Catalogue, Series
from holdfast.wire.messages import BatchHeader, SeriesAgain

WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Trust:
    """What the parent may know. region: this node's; same_region: is the parent there, too?

    knows_again: does it read redefinitions of series? node: this node, which makes placeholders its own
    any_kind:    does it take events of kinds that it doesn't know?
    """

    region: str = ""
    same_region: bool = False
    knows_again: bool = False
    node: str = ""
    any_kind: bool = False

    @property
    def most(self) -> Stay:
        """The strictest series it may know by name."""
        return Stay.REGION if self.same_region else Stay.ANYWHERE


@dataclass(frozen=True, slots=True)
class Names:
    """The series of this node as one parent may see them."""

    catalogue: Catalogue
    trust: Trust

    def into(self, header: BatchHeader, needed: int, batches: Sequence[Batch]) -> BatchHeader:
        """The header with the definitions up to id `needed`, and of series in `batches` that became free."""
        start = header.series_from
        series = self.catalogue.since(start)[: max(0, needed - start)]
        stay = self.catalogue.stay_of[start : start + len(series)]
        return msgspec.structs.replace(
            header,
            series=tuple(self._shown(start + i, one, int(stay[i])) for i, one in enumerate(series)),
            stays=np.packbits(stay > 0, bitorder="little").tobytes() if stay.any() else b"",
            again=self._again(start, batches),
        )

    def _shown(self, number: int, series: Series, stay: int) -> Series:
        if stay <= self.trust.most:
            return series
        return Series(series.node, WITHHELD, f"{self.trust.node}-{number}", "", series.kind)

    def _again(self, known: int, batches: Sequence[Batch]) -> tuple[SeriesAgain, ...]:
        """Series of these rows below `known` that the parent may have been told as placeholders."""
        freed = self.catalogue.freed
        if not freed or not self.trust.knows_again:
            return ()
        present = np.unique(np.concatenate([batch.series for batch in batches])).tolist()
        return tuple(SeriesAgain(one, self.catalogue[one]) for one in present if one in freed and one < known)
