"""Which series a question's names mean (`model.names`)."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.history.errors import QueryInvalid
from holdfast.model.names import NAME_HELP, NameInvalid, Pattern
from holdfast.model.series import Catalogue, Series

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
    try:
        matchers = [Pattern(text) for text in patterns]
    except NameInvalid as error:
        raise QueryInvalid(str(error), NAME_HELP) from error
    if any(one.text == "*" for one in matchers):
        return list(range(len(known)))
    means = re.compile("|".join(f"(?:{one.regex})" for one in matchers), re.DOTALL).fullmatch
    return [
        i
        for i, (node, device, metric, *_) in enumerate(known)
        if means(f"{device}/{metric}") or means(f"{node}/{device}/{metric}")
    ]


def narrow(
    catalogue: Catalogue, ids: Sequence[int], *, unit: str = "", kind: str = "", node: str = "", device: str = ""
) -> list[int]:
    """Of these series those with this unit, kind (`float` …), node and device; `*` stands for any text, empty = any."""
    wanted = [(_part(text), i) for i, text in enumerate((node, device, unit, kind)) if text]
    if not wanted:
        return list(ids)
    return [one for one in ids if all(part.fullmatch(_told(catalogue[one])[i]) for part, i in wanted)]


def _told(series: Series) -> tuple[str, str, str, str]:
    return series.node, series.device, series.unit, series.kind.name.lower()


def _part(text: str) -> re.Pattern[str]:
    if len(text) > _LONGEST or len(pieces := re.split(r"\*+", text)) > _MOST_STARS + 1:
        raise QueryInvalid(f"{text[:60]!r} is no pattern", f"at most {_LONGEST} characters and {_MOST_STARS} stars")
    return re.compile(".*".join(re.escape(piece) for piece in pieces), re.DOTALL)
