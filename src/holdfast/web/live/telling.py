"""Readings as the live channel says them. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from holdfast.history.answers import Value, spoken
from holdfast.history.last_values import Last
from holdfast.history.rows import Texts
from holdfast.model.batch import Batch
from holdfast.model.quality import words_of
from holdfast.model.series import Kind, Series
from holdfast.web.live.messages import LiveLast


class Piece(Struct, frozen=True, gc=False):
    """Readings of a series, as they came; quality: as in answers to queries."""

    ts: list[int]
    value: list[Value]
    quality: list[int]


def piece(batches: Sequence[Batch], kind: Kind, most: int) -> Piece:
    """The newest `most` rows of these batches, which are one series'."""
    ts: list[int] = []
    value: list[Value] = []
    quality: list[int] = []
    for batch in batches:
        ts += batch.ts.tolist()
        value += spoken(batch.value, kind, Texts(list(batch.texts)))
        quality += batch.quality.tolist()
    return Piece(ts[-most:], value[-most:], quality[-most:])


def last_row(series: Series, last: Last | None) -> LiveLast:
    """A series and its newest reading."""
    if last is None:
        return LiveLast(series.name, None, None, None, None, series.unit)
    return LiveLast(series.name, last.ts, last.value, *words_of(last.quality), series.unit)
