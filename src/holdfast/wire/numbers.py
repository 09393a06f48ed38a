"""Float64 columns, bit for bit, as small integers.

Sensors speak decimals: 22.37 is 2237 / 10**2, and dividing those two exact numbers gives back the very same float64.
So each series gets the smallest exponent that reproduces all its values in the batch, checked on the bits (-0.0 and NaN
fail the check and so stay raw). A series without a common exponent up to 6 (say, degrees converted from °F) is written
as ranks in a sorted list of distinct values when values repeat; when they don't, with an exponent up to 13, or else as
its bits. Then, per series: the first integer, the differences to the one before, and only as many bytes a difference as
the series' largest needs. A series that didn't change costs nothing.

Rows are written series by series. Blocks by bytes a difference, 1 to 8; within a block all lowest bytes come first.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.wire.errors import WireError
from holdfast.wire.integers import Int64s, Uint64s, differences, unzigzag, zigzag
from holdfast.wire.packing import Packer, Unpacker, indexes, spans
from holdfast.wire.runs import grouping

Float64s = NDArray[np.float64]
_COMMON_DECIMALS, _MOST_DECIMALS = 6, 13
_SAMPLES = 4
_RANKED, _BITS = 14, 15
_EXACT = 2.0**51  # below it, rounding the product can't miss the integer by one
_POWERS = 10.0 ** np.arange(16)
_POWERS[_RANKED] = _POWERS[_BITS] = 1.0
_MOST_BYTES = 8


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Rows brought together by series: `starts` and `counts` per series, no count is 0."""

    order: NDArray[np.intp]
    starts: Int64s
    counts: Int64s


def group_rows(local: Int64s, series: int) -> _Grouped:
    """The order in which values are written.

    Raises:
        WireError: when a series has no row.
    """
    order, counts = grouping(local, series)
    if not counts.all():
        raise WireError("the batch lists a series without rows")
    return _Grouped(order, spans(counts), counts)


def pack_numbers(packer: Packer, value: Float64s, rows: _Grouped) -> None:
    """Write the values."""
    value = value[rows.order]
    integers, scheme = _decimals(value, rows)
    distinct = _others(value, integers, scheme, rows)
    firsts = integers[rows.starts]
    deltas = differences(integers)
    deltas[rows.starts] = 0
    packed = zigzag(deltas)
    bytes_each = _widths(np.maximum.reduceat(packed, rows.starts))
    packer.raw((scheme | bytes_each << 4).astype(np.uint8).tobytes())
    packer.count(len(distinct))
    packer.integers(differences(distinct))
    packer.integers(firsts)
    row_bytes = np.repeat(bytes_each, rows.counts)
    for size in np.unique(bytes_each[bytes_each > 0]).tolist():
        packer.planes(packed[row_bytes == size], size)


def unpack_numbers(unpacker: Unpacker, rows: _Grouped) -> Float64s:
    """Read the values, in row order."""
    n = len(rows.order)
    codes = np.frombuffer(unpacker.raw(len(rows.counts)), np.uint8)
    scheme, bytes_each = codes & 15, (codes >> 4).astype(np.uint8)
    if int(bytes_each.max(initial=0)) > _MOST_BYTES:
        raise WireError("a series has differences of more than 8 bytes")
    distinct = np.cumsum(unpacker.integers(unpacker.count(n, "distinct values")))
    firsts = unpacker.integers(len(rows.counts))
    deltas = _unpack_deltas(unpacker, bytes_each, rows)
    deltas[rows.starts] = 0
    sums = np.cumsum(deltas)
    integers = sums + np.repeat(firsts - sums[rows.starts], rows.counts)
    value = integers / np.repeat(_POWERS[scheme], rows.counts)
    for special in (_RANKED, _BITS):
        mask = np.repeat(scheme == special, rows.counts)
        if mask.any():
            chosen = integers[mask]
            bits = distinct[indexes(chosen, len(distinct), "values")] if special == _RANKED else chosen
            value[mask] = bits.view(np.float64)
    out = np.empty(n, np.float64)
    out[rows.order] = value
    return out


def _unpack_deltas(unpacker: Unpacker, bytes_each: NDArray[np.uint8], rows: _Grouped) -> Int64s:
    packed: Uint64s = np.zeros(len(rows.order), np.uint64)
    row_bytes = np.repeat(bytes_each, rows.counts)
    for size in np.unique(bytes_each[bytes_each > 0]).tolist():
        mask = row_bytes == size
        packed[mask] = unpacker.planes(int(np.count_nonzero(mask)), size)
    return unzigzag(packed)


def _decimals(value: Float64s, rows: _Grouped) -> tuple[Int64s, NDArray[np.uint8]]:
    """Integers of the series that have a common exponent, and each series' scheme; the others stay `_BITS`."""
    integers = np.zeros(len(value), np.int64)
    scheme = np.full(len(rows.counts), _BITS, np.uint8)
    _try_exponents(range(_COMMON_DECIMALS + 1), value, rows, integers, scheme)
    return integers, scheme


def _try_exponents(
    exponents: Iterable[int], value: Float64s, rows: _Grouped, integers: Int64s, scheme: NDArray[np.uint8]
) -> None:
    """Give each open series the first exponent that fits all its values; a few of them are asked before the rest."""
    samples = rows.starts[:, None] + rows.counts[:, None] * np.arange(_SAMPLES) // _SAMPLES
    for exponent in exponents:
        open_series = np.flatnonzero(scheme == _BITS)
        if not len(open_series):
            break
        _, exact = _scale(value[samples[open_series]], _POWERS[exponent])
        likely = open_series[exact.all(axis=1)]
        if not len(likely):
            continue
        mine = _rows_of(likely, rows)
        scaled, exact = _scale(value[mine], _POWERS[exponent])
        fits = np.logical_and.reduceat(exact, spans(rows.counts[likely]))
        scheme[likely[fits]] = exponent
        integers[mine] = scaled  # overwritten later where it doesn't fit


def _rows_of(series: NDArray[np.intp], rows: _Grouped) -> slice | NDArray[np.intp]:
    if len(series) == len(rows.counts):
        return slice(None)
    chosen = np.zeros(len(rows.counts), np.bool_)
    chosen[series] = True
    return np.flatnonzero(np.repeat(chosen, rows.counts))


def _scale(value: Float64s, power: float) -> tuple[Int64s, NDArray[np.bool_]]:
    with np.errstate(all="ignore"):
        scaled = np.rint(value * power)
        exact = ((scaled / power).view(np.int64) == value.view(np.int64)) & (np.abs(scaled) < _EXACT)
        # a zero loses its sign as an integer
        exact &= (scaled != 0) | (value.view(np.int64) == 0)
        return np.where(exact, scaled, 0).astype(np.int64), exact


def _others(value: Float64s, integers: Int64s, scheme: NDArray[np.uint8], rows: _Grouped) -> Int64s:
    """Fill in the series without an exponent, choosing their scheme; returns the distinct values ranks refer to."""
    open_series = scheme == _BITS
    if not open_series.any():
        return np.empty(0, np.int64)
    mask = np.repeat(open_series, rows.counts)
    bits = value[mask].view(np.int64)
    distinct, rank = np.unique(bits, return_inverse=True)
    if len(distinct) * 2 > len(bits):
        integers[mask] = bits
        _try_exponents(range(_COMMON_DECIMALS + 1, _MOST_DECIMALS + 1), value, rows, integers, scheme)
        left = np.repeat(scheme == _BITS, rows.counts)  # what an exponent didn't fit after all
        integers[left] = value[left].view(np.int64)
        return np.empty(0, np.int64)
    scheme[open_series] = _RANKED
    integers[mask] = rank
    return distinct


def _widths(largest: Uint64s) -> NDArray[np.uint8]:
    out = np.zeros(len(largest), np.uint8)
    for size in range(_MOST_BYTES):
        out += largest >= np.uint64(1 << 8 * size)
    return out
