"""Rings of each device's last samples, and tapes: the rings with a batch's new samples behind them.

Layout of a tape for D devices, a ring of N and K new samples: for each device first its N old samples (NaN where
there are fewer), then its new ones. So the window of N samples that ends with the device's j-th new sample (j = 0: with
the last old one) starts at `d * N + c`, c being the number of new samples of all devices up to and with that one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.state import State

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tape:
    """Old and new samples of several devices, one after the other; `width` is the ring's."""

    values: Array
    ts: Array
    width: int

    def last(self, end: int, count: int) -> tuple[list[int], list[float]]:
        """The times and values of at most `count` samples before `end`."""
        values, ts = self.values[max(end - count, 0) : end], self.ts[max(end - count, 0) : end]
        times: list[int] = ts.tolist()
        numbers: list[float] = values.tolist()
        if any(map(math.isnan, numbers)):
            real = [i for i, number in enumerate(numbers) if not math.isnan(number)]
            return [times[i] for i in real], [numbers[i] for i in real]
        return times, numbers


class Ring:
    """One metric's last `width` samples of every device, oldest first, ending at the right."""

    def __init__(self, state: State, name: str, width: int) -> None:
        self._state = state
        self._values, self._ts = f"{name}.values", f"{name}.ts"
        self._steps = np.arange(width)
        self.width = width
        state.declare(self._values, np.float64, np.nan, width)
        state.declare(self._ts, np.int64, 0, width)

    @property
    def kept(self) -> Array:
        """All that is remembered, shape (slots, width)."""
        return self._state[self._values]

    def read(self, slots: Array) -> Tape:
        """A tape without new samples."""
        return Tape(self._state[self._values][slots].ravel(), self._state[self._ts][slots].ravel(), self.width)

    def splice(self, slots: Array, firsts: Array, device: Array, ts: Array, values: Array) -> Tape:
        """The tape of these devices with new samples, which the ring remembers.

        slots (D,); firsts (D,): how many new samples there are before each device's; device (K,): 0..D-1 ascending.
        """
        n, devices, new = self.width, len(slots), len(values)
        if not new:
            return self.read(slots)
        if devices == 1:
            return self._splice_one(int(slots[0]), ts, values)
        each = new // devices
        if each * devices == new and firsts[-1] == new - each and np.array_equal(firsts, np.arange(0, new, each)):
            return self._splice_even(slots, each, ts, values)
        base = np.arange(0, devices * n, n)
        at = device * n
        at += np.arange(n, n + new)
        old = (base + firsts)[:, None] + self._steps
        ends = np.empty(devices, base.dtype)
        ends[:-1] = firsts[1:]
        ends[-1] = new
        kept = (base + ends)[:, None] + self._steps
        parts = []
        for name, fresh in ((self._values, values), (self._ts, ts)):
            ring = self._state[name]
            flat = np.empty(devices * n + new, ring.dtype)
            flat[old] = ring[slots]
            flat[at] = fresh
            ring[slots] = flat[kept]
            parts.append(flat)
        return Tape(parts[0], parts[1], n)

    def _splice_even(self, slots: Array, each: int, ts: Array, values: Array) -> Tape:
        """As `splice`, where every device brings as many: no index of every place is needed."""
        parts = []
        for name, fresh in ((self._values, values), (self._ts, ts)):
            ring = self._state[name]
            wide = np.concatenate((ring[slots], fresh.reshape(-1, each)), 1)
            ring[slots] = wide[:, each:]
            parts.append(wide.ravel())
        return Tape(parts[0], parts[1], self.width)

    def _splice_one(self, slot: int, ts: Array, values: Array) -> Tape:
        """As `splice`, for one device: what most batches of a few messages are of."""
        parts = []
        for name, fresh in ((self._values, values), (self._ts, ts)):
            ring = self._state[name]
            flat = np.concatenate((ring[slot], fresh))
            ring[slot] = flat[len(fresh) :]
            parts.append(flat)
        return Tape(parts[0], parts[1], self.width)


class Rings:
    """Rings of one width, side by side: one splice for samples that all of them get."""

    def __init__(self, state: State, names: Sequence[str], width: int) -> None:
        """names: of `Ring`s of this state."""
        self._state, self._steps, self._width = state, np.arange(width), width
        self._values, self._ts = (tuple(f"{name}.{part}" for name in names) for part in ("values", "ts"))
        state.stack(self._values)
        state.stack(self._ts)

    def splice(self, slots: Array, firsts: Array, device: Array, ts: Array, values: Array) -> list[Tape]:
        """As `Ring.splice`, a tape for each. values: shape (rings, K); there is at least one sample."""
        parts = []
        each, at, old, kept = self._places(slots, firsts, device)
        for names, fresh in ((self._values, values), (self._ts, np.broadcast_to(ts, values.shape))):
            ring = self._state.stacked(names)
            before = ring[:, slots]
            if each:
                wide = np.concatenate((before, fresh.reshape(len(values), len(slots), each)), 2)
                ring[:, slots] = wide[:, :, each:]
                parts.append(wide.reshape(len(values), -1))
                continue
            flat = np.empty((len(values), len(slots) * self._width + len(ts)), ring.dtype)
            flat[:, old] = before
            flat[:, at] = fresh
            ring[:, slots] = flat[:, kept]
            parts.append(flat)
        return [Tape(values, ts, self._width) for values, ts in zip(*parts, strict=True)]

    def _places(self, slots: Array, firsts: Array, device: Array) -> tuple[int, Array, Array, Array]:
        """How many samples each device brings, 0 for unlike ones; and where new and old ones lie, and what is kept."""
        n, devices, new = self._width, len(slots), len(device)
        each = new // devices
        if each * devices == new and np.array_equal(firsts, np.arange(0, new, each)):
            return each, device, device, device
        base = np.arange(0, devices * n, n)
        ends = np.append(firsts[1:], new)
        return (
            0, device * n + np.arange(n, n + new), (base + firsts)[:, None] + self._steps,
            (base + ends)[:, None] + self._steps,
        )  # fmt: skip
