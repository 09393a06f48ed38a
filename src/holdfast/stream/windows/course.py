"""How time passes along a batch's messages: what each of them closes, revises, or comes too late for.

Windows are evaluated by the message that moves its key's watermark past their end, and see only what came before it. So
a batch is worked through in rounds: in one round no message comes into a window after the message that evaluates it.
Messages in order of time need one round; each late one among them that still counts may need another.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.rows import Rows
from holdfast.stream.windows.grids import Grid

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Course:
    """All of shape (M,), by message.

    upto, sure: after it, the first window that isn't closed, and the first that may still be evaluated
    pane, first, last: its pane, and the windows that hold it
    taken:   it counts in one at least
    late:    it would, had it come sooner
    revises: it comes into a window that was closed before
    round:   in which round it is worked on
    """

    upto: Array
    sure: Array
    pane: Array
    first: Array
    last: Array
    taken: Array
    late: Array
    revises: Array
    round: Array

    @property
    def rounds(self) -> list[Array]:
        """The messages of each round, ascending."""
        if not self.round.any():
            return [np.arange(len(self.round))]
        order = self.round.argsort(kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.round[order])) + 1)


def chart(grid: Grid, rows: Rows, counts: Array | None, mark: Array, firm: Array, known: tuple[Array, Array]) -> Course:
    """The course of a batch.

    counts: which messages are more than a clock; None: all
    mark, firm: by message, up to when windows are closed and final; never less than the message before's of its key
    known: by key, what `upto` and `sure` were before
    """
    upto = grid.open_at(mark)
    sure = upto if firm is mark else grid.open_at(firm)
    pane = grid.pane(rows.ts)
    first, last = grid.first(pane), grid.last(pane)
    within = first <= last
    if counts is not None:
        within &= counts
    taken = within & (last >= sure)
    is_behind = taken & (first < upto)
    revises = is_behind & (sure < upto)
    moved = _moves(upto, rows, known[0]) | (False if firm is mark else _moves(sure, rows, known[1]))
    turns = _rounds(rows, is_behind, moved, revises) if is_behind.any() else np.zeros(len(rows), np.intp)
    return Course(upto, sure, pane, first, last, taken, within & ~taken, revises, turns)


def _moves(number: Array, rows: Rows, known: Array) -> Array:
    before = np.empty_like(number)
    before[1:] = number[:-1]
    before[rows.firsts] = known
    return np.asarray(number > before)


def _rounds(rows: Rows, is_behind: Array, moved: Array, revises: Array) -> Array:
    """A round ends before a message that is behind when windows were closed in it, and after one that revises."""
    cut = np.zeros(len(rows), np.bool_)
    told = np.flatnonzero(is_behind | moved)
    cut[told[1:]] = is_behind[told[1:]] & moved[told[:-1]] & (rows.key[told[1:]] == rows.key[told[:-1]])
    cut[1:] |= revises[:-1]
    cut[rows.firsts] = False
    turns = cut.cumsum()
    return np.asarray(turns - turns[rows.firsts][rows.key])
