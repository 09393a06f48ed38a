"""All that windows cut by time hold of their messages: panes; samples where panes won't do; the last for evidence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.aggregates.segments import Segments
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Rows
from holdfast.stream.state import State
from holdfast.stream.windows.books import Book, codes, find
from holdfast.stream.windows.grids import Grid
from holdfast.stream.windows.panes import Panes, columns_needing_samples, samples_of
from holdfast.stream.windows.pool import Pool
from holdfast.stream.windows.recent import Recent, Trace

Array = NDArray[Any]
_MOST = 1 << 62


class Holdings:
    """One stage's."""

    def __init__(self, state: State, plan: StagePlan, grid: Grid) -> None:
        self._plan, self._grid = plan, grid
        self._panes = Panes(state, plan, grid.panes)
        own = [i for i, one in enumerate(plan.inputs) if one.kind == "own"]
        self._recent = {i: Recent(state, f"recent{i}") for i in own}
        self._sampled = {c: i for i, c in enumerate(columns_needing_samples(plan.calls))}
        self._pool = Pool(state, "samples", len(self._sampled)) if self._sampled else None
        self._needs_gaps = not grid.single

    # Messages in

    def enter(self, rows: Rows) -> None:
        """Take messages of open windows in."""
        grid, pane = self._grid, self._grid.pane(rows.ts)
        if self._needs_gaps:
            within = grid.first(pane) <= grid.last(pane)
            if not within.all():  # between windows
                at = np.flatnonzero(within)
                some = rows.take(at)
                if some is None:
                    return
                rows, pane = some, pane[at]
        at = self._panes.enter(rows.slots[rows.key], pane)
        self._panes.add(self._panes.ring(), at, rows)
        for i, recent in self._recent.items():
            recent.append(rows.slots, *self._samples(rows, i, rows.key, rows.ts))
        self._hold(rows)

    def _samples(self, rows: Rows, column: int, *others: Array) -> list[Array]:
        """These columns and the named one, of the messages that brought a sample of it."""
        mine = samples_of(rows, column, self._plan)
        wanted = (*others, rows.columns[column])
        return list(wanted) if mine is None else [one[mine] for one in wanted]

    def _hold(self, rows: Rows) -> None:
        if self._pool is None:
            return
        slot = rows.slots[rows.key]
        for column, place in self._sampled.items():
            slots, ts, value = self._samples(rows, column, slot, rows.ts)
            self._pool.append(slots, ts, value, place)

    def traces(self, rows: Rows, taken: Array) -> dict[int, Trace]:
        """What evidence needs of a batch, which is remembered; taken: the messages that count."""
        found = {}
        at = np.arange(len(rows))
        for i, recent in self._recent.items():
            mine = samples_of(rows, i, self._plan)
            place = at[taken] if mine is None else mine[taken[mine]]
            key, ts, values = rows.key[place], rows.ts[place], rows.columns[i][place]
            found[i] = recent.trace(rows.slots, key, place, ts, values)
            recent.append(rows.slots, key, ts, values)
        return found

    def traces_of(self, slots: Array) -> dict[int, Trace]:
        """What evidence needs of these slots."""
        none = np.empty(0, np.intp)
        return {i: recent.trace(slots, none, none, none, none * 1.0) for i, recent in self._recent.items()}

    # Panes of some keys, read and written

    def open(self, slots: Array, lowest: Array) -> Book:
        """The panes of these slots from `lowest` (by slot) on."""
        owner, pane, at = self._panes.held(slots, lowest)
        order = np.lexsort((pane, owner))
        return Book(owner[order], pane[order], at[order], self._panes.ring())

    def write(self, book: Book, rows: Rows | None, owner: Array, pane: Array) -> Book:
        """The book with messages added, as a sheet beside the ring; owner, pane: by message."""
        if rows is None:
            return book
        held = len(book.owner)
        owners, panes, inverse = _union(np.concatenate((book.owner, owner)), np.concatenate((book.pane, pane)))
        sheet = self._panes.sheet(len(owners))
        for name, array in book.view.items():
            sheet[name][inverse[:held]] = array[book.at]
        self._panes.add(sheet, inverse[held:], rows)
        self._hold(rows)
        return Book(owners, panes, np.arange(len(owners)), sheet, is_sheet=True)

    def shut(self, book: Book, slots: Array, lowest: Array, start: Array) -> None:
        """Keep what windows may still need: panes from `lowest` on, samples since `start`, both by key."""
        if book.is_sheet:
            kept = np.flatnonzero(book.pane >= lowest[book.owner])
            self._panes.keep(book.view, slots[book.owner[kept]], book.pane[kept], kept)
        if self._pool is not None:
            self._pool.drop(slots, start)

    # Windows

    def inputs(self, book: Book, slots: Array, owner: Array, window: Array, facts: Mapping[str, Any]) -> list[Any]:
        """The plan's calls over windows of keys `owner`, in order of keys."""
        combined = self._panes.combine(book.view, *book.places(self._grid, owner, window))
        start, end = self._grid.start(window), self._grid.end(window)
        segments: dict[int, Segments] = {}
        inputs = list[Any]()
        for call in self._plan.calls:
            if call.column < 0:
                inputs.append(_fact(call.kind, start, end, combined.messages, facts))
            elif call.column in self._sampled and not self._panes.knows(call):
                if call.column not in segments:
                    segments[call.column] = self._segments(call.column, slots, owner, start, end)
                inputs.append(segments[call.column].get(call))
            else:
                inputs.append(combined.get(call))
        return inputs

    def _segments(self, column: int, slots: Array, owner: Array, start: Array, end: Array) -> Segments:
        assert self._pool is not None  # noqa: S101 - only asked of columns that it holds
        keys, place = np.unique(owner, return_inverse=True)
        since = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(since, place, start)
        of, ts, value = self._pool.gather(slots[keys], self._sampled[column], since)
        return Segments(ts, value, find(of, ts, place, start), find(of, ts, place, end), start, end)


def _fact(kind: str, start: Array, end: Array, messages: Array, facts: Mapping[str, Any]) -> Any:
    """A fact of the window itself; times in s since the epoch, except `ts`: ns, when it was decided."""
    match kind:
        case "window_start":
            return start / 1e9
        case "window_end":
            return end / 1e9
        case "window_seconds":
            return (end - start) / 1e9
        case "ts":
            return end.astype(np.float64)
        case "messages":
            return messages
        case _:
            return facts.get(kind, np.nan)


def _union(owner: Array, pane: Array) -> tuple[Array, Array, Array]:
    """The different (owner, pane), in order, and which of them each is."""
    base = int(pane.min())
    span = int(pane.max()) - base
    if (int(owner.max()) + 1) * (span + 1) < _MOST:
        found, inverse = np.unique(codes(owner, pane, base, span), return_inverse=True)
        return found // (span + 1), found % (span + 1) + base, inverse
    order = np.lexsort((pane, owner))
    owner, pane = owner[order], pane[order]
    new = np.append(True, (owner[1:] != owner[:-1]) | (pane[1:] != pane[:-1]))
    inverse = np.empty(len(order), np.intp)
    inverse[order] = new.cumsum() - 1
    return owner[new], pane[new], inverse
