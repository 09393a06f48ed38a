"""A panel's memory by (rule, key) pair, and how it looks as if each rule kept its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from holdfast.stream.alarms.condition import ConditionAlarm
from holdfast.stream.alarms.ports import Array, Transition
from holdfast.stream.state import State


class Pairs:
    """Per slot its pairs side by side, sorted by limit; slots in order, so new ones are put behind.

    rule, slot, limit, clear: by pair
    first, count: by slot: its first pair, how many
    state: alarms and tallies by pair
    """

    def __init__(self, limits: Sequence[float], clears: Sequence[float]) -> None:
        self._limits, self._clears = np.array(limits, np.float64), np.array(clears, np.float64)
        self._by_limit = np.argsort(self._limits, kind="stable")
        self.state = State()
        self.rule, self.slot = np.empty(0, np.int64), np.empty(0, np.int64)
        self.limit, self.clear = np.empty(0), np.empty(0)
        self.first, self.count = np.empty(0, np.int64), np.empty(0, np.int64)
        self._lowest = np.empty(0)
        self._busy = np.empty(0, np.int64)
        self._is_active, self._active = np.empty(0, np.bool_), np.empty(0, np.int64)
        self._is_stale = False
        self._order, self._bounds = np.empty(0, np.int64), np.zeros(len(limits) + 1, np.int64)
        self._expected: dict[int, dict[str, Array]] = {}

    @property
    def names(self) -> "set[str]":
        """The arrays kept."""
        return set(self.state.declared())

    def expect(self, rule: int, known: dict[str, Array]) -> None:
        """What a rule knew by slot before it came here: put in place once its pairs are there."""
        self._expected[rule] = known

    def grow(self, mine: Array) -> Array:
        """Make room for slots; the new pairs. mine: which rule is about which slot, shape (rules, slots)."""
        known = len(self.first)
        slots = mine.shape[1] - known
        if slots <= 0:
            return np.empty(0, np.int64)
        slot, rule = np.nonzero(mine[self._by_limit, known:].T)
        rule = self._by_limit[rule]
        new = np.arange(len(self.rule), len(self.rule) + len(rule))
        count = np.bincount(slot, minlength=slots)
        first = len(self.rule) + np.cumsum(count) - count
        self.rule, self.slot = np.append(self.rule, rule), np.append(self.slot, slot + known)
        self.limit, self.clear = np.append(self.limit, self._limits[rule]), np.append(self.clear, self._clears[rule])
        self.first, self.count = np.append(self.first, first), np.append(self.count, count)
        lowest = np.full(slots, np.inf)
        lowest[count > 0] = self.limit[first[count > 0]]
        self._lowest = np.append(self._lowest, lowest)
        self._is_active = np.append(self._is_active, np.zeros(len(rule), np.bool_))
        self._busy = np.append(self._busy, np.zeros(slots, np.int64))
        self.state.grow(len(self.rule))
        self._order = np.argsort(self.rule, kind="stable")
        self._bounds = np.searchsorted(self.rule[self._order], np.arange(len(self._limits) + 1))
        for number, columns in self._expected.items():
            self.put(number, np.arange(min(len(c) for c in columns.values())), columns)
        self._expected = {}
        return new

    # Which pairs matter

    def is_hot(self, slots: Array, top: Array) -> Array:
        """Whether any pair of each slot may change, when its highest value is `top`."""
        self._refresh()
        hot = top > self._lowest[slots]
        if len(self._active):
            hot |= self._busy[slots] > 0
        return np.asarray(hot)

    def touched(self, slots: Array, top: Array) -> Array:
        """The pairs of these slots that are active or whose limit is below `top`, ascending."""
        first, count = self.first[slots], self.count[slots]
        passed = self._passed(first, count, top)
        found = ranges(first, passed)
        if len(self._active):
            is_here = np.zeros(len(self.first), np.bool_)
            is_here[slots] = True
            found = np.append(found, self._active[is_here[self.slot[self._active]]])
        return np.unique(found)

    def note(self, pairs: Array) -> None:
        """These may have become active, or come to rest."""
        self._refresh()
        holds = self.state["alarm.held"][pairs] != 0
        changed = pairs[holds != self._is_active[pairs]]
        if len(changed):
            self._is_active[changed] ^= True
            np.add.at(self._busy, self.slot[changed], np.where(self._is_active[changed], 1, -1))
            self._active = np.flatnonzero(self._is_active)

    def active(self) -> Array:
        """Pairs that hold or are raised."""
        self._refresh()
        return self._active

    def _passed(self, first: Array, count: Array, top: Array) -> Array:
        """How many of each slot's limits are below `top`: a bisection of all slots at once."""
        low, high = first.copy(), first + count
        for _ in range(int(count.max(initial=0)).bit_length()):
            middle = (low + high) // 2
            is_open = low < high
            is_below = is_open & (self.limit[np.minimum(middle, len(self.limit) - 1)] < top)
            low = np.where(is_below, middle + 1, low)
            high = np.where(is_open & ~is_below, middle, high)
        return low - first

    def _refresh(self) -> None:
        if self._is_stale:
            self._is_stale = False
            self._is_active = self.state["alarm.held"][: len(self.rule)] != 0
            self._active = np.flatnonzero(self._is_active)
            self._busy = np.bincount(self.slot[self._active], minlength=len(self.first))

    # One rule's view

    def of(self, rule: int) -> tuple[Array, Array]:
        """A rule's pairs and their slots, ascending."""
        pairs = self._order[self._bounds[rule] : self._bounds[rule + 1]]
        return pairs, self.slot[pairs]

    def pair(self, rule: int, slot: int) -> int:
        """The pair of a rule and a slot, -1 for none."""
        pairs, slots = self.of(rule)
        at = int(np.searchsorted(slots, slot))
        return int(pairs[at]) if at < len(slots) and slots[at] == slot else -1

    def put(self, rule: int, slots: Array, columns: dict[str, Array]) -> None:
        """A rule's memory by slot. Slots that it isn't about are passed over."""
        pairs, mine = self.of(rule)
        at = np.searchsorted(mine, slots)
        is_there = at < len(mine)
        is_there[is_there] = mine[at[is_there]] == slots[is_there]
        for name, column in columns.items():
            self.state[name][pairs[at[is_there]]] = column[: len(slots)][is_there]
        self._is_stale = True

    def clear_rule(self, rule: int, slots: Array, names: Sequence[str]) -> None:
        """Put the unused values back at a rule's slots."""
        pairs, mine = self.of(rule)
        self.state.clear(pairs[np.isin(mine, slots)], *names)
        self._is_stale = True


class PairState(State):
    """One rule's memory in a panel, as if it were its own: by slot."""

    def __init__(self, pairs: Pairs, rule: int, like: State, grow: Callable[[], None]) -> None:
        """like: what the rule would keep by itself; grow: make room in the whole panel."""
        super().__init__()
        self._pairs, self._rule, self._grow = pairs, rule, grow
        for name, (dtype, fill) in like.declared().items():
            self.declare(name, dtype, fill)

    def grow(self, slots: int) -> None:  # noqa: ARG002 - a panel grows all at once, to the stage's size
        """See `State`."""
        self._grow()

    def clear(self, slots: Array, *names: str) -> None:
        """See `State`."""
        self._pairs.clear_rule(self._rule, slots, names)

    @property
    def nbytes(self) -> int:
        """See `State`: this rule's share."""
        return sum(a.itemsize for a in self._arrays.values()) * len(self._pairs.of(self._rule)[0])

    def export(self, slots: int) -> dict[str, Array]:
        """See `State`."""
        pairs, mine = self._pairs.of(self._rule)
        found = {}
        for name, array in self._arrays.items():
            column = np.full(slots, self._fills[name], array.dtype)
            column[mine] = self._pairs.state[name][pairs]
            found[name] = column
        return found

    def put(
        self,
        slots: Array,
        arrays: dict[str, Array],
        shared: dict[str, Array],  # noqa: ARG002 - the state's; a threshold shares nothing
        tables: dict[str, dict[str, Array]],  # noqa: ARG002 - nor has it tables
    ) -> None:
        """See `State`."""
        self._pairs.put(self._rule, slots, arrays)


class PairAlarm:
    """One rule's alarms in a panel, by slot."""

    def __init__(self, pairs: Pairs, rule: int, alarm: ConditionAlarm) -> None:
        self._pairs, self._rule, self._alarm = pairs, rule, alarm

    def acknowledge(self, slot: int, ts: int) -> list[Transition]:
        """See `Standing`."""
        pair = self._pairs.pair(self._rule, slot)
        if pair < 0:
            return []
        found = self._alarm.acknowledge(pair, ts)
        self._pairs.note(np.array([pair]))
        return [replace(t, slot=slot) for t in found]

    def raised(self) -> Array:
        """See `Standing`."""
        pairs, slots = self._pairs.of(self._rule)
        return np.asarray(slots[self._pairs.state["alarm.raised"][pairs]])

    def since(self, slot: int) -> int:
        """See `Standing`."""
        return self._alarm.since(self._pairs.pair(self._rule, slot))

    def end(self, slot: int) -> None:
        """See `Standing`."""
        pair = self._pairs.pair(self._rule, slot)
        self._alarm.end(pair)
        self._pairs.note(np.array([pair]))


def ranges(starts: Array, counts: Array) -> Array:
    """The numbers from starts[0] on, counts[0] of them; then those from starts[1] on, and so forth."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)
