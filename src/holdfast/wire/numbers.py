"""Float64 columns, bit for bit, as small integers.

Sensors speak decimals: 22.37 is 2237 / 10**2, and dividing those two exact numbers gives back the very same float64.
So each series gets the smallest exponent that reproduces all its values in the batch, checked on the bits (-0.0 and NaN
fail the check and so stay raw). Decimals that were added up or scaled are beside one, like 51.846000000000004: such a
series gets an exponent up to 13 and, per row, a *nudge*, how many float64s the value lies beside the decimal (-7 to 7).
A series without any (degrees converted from °F, say) is written as ranks in a sorted list of distinct values if values
repeat, as its bits if they don't. Then, per series: the first integer, the differences to the one before, and only as
many bytes a difference as the series' largest needs. A series that didn't change costs nothing.

Rows are written series by series. Blocks by bytes a difference, 1 to 8; within a block all lowest bytes come first.
A series' code is its scheme and, above 4 bits, its bytes a difference (an exponent's are at most 7), +8 with nudges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.wire.errors import WireError
from holdfast.wire.integers import Int64s, Uint64s, differences, unzigzag, zigzag
from holdfast.wire.packing import Packer, Unpacker, indexes, spans
from holdfast.wire.runs import grouping

Float64s = NDArray[np.float64]
_MOST_DECIMALS, _MOST_NUDGED_DECIMALS = 6, 13
_RANKED, _BITS = 14, 15
_EXACT = 2.0**51  # below it, rounding the product can't miss the integer by one
_NEAR = 2.0**44  # below it, fewer than one arbitrary float64 in 30 lies beside a decimal by chance
_MOST_NUDGE = 7
_NUDGED = 8
_SAMPLES = 8
_POWERS = 10.0 ** np.arange(16)
_POWERS[_RANKED] = _POWERS[_BITS] = 1.0
_NEAR_POWERS = np.power(10.0, np.arange(_MOST_NUDGED_DECIMALS + 1, dtype=np.float64))
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
    is_nudged, nudges = _near_decimals(value, integers, scheme, rows)
    distinct = _others(value, integers, scheme, rows)
    firsts = integers[rows.starts]
    deltas = differences(integers)
    deltas[rows.starts] = 0
    packed = zigzag(deltas)
    bytes_each = _widths(np.maximum.reduceat(packed, rows.starts))
    packer.raw((scheme | (bytes_each + _NUDGED * is_nudged) << 4).astype(np.uint8).tobytes())
    packer.count(len(distinct))
    packer.integers(differences(distinct))
    packer.integers(firsts)
    row_bytes = np.repeat(bytes_each, rows.counts)
    for size in np.unique(bytes_each[bytes_each > 0]).tolist():
        packer.planes(packed[row_bytes == size], size)
    if len(nudges):
        packer.planes(zigzag(nudges), 1)


def unpack_numbers(unpacker: Unpacker, rows: _Grouped) -> Float64s:
    """Read the values, in row order."""
    n = len(rows.order)
    codes = np.frombuffer(unpacker.raw(len(rows.counts)), np.uint8)
    scheme, bytes_each = codes & 15, (codes >> 4).astype(np.uint8)
    is_nudged = (bytes_each >= _NUDGED) & (scheme < _RANKED)
    bytes_each[is_nudged] -= _NUDGED
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
    if is_nudged.any():
        mask = np.repeat(is_nudged, rows.counts)
        value.view(np.int64)[mask] += unzigzag(unpacker.planes(int(np.count_nonzero(mask)), 1))
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
    """Integers of the series that have an exponent, and each series' scheme; the others stay `_BITS`."""
    integers = np.zeros(len(value), np.int64)
    scheme = np.full(len(rows.counts), _BITS, np.uint8)
    open_series = np.arange(len(rows.counts))
    for exponent in range(_MOST_DECIMALS + 1):
        counts = rows.counts[open_series]
        if len(open_series) == len(rows.counts):
            mine: slice | NDArray[np.intp] = slice(None)
        else:
            mine = np.flatnonzero(np.repeat(scheme == _BITS, rows.counts))
        scaled, exact = _scale(value[mine], _POWERS[exponent])
        fits = np.logical_and.reduceat(exact, spans(counts))
        scheme[open_series[fits]] = exponent
        integers[mine] = scaled  # overwritten later where it doesn't fit
        open_series = open_series[~fits]
        if not len(open_series):
            break
    return integers, scheme


def _scale(value: Float64s, power: float) -> tuple[Int64s, NDArray[np.bool_]]:
    with np.errstate(all="ignore"):
        scaled = np.rint(value * power)
        exact = ((scaled / power).view(np.int64) == value.view(np.int64)) & (np.abs(scaled) < _EXACT)
        # a zero loses its sign as an integer
        exact &= (scaled != 0) | (value.view(np.int64) == 0)
        return np.where(exact, scaled, 0).astype(np.int64), exact


def _near_decimals(
    value: Float64s, integers: Int64s, scheme: NDArray[np.uint8], rows: _Grouped
) -> tuple[NDArray[np.bool_], Int64s]:
    """Fill in the series whose values all lie beside decimals; returns which have nudges, and those of their rows.

    A few values of a series say which exponents are likely; a value that the likeliest doesn't fit then rules out more.
    """
    is_nudged = np.zeros(len(scheme), np.bool_)
    nudges: Int64s = np.empty(0, np.int64)
    open_series = np.flatnonzero(scheme == _BITS)
    if not len(open_series):
        return is_nudged, nudges
    nudges = np.zeros(len(value), np.int64)
    samples = rows.starts[open_series, None] + rows.counts[open_series, None] * np.arange(_SAMPLES) // _SAMPLES
    likely: NDArray[np.bool_] = np.all(_nudge(value[samples][:, :, None], _NEAR_POWERS)[2], axis=1)
    while (some := likely.any(axis=1)).any():
        open_series, likely = open_series[some], likely[some]
        exponent, counts = likely.argmax(axis=1), rows.counts[open_series]
        mine = _rows_of(open_series, rows)
        scaled, off, is_near = _nudge(value[mine], _NEAR_POWERS[np.repeat(exponent, counts)])
        odd = np.minimum.reduceat(np.where(is_near, len(value), mine), spans(counts))
        fits = odd == len(value)
        scheme[open_series[fits]] = exponent[fits]
        taken = np.repeat(fits, counts)
        integers[mine[taken]], nudges[mine[taken]] = scaled[taken], off[taken]
        open_series, likely = open_series[~fits], likely[~fits]
        likely &= _nudge(value[odd[~fits], None], _NEAR_POWERS)[2]
    is_nudged = np.logical_or.reduceat(nudges != 0, rows.starts)
    return is_nudged, nudges[np.repeat(is_nudged, rows.counts)]


def _rows_of(series: NDArray[np.intp], rows: _Grouped) -> NDArray[np.intp]:
    chosen = np.zeros(len(rows.counts), np.bool_)
    chosen[series] = True
    return np.flatnonzero(np.repeat(chosen, rows.counts))


def _nudge(value: Float64s, power: Float64s) -> tuple[Int64s, Int64s, NDArray[np.bool_]]:
    with np.errstate(all="ignore"):
        scaled = np.rint(value * power) + 0.0  # a zero loses its sign as an integer
        off = value.view(np.int64) - (scaled / power).view(np.int64)
        is_near = (np.abs(scaled) < _NEAR) & (off >= -_MOST_NUDGE) & (off <= _MOST_NUDGE)
        return np.where(is_near, scaled, 0).astype(np.int64), off, is_near


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
        return np.empty(0, np.int64)
    scheme[open_series] = _RANKED
    integers[mask] = rank
    return distinct


def _widths(largest: Uint64s) -> NDArray[np.uint8]:
    out = np.zeros(len(largest), np.uint8)
    for size in range(_MOST_BYTES):
        out += largest >= np.uint64(1 << 8 * size)
    return out
