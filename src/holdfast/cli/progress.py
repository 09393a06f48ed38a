"""Progress of long work: a line at the bottom of a terminal while somebody waits, and nothing anywhere else.

It's drawn on standard error, only where that is a terminal, and is gone when the work is done: what a command prints is
the same with it and without. Quick work shows none at all.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from holdfast.cli.words import plain, size
from holdfast.kernel.clock import Clock, SystemClock

T = TypeVar("T")
QUICK_S = 0.5
"""What takes no longer shows no bar."""
_PER_S = 10


class Tell(Protocol):
    """Says how far the work is."""

    def __call__(self, done: float, total: float | None = None, doing: str | None = None) -> None:
        """done: so much by now; total: of so much, when that's known now; doing: other words in front."""
        ...


def is_shown(*, json: bool = False) -> bool:
    """Is there somebody to see it? Not in pipes, and not beside JSON."""
    return not json and sys.stderr.isatty()


@contextmanager
def progress(
    doing: str, total: float | None = None, unit: str = "", *, json: bool = False, clock: Clock | None = None
) -> Iterator[Tell]:
    """A bar while the body runs: rate, and the time left where the total is known.

    unit: of what is counted, as in `rows`; `B` = bytes
    json: the command prints JSON, so nothing is drawn
    """
    if not is_shown(json=json):
        yield _silent
        return
    bar = _Bar(doing, total, unit, clock or SystemClock())
    try:
        yield bar.tell
    finally:
        bar.close()


def counted(
    items: Iterable[T], doing: str, total: float | None = None, unit: str = "", *, json: bool = False
) -> Iterator[T]:
    """The same items, with a bar that counts them."""
    with progress(doing, total, unit, json=json) as tell:
        for n, item in enumerate(items):
            tell(n, total)
            yield item


def waiting(work: Callable[[], T], doing: str, *, json: bool = False) -> T:
    """Do work of which nobody knows how long it takes: the node does it, or a library; only the time is shown."""
    with progress(doing, json=json):
        return work()


def _silent(done: float, total: float | None = None, doing: str | None = None) -> None:
    """Nobody looks."""


class _Rate(ProgressColumn):
    """So much of so much, and so much a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        if task.total is None and not task.completed:
            return Text("")
        of = "" if task.total is None else f" of {self._said(task.total)}"
        rate = "" if not task.speed else f", {self._said(task.speed)}/s"
        return Text(f"{self._said(task.completed)}{of}{rate}", "cyan")

    def _said(self, count: float) -> str:
        if self._unit == "B":
            return size(count)
        return (
            f"{count:,.0f} {self._unit}".rstrip() if count >= 10 or count == int(count) else f"{count:.1f} {self._unit}"
        )


class _Bar:
    """Drawn by a thread once the work has lasted QUICK_S; telling costs next to nothing, so it may be done often."""

    def __init__(self, doing: str, total: float | None, unit: str, clock: Clock) -> None:
        self._clock, self._told = clock, 0.0
        columns: list[ProgressColumn] = [
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
            TaskProgressColumn(), _Rate(unit), TimeElapsedColumn(), TimeRemainingColumn(),
        ]  # fmt: skip
        console = Console(stderr=True, highlight=False)
        self._progress = Progress(*columns, console=console, transient=True, refresh_per_second=_PER_S)
        self._task = self._progress.add_task(plain(doing), total=total)
        self._lock = threading.Lock()  # the work may end just when the drawing would begin
        self._state: Literal["waiting", "drawn", "over"] = "waiting"
        self._timer = threading.Timer(QUICK_S, self._draw)
        self._timer.daemon = True
        self._timer.start()

    def _draw(self) -> None:
        with self._lock:
            if self._state == "waiting":
                self._progress.start()
                self._state = "drawn"

    def tell(self, done: float, total: float | None = None, doing: str | None = None) -> None:
        now = self._clock.monotonic()
        if now - self._told < 1 / _PER_S:
            return
        self._told = now
        words = None if doing is None else plain(doing)
        self._progress.update(self._task, completed=done, total=total, description=words)

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            if self._state == "drawn":
                self._progress.stop()
            self._state = "over"
