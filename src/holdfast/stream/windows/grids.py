"""Windows cut by time, as numbers: panes are the smallest pieces that windows are put together from.

Pane p holds [p's start, the next one's). Window k is the panes `lowest(k)` … `past(k)` - 1 and ends at `end(k)`. All
functions take and give whole columns of int64, times in ns; window numbers ascend with time. A window's bounds depend
on event time alone.
"""

from math import gcd
from typing import Any, Protocol

from numpy.typing import NDArray

from holdfast.stream.plans import WindowSpec
from holdfast.stream.windows.calendar import Calendar

Array = NDArray[Any]


class Grid(Protocol):
    """How time is cut.

    single: a pane is a window
    panes:  how many panes may hold something that a window still needs
    windows: how many windows may be closed and not yet final
    """

    single: bool
    panes: int
    windows: int

    def pane(self, ts: Array) -> Array:
        """The pane of each time."""
        ...

    def first(self, pane: Array) -> Array:
        """The first window that holds a pane; more than `last` when none does."""
        ...

    def last(self, pane: Array) -> Array:
        """The last window that holds a pane."""
        ...

    def lowest(self, window: Array) -> Array:
        """A window's first pane."""
        ...

    def past(self, window: Array) -> Array:
        """The pane after a window's last one."""
        ...

    def start(self, window: Array) -> Array:
        """Where a window begins."""
        ...

    def end(self, window: Array) -> Array:
        """Where it ends, itself not in it."""
        ...

    def open_at(self, mark: Array) -> Array:
        """The first window that isn't over at `mark`: it ends later."""
        ...


class EvenGrid:
    """Tumbling and hopping: [k * hop, k * hop + width) since the epoch; a pane is the greatest common divisor wide."""

    def __init__(self, spec: WindowSpec) -> None:
        self._width, self._hop = spec.width, spec.hop or spec.width
        self._pane = gcd(self._width, self._hop)
        self._wide, self._step = self._width // self._pane, self._hop // self._pane
        self.single = self._wide == self._step == 1
        open_for = self._width + spec.grace + spec.late
        self.panes = -(-open_for // self._pane) + 1
        self.windows = -(-open_for // self._hop) + 1  # silence closes those of the newest message too

    def pane(self, ts: Array) -> Array:
        """See `Grid`."""
        return ts // self._pane

    def first(self, pane: Array) -> Array:
        """See `Grid`."""
        return pane if self.single else (pane - self._wide) // self._step + 1

    def last(self, pane: Array) -> Array:
        """See `Grid`."""
        return pane if self.single else pane // self._step

    def lowest(self, window: Array) -> Array:
        """See `Grid`."""
        return window * self._step

    def past(self, window: Array) -> Array:
        """See `Grid`."""
        return window * self._step + self._wide

    def start(self, window: Array) -> Array:
        """See `Grid`."""
        return window * self._hop

    def end(self, window: Array) -> Array:
        """See `Grid`."""
        return window * self._hop + self._width

    def open_at(self, mark: Array) -> Array:
        """See `Grid`."""
        return (mark - self._width) // self._hop + 1


class CalendarGrid:
    """Days, shifts, months … of a time zone: a pane is a window, and they aren't of one length."""

    single = True

    def __init__(self, spec: WindowSpec) -> None:
        self._calendar = Calendar(spec.unit, spec.zone, spec.starts)
        self.panes = -(-(spec.grace + spec.late) // self._calendar.shortest) + 2
        self.windows = self.panes

    def pane(self, ts: Array) -> Array:
        """See `Grid`."""
        return self._calendar.number(ts)

    def first(self, pane: Array) -> Array:
        """See `Grid`."""
        return pane

    def last(self, pane: Array) -> Array:
        """See `Grid`."""
        return pane

    def lowest(self, window: Array) -> Array:
        """See `Grid`."""
        return window

    def past(self, window: Array) -> Array:
        """See `Grid`."""
        return window + 1

    def start(self, window: Array) -> Array:
        """See `Grid`."""
        return self._calendar.start(window)

    def end(self, window: Array) -> Array:
        """See `Grid`."""
        return self._calendar.start(window + 1)

    def open_at(self, mark: Array) -> Array:
        """See `Grid`."""
        return self._calendar.number(mark)


def grid_of(spec: WindowSpec) -> Grid:
    """The grid of a tumbling, hopping or calendar window."""
    return CalendarGrid(spec) if spec.kind == "calendar" else EvenGrid(spec)
