"""Windows cut by time: tumbling, hopping, calendar. Event time, a watermark per key, late revisions.

A key's watermark is its newest event time less `grace`. The message that moves it past a window's end closes the
window: it is evaluated with what came before that message. Silence does the same (`close`), for windows that hold
something; so the backlog of a device that was cut off still finds its windows open. A window without samples is no
evaluation. A message whose windows are all closed is late. Within `late` after its end a window is evaluated once more
for each such message; then it is final, and messages are skipped. A plan that asks for `final` has every window
evaluated a last time when it is; not the others, as one more evaluation would count twice in `for` and in results.

State per slot: `mark`, up to when windows are closed; `since`, `due`: the ends of the last closed window and of the
next one; `quiet`: nothing is left to close; with `late`: `firm`, up to when they're final; `revised`, `revision`: how
often which window was evaluated.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.clocks import NEVER
from holdfast.stream.evaluations import Evaluations, Samples
from holdfast.stream.plans import StagePlan
from holdfast.stream.rows import Rows, Skipped, grouped
from holdfast.stream.state import State
from holdfast.stream.windows.books import Book, find, spread
from holdfast.stream.windows.course import Course, chart
from holdfast.stream.windows.grids import grid_of
from holdfast.stream.windows.holdings import Holdings
from holdfast.stream.windows.recent import Trace

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Due:
    """Evaluations to be made, by key and in order. All of shape (E,).

    owner: number of the key; window; before: they see messages before this position (in `Rows`)
    at:    the deciding message's position; again: evaluated before in the same round
    """

    owner: Array
    window: Array
    at: Array
    before: Array
    final: Array
    again: Array


@dataclass(frozen=True, slots=True)
class _Evidence:
    """See `Evidence`. bounds: (start, end) of each evaluation's window."""

    traces: dict[int, Trace]
    owner: Array
    before: Array
    bounds: tuple[Array, Array]

    def samples(self, at: int, column: int) -> Samples:
        """See `Evidence`."""
        trace = self.traces.get(column)
        if trace is None:
            return [], []
        start, end = self.bounds
        return trace.last(int(self.owner[at]), int(self.before[at]), int(start[at]), int(end[at]))


class AlignedWindows:
    """One stage's tumbling, hopping or calendar windows."""

    def __init__(self, state: State, plan: StagePlan) -> None:
        self._state, self._plan, self.stirred = state, plan, False
        self._grace, self._late = plan.window.grace, plan.window.late
        self._grid = grid_of(plan.window)
        self._tells_final = self._late > 0 and any(call.kind == "final" for call in plan.calls)
        self._holdings = Holdings(state, plan, self._grid)
        for name in ("mark", "since", "due"):
            state.declare(name, np.int64, NEVER)
        state.declare("quiet", np.bool_, 1)
        if self._late:
            state.declare("firm", np.int64, NEVER)
            state.declare("revised", np.int64, NEVER, self._grid.windows)
            state.declare("revision", np.int64, 0, self._grid.windows)

    def feed(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:
        """See `Windowing`."""
        slots = rows.slots
        if len(slots) == 1 and self._is_calm(int(slots[0]), rows, int(newest[-1]) - self._grace):
            self._state["quiet"][slots[0]] = False
            self._stay(rows)
            return None, None
        lasts = np.empty_like(rows.firsts)
        lasts[:-1], lasts[-1] = rows.firsts[1:], len(rows)
        reach = newest[lasts - 1] - self._grace
        busy = reach >= self._state["due"][slots]
        if self._tells_final:
            busy |= self._grid.open_at(reach - self._late) > self._grid.open_at(self._state["firm"][slots])
        behind = rows.ts < self._state["since"][slots][rows.key]
        if behind.any():
            busy |= np.logical_or.reduceat(behind, rows.firsts)
        some = np.count_nonzero(busy)
        self._state["quiet"][slots] = False
        if not some:
            self._stay(rows)
            return None, None
        if some < len(busy):
            moving = busy[rows.key]
            calm = rows.take(np.flatnonzero(~moving))
            if calm is not None:
                self._stay(calm)
            at = np.flatnonzero(moving)
            taken = rows.take(at)
            if taken is None:
                return None, None
            rows, newest = taken, newest[at]
        return self._turn(rows, newest) if self._turns(rows, newest) else self._move(rows, newest)

    def _is_calm(self, slot: int, rows: Rows, reach: int) -> bool:
        """Whether messages of one key close nothing, and come into open windows alone."""
        if self._tells_final or reach >= self._state["due"][slot]:
            return False
        return bool(rows.ts.min() >= self._state["since"][slot])

    def _turns(self, rows: Rows, newest: Array) -> bool:
        """Whether each key's first message closes all that is closed, and the others come into open windows alone."""
        reach = newest[rows.firsts] - self._grace
        if self._tells_final or (reach < self._state["due"][rows.slots]).any():
            return False
        window = self._grid.open_at(reach)
        if (rows.ts < self._grid.end(window - 1)[rows.key]).any():
            return False
        lasts = np.append(rows.firsts[1:], len(rows)) - 1
        return bool((newest[lasts] - self._grace < self._grid.end(window)).all())

    def _turn(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, None]:
        """As `_move`, of messages for which `_turns` is true: what was held is evaluated, then they are taken in."""
        slots, state = rows.slots, self._state
        mark, order = newest[rows.firsts] - self._grace, np.arange(len(slots))
        low, high = self._grid.open_at(state["mark"][slots]), self._grid.open_at(mark)
        firm, known, sure = mark, low, high
        if self._late:
            firm = np.maximum(mark - self._late, state["firm"][slots])
            known, sure = self._grid.open_at(state["firm"][slots]), self._grid.open_at(firm)
        book = self._holdings.open(slots, self._grid.lowest(known))
        due = self._due(book, (order, high, sure), (low, known), (high, sure))
        made = None
        if len(due.owner):
            due = replace(due, before=np.zeros(len(due.at), np.intp))
            traces = self._holdings.traces_of(slots)
            made = self._evaluations(slots, rows.row[rows.firsts], [self._evaluate(book, slots, due, sure)], traces)
        self._holdings.shut(book, slots, self._grid.lowest(sure), self._grid.start(sure))
        self._settle(slots, mark, firm)
        self._stay(rows)
        return made, None

    def _stay(self, rows: Rows) -> None:
        """Messages of open windows, none of which they close: what most batches are."""
        counts = counting(rows)
        counted = rows if counts is None else rows.take(np.flatnonzero(counts))
        if counted is not None:
            self._holdings.enter(counted)

    def _move(self, rows: Rows, newest: Array) -> tuple[Evaluations | None, Skipped | None]:
        """Messages of which some close windows or come into closed ones."""
        grid, key, slots = self._grid, rows.key, rows.slots
        mark = np.maximum(newest - self._grace, self._state["mark"][slots][key])
        firm = np.maximum(newest - (self._grace + self._late), self._state["firm"][slots][key]) if self._late else mark
        upto = grid.open_at(self._state["mark"][slots])
        sure = grid.open_at(self._state["firm"][slots]) if self._late else upto
        course = chart(grid, rows, counting(rows), mark, firm, (upto, sure))
        traces = self._holdings.traces(rows, course.taken)
        made = []
        for at in course.rounds:
            one = self._round(rows, course, at, upto, sure)
            if one is not None:
                made.append(one)
        lasts = np.append(rows.firsts[1:], len(rows)) - 1
        self._settle(slots, mark[lasts], firm[lasts])
        late = course.late if rows.live is None else course.late & rows.live
        skipped = late.nonzero()[0]
        left_out = Skipped(slots[key[skipped]], rows.row[skipped]) if len(skipped) else None
        return self._evaluations(slots, rows.row, made, traces), left_out

    def _round(self, rows: Rows, course: Course, at: Array, upto: Array, sure: Array) -> "_Made | None":
        """Work on the messages `at`; `upto` and `sure`, by key, are brought forward."""
        key = rows.key[at]
        owner, firsts, keys = grouped(key)
        slots = rows.slots[keys]
        lasts = np.append(firsts[1:], len(at)) - 1
        low, high = (upto[keys], sure[keys]), (course.upto[at[lasts]], course.sure[at[lasts]])
        taken = np.flatnonzero(course.taken[at])
        book = self._holdings.open(slots, self._grid.lowest(low[1]))
        book = self._holdings.write(book, rows.take(at[taken]), owner[taken], course.pane[at[taken]])
        due = self._due(book, (owner, course.upto[at], course.sure[at]), low, high)
        revising = np.flatnonzero(course.revises[at])
        if len(revising):
            due = _join(due, _revisions(course, at, revising, owner))
        upto[keys], sure[keys] = high
        made = None
        if len(due.owner):
            due = replace(due, at=at[due.at], before=at[due.at] + (due.before - due.at))
            made = self._evaluate(book, slots, due, high[1])
            made = replace(made, due=replace(due, owner=keys[due.owner]))
        self._holdings.shut(book, slots, self._grid.lowest(high[1]), self._grid.start(high[1]))
        return made

    def _due(
        self,
        book: Book,
        course: tuple[Array, Array, Array],
        low: tuple[Array, Array],
        high: tuple[Array, Array],
    ) -> Due:
        """Windows that are closed, and those that are told to be final, in order.

        course: messages' keys, `upto` and `sure`; low, high: by key `upto` and `sure` before and after
        """
        owner, upto, sure = course
        of, window = book.windows(self._grid, low[1] if self._tells_final else low[0], high[0])
        closed = window >= low[0][of]
        at = find(owner, upto, of, window + 1)
        if not self._late:
            return Due(of, window, at, at, np.ones(len(of), np.bool_), np.zeros(len(of), np.bool_))
        is_sure = window < high[1][of]
        firm_at = np.where(is_sure, find(owner, sure, of, window + 1), -1)
        due = Due(of, window, at, at, firm_at == at, np.zeros(len(of), np.bool_))
        due = _pick(due, closed)
        if self._tells_final:
            told = np.flatnonzero(is_sure & ~(closed & (firm_at == at)))
            place, yes = firm_at[told], np.ones(len(told), np.bool_)
            due = _join(due, Due(of[told], window[told], place, place, yes, closed[told]))
        return due

    def _evaluate(self, book: Book, slots: Array, due: Due, sure: Array) -> "_Made":
        start, end = self._grid.start(due.window), self._grid.end(due.window)
        revision = self._revised(slots, due, sure) if self._late else None
        facts = {"final": due.final.astype(np.float64), "revision": 0.0 if revision is None else revision * 1.0}
        inputs = self._holdings.inputs(book, slots, due.owner, due.window, facts)
        return _Made(due, start, end, revision, inputs)

    def _revised(self, slots: Array, due: Due, sure: Array) -> Array:
        """How often each window was evaluated before, which is counted on; sure: by key, the first that isn't final."""
        width = self._grid.windows
        place = slots[due.owner] * width + due.window % width
        windows, counts = self._state["revised"].reshape(-1), self._state["revision"].reshape(-1)
        revision = np.where(windows[place] == due.window, counts[place], 0) + due.again
        kept = due.window >= sure[due.owner]
        windows[place[kept]], counts[place[kept]] = due.window[kept], revision[kept] + 1
        return np.asarray(revision)

    def _settle(self, slots: Array, mark: Array, firm: Array) -> None:
        """Windows are closed up to `mark`, final up to `firm`."""
        window = self._grid.open_at(mark)
        self._state["mark"][slots] = mark
        self._state["since"][slots] = self._grid.end(window - 1)
        self._state["due"][slots] = self._grid.end(window)
        if self._late:
            self._state["firm"][slots] = firm

    def close(self, times: Array) -> Evaluations | None:
        """See `Windowing`."""
        count, grid, state = len(times), self._grid, self._state
        self.stirred = False
        if not count:
            return None
        reach = times - self._grace
        is_due = reach >= state["due"][:count]
        if self._tells_final:
            is_due |= grid.open_at(reach - self._late) > grid.open_at(state["firm"][:count])
        slots = np.flatnonzero(is_due & ~state["quiet"][:count] & (state["mark"][:count] > NEVER))
        if not len(slots):
            return None
        self.stirred = True
        reach, mark = reach[slots], state["mark"][slots]
        firm = state["firm"][slots] if self._late else mark
        low = grid.open_at(mark), grid.open_at(firm)
        later = np.maximum(reach - self._late, firm) if self._tells_final else firm
        high = grid.open_at(np.maximum(reach, mark)), grid.open_at(later)
        book = self._holdings.open(slots, grid.lowest(low[1]))
        order = np.arange(len(slots))
        due = self._due(book, (order, high[0], high[1]), low, high)
        self._rest(book, slots, due, high, (mark, firm))
        if not len(due.owner):
            return None
        due = replace(due, before=np.ones(len(due.at), np.intp))
        made = self._evaluate(book, slots, due, high[1])
        traces = self._holdings.traces_of(slots)
        return self._evaluations(slots, np.full(len(slots), -1), [made], traces)

    def _rest(self, book: Book, slots: Array, due: Due, high: tuple[Array, Array], known: tuple[Array, Array]) -> None:
        """Time closed what is due. Windows that hold nothing stay open."""
        mark, firm = known[0].copy(), known[1].copy()
        end = self._grid.end(due.window)
        np.maximum.at(mark, due.owner, end)
        if self._tells_final:
            np.maximum.at(firm, due.owner[due.final], end[due.final])
        last = self._grid.last(book.pane)
        open_ = last >= (high[1] if self._tells_final else high[0])[book.owner]
        self._state["quiet"][slots] = np.bincount(book.owner[open_], minlength=len(slots)) == 0
        self._settle(slots, mark, firm if self._late else mark)

    def _evaluations(
        self, slots: Array, row: Array, made: list["_Made"], traces: dict[int, Trace]
    ) -> Evaluations | None:
        if not made:
            return None
        one = made[0] if len(made) == 1 else _together(made)
        due = one.due
        _, firsts, keys = grouped(due.owner)
        evidence = _Evidence(traces, due.owner, due.before, (one.start, one.end))
        return Evaluations(
            slots[keys], firsts, row[due.at], one.end, one.inputs, evidence, one.start, one.revision,
            due.final if self._late else None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Made:
    """What a round made."""

    due: Due
    start: Array
    end: Array
    revision: Array | None
    inputs: list[Any]


def counting(rows: Rows) -> Array | None:
    """Which messages hold something to count; None: all."""
    if rows.live is None:
        return None
    counts = rows.live.copy()
    for told in rows.told or ():
        counts |= told
    return counts


def _revisions(course: Course, at: Array, revising: Array, owner: Array) -> Due:
    """The windows that late messages come into."""
    rows = at[revising]
    first = np.maximum(course.first[rows], course.sure[rows])
    counts = np.minimum(course.last[rows], course.upto[rows] - 1) - first + 1
    place = np.repeat(revising, counts)
    no = np.zeros(len(place), np.bool_)
    return Due(owner[place], spread(first, counts), place, place + 1, no, no)


def _join(a: Due, b: Due) -> Due:
    """Both, in order of key, deciding message and window."""
    both = Due(*(np.concatenate((getattr(a, f), getattr(b, f))) for f in a.__slots__))
    return _pick(both, np.lexsort((both.window, both.at, both.owner)))


def _pick(due: Due, at: Array) -> Due:
    return Due(*(getattr(due, f)[at] for f in due.__slots__))


def _together(made: list[_Made]) -> _Made:
    """Several rounds' work, in order of key and round."""
    owner = np.concatenate([m.due.owner for m in made])
    order = owner.argsort(kind="stable")
    due = Due(*(np.concatenate([getattr(m.due, f) for m in made])[order] for f in Due.__slots__))

    def column(parts: list[Any]) -> Any:
        return np.concatenate([np.broadcast_to(p, len(m.due.owner)) for p, m in zip(parts, made, strict=True)])[order]

    inputs = [column([m.inputs[i] for m in made]) for i in range(len(made[0].inputs))]
    revision = None if made[0].revision is None else column([m.revision for m in made])
    return _Made(due, column([m.start for m in made]), column([m.end for m in made]), revision, inputs)
