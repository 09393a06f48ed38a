"""A stage's or alarm's memory by slot. What isn't in here doesn't survive a restart.

Three kinds: arrays whose first axis is the slot; shared arrays that belong to no slot; tables, which keep any number of
rows per slot and export them with a column `slot`.
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_FIRST_CAPACITY = 16


class Table(Protocol):
    """Memory of any number of rows per slot."""

    def export(self) -> dict[str, Array]:
        """Columns of equal length, `slot` among them."""
        ...

    def put(self, columns: dict[str, Array]) -> None:
        """Take exported columns in; their slots are this state's. The table is empty before."""
        ...

    def clear(self, slots: Array) -> None:
        """Forget these slots' rows."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory used."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A table with a limit of rows per slot."""

    limit: int


class State:
    """Arrays by name, all grown together; index them by slot."""

    def __init__(self) -> None:
        self._fills: dict[str, float] = {}
        self._arrays: dict[str, Array] = {}
        self._shared: dict[str, Array] = {}
        self._tables: dict[str, Table] = {}
        self._stacks: dict[tuple[str, ...], Array] = {}
        self.capacity = 0
        self.puts = 0
        """How often memory from elsewhere was taken in: what was concluded from the former holds no more."""

    def declare(self, name: str, dtype: type, fill: float, width: int | None = None) -> None:
        """Add an array of shape (slots,) or (slots, width) whose unused places hold `fill`."""
        self._fills[name] = fill
        shape = (self.capacity,) if width is None else (self.capacity, width)
        self._arrays[name] = np.full(shape, fill, dtype)

    def declared(self) -> dict[str, tuple[type, float]]:
        """The arrays of shape (slots,): their type, and what unused places hold."""
        return {n: (a.dtype.type, self._fills[n]) for n, a in self._arrays.items() if a.ndim == 1}

    def stack(self, names: tuple[str, ...]) -> None:
        """Keep these arrays, declared alike, in one: `stacked` has them all, and each goes on as its part of that."""
        self._stacks[names] = made = np.stack([self._arrays[name] for name in names])
        self._arrays.update(zip(names, made, strict=True))

    def stacked(self, names: tuple[str, ...]) -> Array:
        """Stacked arrays as one, shape (names, capacity) or (names, capacity, width)."""
        return self._stacks[names]

    def share(self, name: str, array: Array) -> None:
        """Add an array that belongs to no slot; change it in place."""
        self._shared[name] = array

    def shared(self, name: str) -> Array:
        """A shared array."""
        return self._shared[name]

    def attach(self, name: str, table: Table) -> None:
        """Add a table."""
        self._tables[name] = table

    def bound(self, rows: int) -> None:
        """Let tables that are bounded keep at most so many rows per slot and column; more is trimmed as they grow."""
        for table in self._tables.values():
            if isinstance(table, Bounded):
                table.limit = rows

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def grow(self, slots: int) -> None:
        """Make room for at least `slots` keys."""
        if slots <= self.capacity:
            return
        self.capacity = max(slots, 2 * self.capacity, _FIRST_CAPACITY)
        for name, old in self._arrays.items():
            new = np.full((self.capacity, *old.shape[1:]), self._fills[name], old.dtype)
            new[: len(old)] = old
            self._arrays[name] = new
        for names in self._stacks:
            self.stack(names)

    def clear(self, slots: Array, *names: str) -> None:
        """Put the unused value back at `slots` of the named arrays."""
        for name in names:
            self._arrays[name][slots] = self._fills[name]

    def forget(self, slots: Array) -> None:
        """Everything known of these slots is gone."""
        self.clear(slots, *self._arrays)
        for table in self._tables.values():
            table.clear(slots)

    def inherit(self, old: "State", slots: Array, mine: Array) -> bool:
        """Take over what another state of the same kind knows; False, and nothing changed, where it is of another kind.

        slots: of the other, mine: the same keys' here. What only one of them has is left out, but for alarms' arrays.
        """
        size = int(slots.max()) + 1 if len(slots) else 0
        theirs, shared, theirs_tables = old.export(size), old.export_shared(), old.export_tables()
        names = [n for n, a in theirs.items() if n in self._arrays and _alike(a, self._arrays[n], 1)]
        if _alarms(theirs) - set(names) or _alarms(self._arrays) - set(names):
            return False
        if theirs_tables.keys() != self._tables.keys() or shared.keys() != self._shared.keys():
            return False
        if any(not _alike(a, self._shared[n], 0) for n, a in shared.items()):
            return False
        place = np.full(size + 1, -1)  # the last one: of slots that aren't asked for
        place[slots] = mine
        tables = dict[str, dict[str, Array]]()
        for name, columns in theirs_tables.items():
            to = place[np.minimum(columns["slot"], size)]
            tables[name] = {c: a[to >= 0] for c, a in columns.items()} | {"slot": to[to >= 0]}
        self.puts += 1
        for name in names:
            self._arrays[name][mine] = theirs[name][slots]
        for name, array in shared.items():
            self._shared[name][:] = array
        for name, columns in tables.items():
            self._tables[name].put(columns)
        return True

    def take(self, prefix: str, old: "State", slots: Array, mine: Array) -> None:
        """Take over another state's arrays whose names begin so, as far as both have them. Slots as in `inherit`."""
        size = int(slots.max()) + 1 if len(slots) else 0
        for name, theirs in old.export(size).items():
            if name.startswith(prefix) and name in self._arrays and _alike(theirs, self._arrays[name], 1):
                self._arrays[name][mine] = theirs[slots]

    @property
    def nbytes(self) -> int:
        """Memory used."""
        arrays = (*self._arrays.values(), *self._shared.values())
        return sum(a.nbytes for a in arrays) + sum(t.nbytes for t in self._tables.values())

    # For checkpoints

    def export(self, slots: int) -> dict[str, Array]:
        """The arrays' first `slots` rows."""
        return {name: array[:slots] for name, array in self._arrays.items()}

    def export_shared(self) -> dict[str, Array]:
        """The shared arrays."""
        return dict(self._shared)

    def export_tables(self) -> dict[str, dict[str, Array]]:
        """The tables' columns."""
        return {name: table.export() for name, table in self._tables.items()}

    def fits(self, arrays: dict[str, Array], shared: dict[str, Array], tables: dict[str, dict[str, Array]]) -> bool:
        """Whether a checkpoint's parts are of the names, shapes and types that this state has."""
        return (
            arrays.keys() == self._arrays.keys()
            and shared.keys() == self._shared.keys()
            and tables.keys() == self._tables.keys()
            and all(_alike(a, self._arrays[name], 1) for name, a in arrays.items())
            and all(_alike(a, self._shared[name], 0) for name, a in shared.items())
        )

    def put(
        self,
        slots: Array,
        arrays: dict[str, Array],
        shared: dict[str, Array],
        tables: dict[str, dict[str, Array]],
    ) -> None:
        """Take a checkpoint's parts in. slots: this state's slot of each of the checkpoint's."""
        self.puts += 1
        for name, array in arrays.items():
            self._arrays[name][slots] = array
        for name, array in shared.items():
            self._shared[name][:] = array
        for name, columns in tables.items():
            self._tables[name].put({**columns, "slot": slots[columns["slot"]]})


def _alarms(arrays: dict[str, Array]) -> set[str]:
    return {name for name in arrays if name.startswith("alarm.")}


def _alike(a: Array, b: Array, axis: int) -> bool:
    return a.dtype == b.dtype and a.shape[axis:] == b.shape[axis:]
