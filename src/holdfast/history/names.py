"""Which series a question's names mean (`model.names`)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import QueryInvalid
from holdfast.model.names import NAME_HELP, NameInvalid, Pattern
from holdfast.model.series import Catalogue, Series


def select(catalogue: Catalogue, patterns: Sequence[str]) -> NDArray[np.int32]:
    """Ids of the series that any of the patterns means, ascending.

    Raises:
        QueryInvalid: when a pattern is no name, or too long.
    """
    return np.array(matching(catalogue.since(0), patterns), np.int32)


def matching(known: Sequence[Series], patterns: Sequence[str]) -> list[int]:
    """The places of the series that any of the patterns means; raises like `select`."""
    try:
        matchers = [Pattern(text) for text in patterns]
    except NameInvalid as error:
        raise QueryInvalid(str(error), NAME_HELP) from error
    return [i for i, series in enumerate(known) if any(m.means(series) for m in matchers)]
