"""Which series a request means, by name; what was chosen is kept for who asks the same again and again, like a page."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from starlette.datastructures import QueryParams

from holdfast.history.errors import QueryInvalid
from holdfast.history.names import narrow, select
from holdfast.model.series import Catalogue, Kind
from holdfast.web.errors import Refused

_KEPT = 4
_MOST_KEPT = 10_000
"""Choices of more series are not kept: some 100 bytes a series."""
_FILTERS = ("unit", "kind", "node", "device")
KINDS = [kind.name.lower() for kind in Kind]
CHOICE = ("match", *_FILTERS, "limit", "offset")


@dataclass(frozen=True)
class Choice:
    """Series by name. names, ids: of the same length."""

    catalogue: Catalogue
    names: Sequence[str]
    ids: NDArray[np.int32]

    @cached_property
    def about(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Names, units and kinds as Arrow has them."""
        series = [self.catalogue[i] for i in self.ids.tolist()]
        kinds = pa.DictionaryArray.from_arrays(pa.array([one.kind for one in series], pa.int32()), pa.array(KINDS))
        number: dict[str, int] = {}
        places = [number.setdefault(one.unit, len(number)) for one in series]
        units = pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(list(number), pa.string()))
        return pa.array(self.names, pa.string()), units, kinds

    def among(self, ids: NDArray[np.int32]) -> "Choice":
        """Those of them that are among `ids`."""
        keep = np.isin(self.ids, ids)
        return Choice(self.catalogue, [self.names[i] for i in np.flatnonzero(keep).tolist()], self.ids[keep])

    def page(self, offset: int, limit: int) -> tuple[list[pa.Array], NDArray[np.int32]]:
        """A part of them: `about`, and ids."""
        part = slice(offset, offset + limit)
        return [column[part] for column in self.about], self.ids[part]


class Choices:
    """Chooses among the series of one node."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[tuple[str, ...], tuple[int, Choice]] = OrderedDict()

    def choose(self, params: QueryParams) -> Choice:
        """Those that `match`, `unit`, `kind`, `node` and `device` mean.

        Raises:
            Refused: when one of them is no pattern.
        """
        key = (*(params.get(name, "") for name in _FILTERS), *(params.getlist("match") or ["*"]))
        size, kept = self._kept.pop(key, (-1, None))
        if kept is None or size != len(self._catalogue):  # which only grows
            size = len(self._catalogue)
            kept = self._chosen(dict(zip(_FILTERS, key, strict=False)), key[len(_FILTERS) :])
        if len(kept.ids) <= _MOST_KEPT:
            self._kept[key] = size, kept
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept

    def _chosen(self, filters: dict[str, str], match: Sequence[str]) -> Choice:
        catalogue = self._catalogue
        try:
            ids = narrow(catalogue, select(catalogue, match).tolist(), **filters)
        except QueryInvalid as error:
            raise Refused(400, str(error), error.hint) from error
        by_name = sorted((catalogue[i].name, i) for i in ids)
        return Choice(catalogue, [name for name, _ in by_name], np.array([i for _, i in by_name], np.int32))
