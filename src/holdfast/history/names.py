"""Which series a question's names mean (`model.names`)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import QueryInvalid
from holdfast.model.names import NAME_HELP, NameInvalid, Pattern
from holdfast.model.series import Catalogue


def select(catalogue: Catalogue, patterns: Sequence[str]) -> NDArray[np.int32]:
    """Ids of the series that any of the patterns means, ascending.

    Raises:
        QueryInvalid: when a pattern is no name, or too long.
    """
    try:
        matchers = [Pattern(text) for text in patterns]
    except NameInvalid as error:
        raise QueryInvalid(str(error), NAME_HELP) from error
    chosen = [i for i, series in enumerate(catalogue.since(0)) if any(m.means(series) for m in matchers)]
    return np.array(chosen, np.int32)
