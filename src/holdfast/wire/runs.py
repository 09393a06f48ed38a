"""Which series a row is of, and when: rows as runs.

Devices send several metrics in one message, and messages of many devices interleave. So series get batch-local numbers
in order of first appearance, whereby a message's rows count up 4, 5, 6, 7 with one ts. A *run* is a longest stretch
that does; its (first number, length) is its *shape*. A batch is then a list of shapes, a shape code per run and a ts
per run. Rows without any such pattern are runs of one.

A run's ts is its difference to the run before it, or to the previous run of the same shape, whichever needs fewer
bits, in units of the largest common divisor (milliseconds, mostly).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from holdfast.wire.errors import WireError
from holdfast.wire.integers import Int64s, differences, width
from holdfast.wire.packing import Packer, Unpacker, indexes, spans

_DENSE_SLACK = 4096
_ENOUGH_FOR_DIVISOR = 64


@dataclass(frozen=True, slots=True)
class Rows:
    """ids: the series of each local number; local: each row's number; ts: each row's time."""

    ids: Int64s
    local: Int64s
    ts: Int64s


def pack_rows(packer: Packer, series: NDArray[np.int32], ts: Int64s) -> Rows:
    """Write both columns of a non-empty batch; returns them with the local numbers that value columns go by."""
    ids, local = number(series.astype(np.int64))
    starts = _run_starts(local, ts)
    run_lengths = np.diff(np.append(starts, len(local)))
    longest = int(run_lengths.max())
    shapes, code = number(local[starts] * longest + run_lengths - 1)
    for size in (len(ids), len(shapes), len(starts), longest):
        packer.count(size)
    packer.integers(differences(ids))
    packer.integers(differences(shapes // longest))
    packer.integers(shapes % longest)
    packer.planes(code.view(np.uint64), width(len(shapes) - 1))
    _pack_times(packer, ts[starts], code, len(shapes))
    return Rows(ids, local, ts)


def unpack_rows(unpacker: Unpacker, rows: int) -> Rows:
    """Read both columns of `rows` rows."""
    sizes = (("series", rows), ("shapes", rows), ("runs", rows), ("rows in a run", rows))
    known, shapes, runs, longest = (unpacker.count(most, what) for what, most in sizes)
    ids = indexes(np.cumsum(unpacker.integers(known)), 2**31, "series")
    first = indexes(np.cumsum(unpacker.integers(shapes)), known, "series")
    length = indexes(unpacker.integers(shapes), longest, "rows in a run") + 1
    code = indexes(unpacker.planes(runs, width(max(shapes - 1, 0))).view(np.int64), shapes, "shapes")
    run_lengths = length[code]
    if int(run_lengths.sum()) != rows:  # each is at most `rows`, and so are the runs: no overflow
        raise WireError("the batch's runs don't add up to its rows")
    times = _unpack_times(unpacker, code, shapes)
    inside = np.arange(rows) - np.repeat(spans(run_lengths), run_lengths)
    local = indexes(np.repeat(first[code], run_lengths) + inside, known, "series")
    return Rows(ids, local, np.repeat(times, run_lengths))


def number(keys: Int64s) -> tuple[Int64s, Int64s]:
    """Distinct keys in order of first appearance, and each key's place among them."""
    n, high = len(keys), int(keys.max())
    if int(keys.min()) < 0 or high >= 4 * n + _DENSE_SLACK:
        return _number_sparse(keys)
    first = np.full(high + 1, n, np.int64)
    first[keys[::-1]] = np.arange(n - 1, -1, -1)  # of repeated indexes the last assignment stays: the first row
    present = np.flatnonzero(first < n)
    distinct = present[np.argsort(first[present])].astype(np.int64)
    place = np.empty(high + 1, np.int64)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[keys]


def grouping(codes: Int64s, kinds: int) -> tuple[NDArray[np.intp], Int64s]:
    """A stable order that brings equal codes together, and how many there are of each. Radix sort when it can."""
    narrow = codes.astype(np.uint16) if kinds <= 2**16 else codes
    return np.argsort(narrow, kind="stable"), np.bincount(codes, minlength=kinds)


def _number_sparse(keys: Int64s) -> tuple[Int64s, Int64s]:
    distinct, first, place = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[place]


def _run_starts(local: Int64s, ts: Int64s) -> NDArray[np.intp]:
    begins = np.ones(len(local), np.bool_)
    begins[1:] = (np.diff(local) != 1) | (ts[1:] != ts[:-1])
    return np.flatnonzero(begins)


def _pack_times(packer: Packer, times: Int64s, code: Int64s, shapes: int) -> None:
    base, step = int(times[0]), 1
    if int(times.max()) - int(times.min()) < 2**63:  # otherwise differences wrap, and only a step of 1 undoes that
        step = _divisor(times - base)
    steps = (times - base) // step
    to_previous = differences(steps)
    order, counts = grouping(code, shapes)
    to_same_shape = _shape_differences(steps[order], spans(counts))
    packer.number(base)
    packer.number(step)
    by_shape = _cost(to_same_shape) < _cost(to_previous)
    packer.raw(bytes([by_shape]))
    packer.integers(to_same_shape if by_shape else to_previous)


def _unpack_times(unpacker: Unpacker, code: Int64s, shapes: int) -> Int64s:
    base, step = unpacker.number(), unpacker.number()
    by_shape = unpacker.raw(1)[0]
    deltas = unpacker.integers(len(code))
    if by_shape:
        order, counts = grouping(code, shapes)
        used = counts[counts > 0]
        starts = spans(used)
        firsts = np.cumsum(deltas[starts])
        deltas[starts] = 0
        sums = np.cumsum(deltas)
        steps = np.empty_like(deltas)
        steps[order] = sums + np.repeat(firsts - sums[starts], used)
    else:
        steps = np.cumsum(deltas)
    return steps * np.int64(step) + np.int64(base) if len(steps) else steps


def _shape_differences(ordered: Int64s, starts: Int64s) -> Int64s:
    deltas = differences(ordered)
    deltas[starts] = differences(ordered[starts])
    return deltas


def _divisor(values: Int64s) -> int:
    divisor = int(np.gcd.reduce(values[:_ENOUGH_FOR_DIVISOR]))
    if divisor == 0 or (values % divisor).any():
        divisor = int(np.gcd.reduce(values))
    return divisor or 1


def _cost(deltas: Int64s) -> float:
    """Bits, roughly."""
    return float(np.log2(np.abs(deltas.astype(np.float64)) + 1).sum())
