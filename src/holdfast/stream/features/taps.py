"""A feature line at work: a stage's evaluations become rows for a model. Whole columns, no loop over rows.

Memory, by slot, in the engine's checkpoint like any rule's: `feature.last`, each number as last known, where `missing`
is `last`; `feature.due`, the earliest time of the next row, where rows are thinned by `every`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.model.features import FILLED, UNCERTAIN, UNUSABLE, FeatureRows
from holdfast.stream.clocks import NEVER, newest_so_far
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.features.plan import Feature, FeaturePlan
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.latest import Order
from holdfast.stream.rows import filled, grouped
from holdfast.stream.texts import code
from holdfast.stream.windows.regions import first_above

Array = NDArray[Any]
LAST, DUE = "feature.last", "feature.due"
SET_BACK_NS = 3_600_000_000_000
"""A row so much older than its key's last one is not late: its clock was set back, and thinning begins anew."""
_BAD = code("bad")


class Tap(Judge):
    """Makes rows of what a stage sees; decides nothing."""

    def _keep_own(self) -> None:
        super()._keep_own()
        plan = self.plan
        self._places: list[tuple[str, str]] = []
        self._plain = [i for i, one in enumerate(_owners(plan)) if not one.calls]
        """The columns that are numbers by themselves, not parts of raw windows."""
        self._fill = np.array(plan.fill)
        if plan.missing == "last":
            self.state.declare(LAST, np.float64, np.nan, len(self._plain))
        if plan.every_ns:
            self.state.declare(DUE, np.int64, NEVER)

    @property
    def plan(self) -> FeaturePlan:
        """What it makes."""
        if self.rule.features is None:
            raise TypeError(self.rule.name)
        return self.rule.features

    def grow(self) -> None:
        """See `Judge`."""
        super().grow()
        for slot in range(len(self._places), len(self.stage.route.keys)):
            self._places.append(self.place(slot))

    def judge(self, evaluations: Evaluations, order: Order | None, to: Findings) -> list[Any]:  # noqa: ARG002 - alarms' order
        """Rows of the evaluations, into `to.features`; nothing is selected for other rules."""
        total = len(evaluations.row)
        values = np.empty((total, self.plan.width))
        at = 0
        for feature in self.plan.features:
            for i, compute in enumerate(feature.computes):
                values[:, at + i] = compute(evaluations.inputs)
            at += feature.width
        kept = self._mine(evaluations)
        if not len(kept):
            return []
        key, firsts, slots = grouped(self._slots(evaluations)[kept])
        flags = self._doubts(evaluations, total)
        whole = len(kept) == total
        if not whole:
            values, flags = values[kept], flags[kept]
        ts = evaluations.ts if whole else evaluations.ts[kept]
        self._fill_plain(values, flags, key, firsts, slots)
        due = self._due(ts, key, firsts, slots)
        if due is not None:
            kept, key, ts, values, flags = kept[due], key[due], ts[due], values[due], flags[due]
        if len(kept):
            self._lay_out(evaluations.inputs, kept, values, flags)
            flags[~np.isfinite(values).all(axis=1)] |= UNUSABLE
            plan = self.plan
            of = slots[key].astype(np.int32)
            to.features.append(
                FeatureRows(plan.ref, plan.deployment, self._places, of, np.array(ts), values, flags, 0.0)
            )
        return []

    def _slots(self, evaluations: Evaluations) -> Array:
        return np.repeat(evaluations.slots, np.diff(np.append(evaluations.firsts, len(evaluations.row))))

    def _mine(self, evaluations: Evaluations) -> Array:
        """The evaluations of devices that it's about: others share the stage."""
        if not self.is_mixed:
            return np.arange(len(evaluations.row))
        return np.flatnonzero(self.mine[self._slots(evaluations)])

    def _doubts(self, evaluations: Evaluations, total: int) -> Array:
        """What the inputs' qualities say, as flags."""
        plan, flags = self.plan, np.zeros(total, np.uint8)
        doubted, spoilt = (_any(evaluations.inputs, calls) for calls in (plan.doubted, plan.spoilt))
        if plan.is_strict:
            _flag(flags, doubted, UNCERTAIN | UNUSABLE)
            _flag(flags, spoilt, UNUSABLE)
            return flags
        _flag(flags, doubted, UNCERTAIN)
        if not plan.newest:
            _flag(flags, spoilt, UNUSABLE)
            return flags
        _flag(flags, spoilt, UNCERTAIN)
        for call in plan.newest:
            _flag(flags, np.equal(evaluations.inputs[call], _BAD), UNUSABLE)
        return flags

    def _fill_plain(self, values: Array, flags: Array, key: Array, firsts: Array, slots: Array) -> None:
        """Numbers that aren't known, as `missing` has it; those that aren't finite aren't known."""
        if not self._plain:
            return
        some = values if len(self._plain) == values.shape[1] else values[:, self._plain]
        known = np.isfinite(some)
        if known.all():
            if self.plan.missing == "last":
                self.state[LAST][slots] = some[_ends(firsts, len(values))]
            return
        if self.plan.missing == "last":
            before = self.state[LAST]
            for i in range(some.shape[1]):
                some[:, i] = filled(some[:, i], known[:, i], firsts, key, before[slots, i])
            before[slots] = some[_ends(firsts, len(values))]
        else:
            np.copyto(some, self._fill[self._plain], where=~known)
        flags[(~known & np.isfinite(some)).any(axis=1)] |= FILLED
        if some is not values:
            values[:, self._plain] = some

    def _lay_out(self, inputs: Sequence[Any], kept: Array, values: Array, flags: Array) -> None:
        """The raw windows, a moment's numbers side by side; what isn't known in them is filled within the window."""
        at = 0
        for feature in self.plan.features:
            if feature.calls:
                window = values[:, at : at + feature.width].reshape(len(kept), -1, len(feature.calls))  # a view
                for i, call in enumerate(feature.calls):
                    window[:, :, i] = inputs[call].take(kept)
                known = np.isfinite(window)
                if not known.all():
                    _complete(window, known, self._fill[at], self.plan.missing)
                    flags[(~known & np.isfinite(window)).any(axis=(1, 2))] |= FILLED
            at += feature.width

    def _due(self, ts: Array, key: Array, firsts: Array, slots: Array) -> Array | None:
        """Which rows aren't too soon after the key's last one; None: all."""
        every = self.plan.every_ns
        if not every:
            return None
        due = self.state[DUE]
        times = newest_so_far(ts, key, firsts, np.full(len(slots), NEVER))
        if (np.maximum(times, (due[slots] - every)[key]) - ts > SET_BACK_NS).any():
            return _one_by_one(ts, slots[key], due, every)
        ends, at, next_due = np.append(firsts[1:], len(ts)), firsts.copy(), due[slots]
        chosen = np.zeros(len(ts), np.bool_)
        open_ = np.arange(len(slots))
        while len(open_):
            found = first_above(times, at[open_], ends[open_], next_due[open_] - 1)
            there = found < ends[open_]
            open_, found = open_[there], found[there]
            chosen[found] = True
            next_due[open_] = ts[found] + every
            at[open_] = found + 1
        due[slots] = next_due
        return np.flatnonzero(chosen)


def _one_by_one(ts: Array, slot: Array, due: Array, every: int) -> Array:
    """As `Tap._due`, where a clock was set back."""
    chosen = []
    for i, (now, mine) in enumerate(zip(ts.tolist(), slot.tolist(), strict=True)):
        if now >= due[mine] or now < due[mine] - every - SET_BACK_NS:
            chosen.append(i)
            due[mine] = now + every
    return np.array(chosen, np.intp)


def _owners(plan: FeaturePlan) -> list[Feature]:
    """Whose each column is."""
    return [feature for feature in plan.features for _ in feature.columns]


def _ends(firsts: Array, total: int) -> Array:
    """Each key's last row."""
    return np.append(firsts[1:], total) - 1


def _any(inputs: Sequence[Any], calls: Sequence[int]) -> Any:
    """Where any of these counts anything; False: nowhere."""
    found: Any = False
    for call in calls:
        counted = inputs[call]
        if isinstance(counted, np.ndarray) or counted:
            found = np.greater(counted, 0) | found
    return found


def _flag(flags: Array, where: Any, flag: int) -> None:
    if where is not False:
        flags |= np.where(where, np.uint8(flag), np.uint8(0))


def _complete(window: Array, known: Array, fill: float, missing: str) -> None:
    """Fill what isn't known in windows of shape (n, N, k)."""
    if missing == "last":
        at = np.where(known, np.arange(window.shape[1])[None, :, None], -1)
        np.maximum.accumulate(at, axis=1, out=at)
        window[...] = np.where(at >= 0, np.take_along_axis(window, np.maximum(at, 0), axis=1), np.nan)
    else:
        window[~known] = fill
