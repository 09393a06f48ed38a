"""Payloads that carry many samples at even distances: a start, a rate and arrays (a vibration sensor's blocks).

Readings come out sample by sample, all fields of one time beside one another, as if each had been a message. A field
that is no array in some message is one reading, at the first sample's time: the speed that a machine had.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.codecs.columns import Cells, converted
from holdfast.codecs.profiles import Profile, Samples
from holdfast.codecs.reject import Fault, RejectReason
from holdfast.codecs.sink import MAX_READINGS
from holdfast.codecs.structs import Shape
from holdfast.kernel.clock import NS_PER_S

_SLOWEST_HZ, _FASTEST_HZ = 1e-3, 1e9
_NONE = np.empty(0, np.intp)


class SampleArrays:
    """Cells of a profile whose fields are arrays."""

    def __init__(self, profile: Profile, samples: Samples, shape: Shape) -> None:
        self._samples = samples
        self._rate = None if samples.path is None else shape.getters[samples.path]
        self._columns = [
            (f, shape.getters[f.path], None if f.unit_path is None else shape.getters[f.unit_path])
            for f in profile.fields
        ]
        self._shifts: dict[tuple[float, int], NDArray[np.int64]] = {}

    def cells(self, items: Sequence[Any]) -> Cells:
        """The cells of decoded payloads, sample by sample."""
        faults: list[Fault] = []
        parts = [part for i, item in enumerate(items) if (part := self._of(i, item, faults)) is not None]
        if not parts:
            return Cells(_NONE, _NONE, np.empty(0), [], faults, np.empty(0, np.int64))
        message, meaning, value, shift = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        for column, (f, _, unit) in enumerate(self._columns):
            at = np.flatnonzero(meaning == column)
            saying = [] if unit is None else [items[i] for i in message[at].tolist()]
            told: list[Fault] = []
            value[at] = converted(value[at], f, unit, saying, told)
            faults += [Fault(int(message[at[one.at]]), one.reason, one.detail) for one in told]
        return Cells(message, meaning, value, [], faults, shift)

    def _of(self, i: int, item: Any, faults: list[Fault]) -> tuple[NDArray[Any], ...] | None:
        """(message, meaning, raw value, shift) of one payload's cells; None, and the fault told, for none."""
        rate = self._rate_of(item)
        if not _SLOWEST_HZ <= rate <= _FASTEST_HZ:
            faults.append(Fault(i, RejectReason.WRONG_TYPE, f"samples come at 0.001 Hz to 1 GHz, not at {rate:g} Hz"))
            return None
        given = [(column, raw) for column, (_, get, _) in enumerate(self._columns) if (raw := get(item)) is not None]
        lengths = {len(raw) for _, raw in given if isinstance(raw, list)}
        if len(lengths) > 1:
            faults.append(Fault(i, RejectReason.WRONG_TYPE, f"arrays of {min(lengths)} and of {max(lengths)} samples"))
            return None
        count = sum(len(raw) if isinstance(raw, list) else 1 for _, raw in given)
        if count > MAX_READINGS:
            faults.append(Fault(i, RejectReason.TOO_LARGE, f"more than {MAX_READINGS} readings in one message"))
            return None
        return self._laid_out(i, given, max(lengths, default=0), rate, count, faults)

    def _laid_out(
        self, i: int, given: list[tuple[int, Any]], length: int, rate: float, count: int, faults: list[Fault]
    ) -> tuple[NDArray[Any], ...] | None:
        arrays = [(column, raw) for column, raw in given if isinstance(raw, list)]
        single = [(column, raw) for column, raw in given if not isinstance(raw, list)]
        grid = np.array([raw for _, raw in arrays], np.float64).reshape(len(arrays), length)
        value = np.concatenate((np.array([raw for _, raw in single], np.float64), grid.T.ravel()))
        if not np.isfinite(value).all():
            faults.append(Fault(i, RejectReason.NOT_A_NUMBER, "a sample is not a finite number"))
            return None
        columns = np.array([column for column, _ in arrays], np.intp)
        meaning = np.concatenate((np.array([column for column, _ in single], np.intp), np.tile(columns, length)))
        own = self._shift(rate, length)
        first = own[:1] if length else np.zeros(1, np.int64)
        shift = np.concatenate((np.repeat(first, len(single)), np.repeat(own, len(arrays))))
        return np.full(count, i), meaning, value, shift

    def _rate_of(self, item: Any) -> float:
        said = self._samples
        if self._rate is None:
            return said.rate_hz
        told = float(self._rate(item))
        return told if not said.per_s else said.per_s / told if told > 0 else 0.0

    def _shift(self, rate: float, length: int) -> NDArray[np.int64]:
        """How much later than the message's time each of `length` samples is, ns. Not to be written to."""
        known = self._shifts.get((rate, length))
        if known is None:
            if len(self._shifts) >= 64:
                self._shifts.clear()
            known = np.rint(np.arange(length) * (NS_PER_S / rate)).astype(np.int64)
            if self._samples.of_last and length:
                known = known - known[-1]
            self._shifts[rate, length] = known
        return known
