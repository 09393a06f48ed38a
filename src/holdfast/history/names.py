"""Which series a name means: `node/device/metric`, or `device/metric` at any node; `*` stands for any text."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import QueryInvalid
from holdfast.model.series import Catalogue, Series

NAME_HELP = "write node/device/metric or device/metric; * stands for any text, as in press-*/temperature"
_LONGEST = 512
_MOST_STARS = 4


def select(catalogue: Catalogue, patterns: Sequence[str]) -> NDArray[np.int32]:
    """Ids of the series that any of the patterns means, ascending.

    Raises:
        QueryInvalid: when a pattern is no name, or too long.
    """
    return np.array(matching(catalogue.since(0), patterns), np.int32)


def matching(known: Sequence[Series], patterns: Sequence[str]) -> list[int]:
    """The places of the series that any of the patterns means; raises like `select`."""
    matchers = [_matcher(p) for p in patterns]
    return [
        i
        for i, series in enumerate(known)
        if any(m.fullmatch(series.name) or m.fullmatch(f"{series.device}/{series.metric}") for m in matchers)
    ]


def _matcher(pattern: str) -> re.Pattern[str]:
    if not pattern or len(pattern) > _LONGEST:
        raise QueryInvalid(f"a series name has 1 to {_LONGEST} characters", NAME_HELP)
    if pattern != "*" and "/" not in pattern:
        raise QueryInvalid(f"{pattern!r} names no series", NAME_HELP)
    pieces = re.split(r"\*+", pattern)  # a run of stars means one
    if len(pieces) > _MOST_STARS + 1:  # each one multiplies the ways a long name can fail to match
        raise QueryInvalid(f"a pattern may have at most {_MOST_STARS} stars", NAME_HELP)
    return re.compile(".*".join(re.escape(piece) for piece in pieces), re.DOTALL)
