"""From decoded payloads of one profile to columns: values in stored units, and what is wrong with whom. Vectorised.

A `Table` is (messages x meanings): fixed fields fill a rectangle, records fill what they name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.profiles import Field, Line, Meaning, Profile, Records
from holdfast.codecs.reject import Fault, RejectReason, shorten
from holdfast.codecs.structs import Getter, Shape
from holdfast.model.quality import Quality, Reason, encode_quality
from holdfast.model.series import Kind

_FEW = 64
OUT_OF_RANGE = encode_quality(Quality.BAD, Reason.OUT_OF_RANGE)


@dataclass(slots=True)
class Cells:
    """Readings before they have a series or a time: columns of shape (k,).

    message: position of the message in the decoded list; meaning: column of the profile
    shift: how much later than its message's time each is, ns; None = not at all
    """

    message: NDArray[np.intp]
    meaning: NDArray[np.intp]
    value: NDArray[np.float64]
    texts: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    shift: NDArray[np.int64] | None = None


class Rectangle:
    """Cells of a profile with fixed fields."""

    def __init__(self, profile: Profile, shape: Shape) -> None:
        self._may_lie = profile.format != "json"  # other formats can hold NaN and infinity
        self._columns = [
            (f, shape.getters[f.path], None if f.unit_path is None else shape.getters[f.unit_path])
            for f in profile.fields
        ]
        # JSON has no NaN, and neither does a straight line make one.
        self._is_full = not self._may_lie and not any(f.optional or f.meaning.missing for f in profile.fields)
        self._grids: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}

    def cells(self, items: Sequence[Any]) -> Cells:
        """The cells of decoded payloads, message by message."""
        n, width = len(items), len(self._columns)
        values = np.empty((n, width))
        texts: list[str] = []
        faults: list[Fault] = []
        for column, (f, get, unit) in enumerate(self._columns):
            raw = self._raw(f, get, items, texts)
            if self._may_lie:
                faults.extend(_no_numbers(raw, f, get, items))
            if f.meaning.missing:
                raw = np.where(np.isin(raw, f.meaning.missing), np.nan, raw)
            values[:, column] = converted(raw, f, unit, items, faults)
        message, meaning = self._grid(n)
        if self._is_full:
            return Cells(message, meaning, values.ravel(), texts, faults)
        present = ~np.isnan(values.ravel())
        if present.all():
            return Cells(message, meaning, values.ravel(), texts, faults)
        return Cells(message[present], meaning[present], values.ravel()[present], texts, faults)

    def _grid(self, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Message and meaning of each cell of n messages that have them all. Not to be written to."""
        known = self._grids.get(n)
        if known is not None:
            return known
        width = len(self._columns)
        message = np.arange(n).repeat(width)
        grid = message, np.arange(n * width) - message * width
        if n <= _FEW:
            self._grids[n] = grid
        return grid

    def _raw(self, f: Field, get: Getter, items: Sequence[Any], texts: list[str]) -> NDArray[np.float64]:
        if f.meaning.kind is Kind.TEXT:
            return _as_positions(list(map(get, items)), texts)
        if f.optional:
            return np.array(list(map(get, items)), np.float64)  # None becomes NaN
        return np.fromiter(map(get, items), np.float64, len(items))


class RecordList:
    """Cells of a profile with an array of named records."""

    def __init__(self, records: Records, shape: Shape) -> None:
        self._array = shape.getters[records.path]
        self._name = shape.record[records.name]
        self._number, self._bool, self._text = (
            shape.record[member] for member in (records.value, records.bool_value, records.text_value)
        )
        self._unit = None if records.unit is None else shape.record[records.unit]
        self._meanings = list(records.meanings.values())
        self._index = {name: i for i, name in enumerate(records.meanings)}
        self._rejects_unknown = records.rejects_unknown
        self._kinds = np.array([m.kind for m in self._meanings])

    def cells(self, items: Sequence[Any]) -> Cells:
        """The cells of decoded payloads, in the records' order."""
        arrays = list(map(self._array, items))
        message = np.repeat(np.arange(len(items)), np.fromiter(map(len, arrays), np.intp, len(items)))
        records = list(chain.from_iterable(arrays))
        names = list(map(self._name, records))
        unknown = len(self._meanings)
        meaning = np.fromiter((self._index.get(name, unknown) for name in names), np.intp, len(names))
        faults = self._unknown(meaning, names, message) if self._rejects_unknown else []
        value, texts = self._values(records, meaning)
        value = self._in_stored_units(records, meaning, value, message, faults)
        known = meaning < unknown
        missing = known & ~np.isfinite(value)
        for i in np.flatnonzero(missing):
            faults.append(Fault(int(message[i]), RejectReason.MISSING_FIELD, shorten(f"`{names[i]}` has no value")))
        known &= ~missing
        return Cells(message[known], meaning[known], value[known], texts, faults)

    def _values(self, records: list[Any], meaning: NDArray[np.intp]) -> tuple[NDArray[np.float64], list[str]]:
        value = np.array(list(map(self._number, records)), np.float64)
        texts: list[str] = []
        kinds = np.append(self._kinds, Kind.FLOAT)[meaning]
        if (self._kinds == Kind.BOOL).any():
            flags = np.array(list(map(self._bool, records)), np.float64)
            value = np.where((kinds == Kind.BOOL) & ~np.isnan(flags), flags, value)
        if (self._kinds == Kind.TEXT).any():
            words = _as_positions(list(map(self._text, records)), texts)
            value = np.where(kinds == Kind.TEXT, words, value)
        return value, texts

    def _in_stored_units(
        self,
        records: list[Any],
        meaning: NDArray[np.intp],
        value: NDArray[np.float64],
        message: NDArray[np.intp],
        faults: list[Fault],
    ) -> NDArray[np.float64]:
        units = None if self._unit is None else list(map(self._unit, records))
        for i, m in enumerate(self._meanings):
            at = np.flatnonzero(meaning == i)
            if len(at) and m.kind is not Kind.TEXT:
                said = None if units is None else [units[k] for k in at]
                value[at] = _apply(value[at], m, said, message[at], faults)
        return value

    def _unknown(self, meaning: NDArray[np.intp], names: list[str], message: NDArray[np.intp]) -> list[Fault]:
        return [
            Fault(
                int(message[i]), RejectReason.WRONG_TYPE, shorten(f"no record is called `{names[i]}` in this profile")
            )
            for i in np.flatnonzero(meaning == len(self._meanings))
        ]


class Limits:
    """The limits of a profile's meanings, as columns."""

    def __init__(self, meanings: Sequence[Meaning]) -> None:
        self._low = np.array([m.low for m in meanings])
        self._high = np.array([m.high for m in meanings])
        self._are_none = bool(np.isneginf(self._low).all() and np.isposinf(self._high).all())

    def quality(self, cells: Cells) -> NDArray[np.uint8]:
        """Quality of each cell: bad where it is outside of its meaning's limits. Shape (k,)."""
        if self._are_none:
            return np.zeros(len(cells.value), np.uint8)
        outside = (cells.value < self._low[cells.meaning]) | (cells.value > self._high[cells.meaning])
        return outside.view(np.uint8) * np.uint8(OUT_OF_RANGE)


def _no_numbers(raw: NDArray[np.float64], f: Field, get: Getter, items: Sequence[Any]) -> list[Fault]:
    """Faults of values that aren't finite; an optional field that is absent is NaN here and no fault."""
    detail = f"`{'.'.join(f.path)}` is not a finite number"
    suspects = np.flatnonzero(~np.isfinite(raw)).tolist()
    return [Fault(i, RejectReason.NOT_A_NUMBER, detail) for i in suspects if get(items[i]) is not None]


def converted(
    raw: NDArray[np.float64], f: Field, unit: Getter | None, items: Sequence[Any], faults: list[Fault]
) -> NDArray[np.float64]:
    """Values in stored units, shape (n,), of n items; unit: how to get at what an item says its unit is."""
    if f.meaning.kind is Kind.TEXT:
        return raw
    said = None if unit is None else list(map(unit, items))
    return _apply(raw, f.meaning, said, np.arange(len(raw)), faults)


def _apply(
    raw: NDArray[np.float64],
    meaning: Meaning,
    said: list[str | None] | None,
    message: NDArray[np.intp],
    faults: list[Fault],
) -> NDArray[np.float64]:
    """Stored-unit values; a unit that the device says and nobody knows, or of another quantity, is a fault."""
    if said is None or not meaning.lines:
        return _rounded(_straight(raw, meaning.line), meaning)
    distinct = set(said)
    if len(distinct) == 1:
        line = _line(meaning, said[0])
        if line is not None:
            return _rounded(_straight(raw, line), meaning)
    out = raw.copy()
    spoken = np.array(said, object)
    for spelling in distinct:
        at = np.flatnonzero(spoken == spelling)
        line = _line(meaning, spelling)
        if line is None:
            detail = shorten(f"`{spelling}` is no unit for {meaning.metric} in {meaning.unit}")
            faults.extend(Fault(int(message[i]), RejectReason.WRONG_TYPE, detail) for i in at)
        else:
            out[at] = _straight(raw[at], line)
    return _rounded(out, meaning)


def _line(meaning: Meaning, spelling: str | None) -> Line | None:
    return meaning.line if spelling is None else meaning.lines.get(spelling)


def _straight(raw: NDArray[np.float64], line: Line) -> NDArray[np.float64]:
    a, b = line
    if (a, b) == (1.0, 0.0):
        return raw
    return raw * a + b


def _rounded(values: NDArray[np.float64], meaning: Meaning) -> NDArray[np.float64]:
    return values if meaning.decimals is None else np.round(values, meaning.decimals)


def _as_positions(words: list[str | None], texts: list[str]) -> NDArray[np.float64]:
    """Each word's position in `texts`, which grows by the new ones; NaN for None."""
    index = {word: i for i, word in enumerate(texts)}
    out = np.full(len(words), np.nan)
    for i, word in enumerate(words):
        if word is None:
            continue
        if word not in index:
            index[word] = len(texts)
            texts.append(word)
        out[i] = index[word]
    return out
