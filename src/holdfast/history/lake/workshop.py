"""Where files are made: here, or in a short-lived process of its own that gives its memory back when it ends.

A node keeps its memory small (G10): sorting and packing half a million rows takes more than the rest of it. So a node
uses `ChildWorkshop`; it also keeps a crash of the packing away from the node, and the system may run it when idle.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from holdfast.history.errors import HistoryError, PieceDamaged, PieceGone, WorkshopDied
from holdfast.history.lake import letting_go, merge, steps
from holdfast.history.lake.compact import Made
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.letting_go import Ready
from holdfast.history.lake.merge import Merged
from holdfast.history.lake.retention import Step
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.writing import Target
from holdfast.journal.pieces import Piece
from holdfast.journal.reader import JournalReader
from holdfast.storage.errors import DiskFull, StorageFailed

R = TypeVar("R")
_NS = 10**9
_LENGTH_BYTES = 8
STOP_S = 10.0


class Workshop(Protocol):
    """Makes files that nobody sees yet. Blocking, one call at a time.

    Every method raises HistoryError, JournalError or StorageError when it can't; then nothing is left of the files.
    """

    def take(self) -> Made:
        """Pieces of what waits in the journal, at most `settings.rows` readings."""
        ...

    def merge(self, pieces: Sequence[Piece], *, seals: bool) -> Merged:
        """Fewer pieces of a day's pieces of one rule."""
        ...

    def prepare(self, step: Step) -> Ready:
        """What must be kept before the rest of a piece goes."""
        ...

    def rest(self) -> None:
        """Nothing more is due for now: give memory back."""
        ...


class LocalWorkshop:
    """Makes them in this process."""

    def __init__(self, settings: HistorySettings, reader: JournalReader, lake: Lake, target: Target) -> None:
        self._settings, self._reader, self._lake, self._target = settings, reader, lake, target
        self._rules = steps.Rules(settings, target.catalogue)

    def take(self) -> Made:
        """See `Workshop`."""
        return steps.take_rows(self._reader, self._settings, self._target, self._rules)

    def merge(self, pieces: Sequence[Piece], *, seals: bool) -> Merged:
        """See `Workshop`."""
        return merge.merge(self._lake, pieces, self._target, self._settings.rows, seals=seals)

    def prepare(self, step: Step) -> Ready:
        """See `Workshop`."""
        within = round(self._settings.around_alerts * _NS)
        return letting_go.prepare(step, self._reader, self._lake, self._target, within)

    def rest(self) -> None:
        """See `Workshop`."""
        self._lake.close()


class Order(msgspec.Struct, frozen=True):
    """What the child is asked. Exactly one of the fields is set, or `take`."""

    take: bool = False
    merge: tuple[Piece, ...] = ()
    seals: bool = False
    step: Step | None = None


class Outset(msgspec.Struct, frozen=True):
    """What the child must know at first; on its standard input, as the key must not be seen in a process list."""

    journal: str
    key: bytes | None
    lake: str
    settings: HistorySettings


class Report(msgspec.Struct, frozen=True):
    """What the child did, or why it couldn't."""

    made: Made | None = None
    merged: Merged | None = None
    ready: Ready | None = None
    error: str = ""
    detail: tuple[str, ...] = ()


class ChildWorkshop:
    """Makes them in a child process, which starts when there is something to do and ends at `rest`."""

    def __init__(self, settings: HistorySettings, journal: Path, key: bytes | None, lake: Path) -> None:
        self._outset = Outset(str(journal), key, str(lake), settings)
        self._child: subprocess.Popen[bytes] | None = None

    def take(self) -> Made:
        """See `Workshop`."""
        return _given(self._ask(Order(take=True)).made)

    def merge(self, pieces: Sequence[Piece], *, seals: bool) -> Merged:
        """See `Workshop`."""
        return _given(self._ask(Order(merge=tuple(pieces), seals=seals)).merged)

    def prepare(self, step: Step) -> Ready:
        """See `Workshop`."""
        return _given(self._ask(Order(step=step)).ready)

    def rest(self) -> None:
        """See `Workshop`."""
        child, self._child = self._child, None
        if child is not None:
            _end(child, STOP_S)

    def _ask(self, order: Order) -> Report:
        child = self._child or self._start()
        try:
            send(child.stdin, order)
            report = receive(child.stdout, Report)
        except (OSError, ValueError) as error:
            raise self._died() from error
        if report is None:
            raise self._died()
        if report.error:
            raise _error(report)
        return report

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "holdfast.history.lake.worker"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment)  # noqa: S603  # our own words
        send(self._child.stdin, self._outset)
        return self._child

    def _died(self) -> WorkshopDied:
        child, self._child = self._child, None
        if child is None:
            return WorkshopDied(None)
        child.kill()
        return WorkshopDied(_end(child, STOP_S))


def _end(child: subprocess.Popen[bytes], patience_s: float) -> int:
    """Close its input, on which it ends, and wait; its exit status."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):  # what was still to be written has nobody to read it
                pipe.close()
    try:
        return child.wait(patience_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def send(pipe: Any, message: msgspec.Struct) -> None:
    """Write one message with its length before it."""
    data = msgspec.msgpack.encode(message)
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "little") + data)
    pipe.flush()


def receive(pipe: Any, kind: type[R]) -> R | None:
    """Read one message; None at the end of the pipe.

    Raises:
        ValueError: when it is none.
    """
    head = pipe.read(_LENGTH_BYTES)
    if len(head) < _LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "little")
    data = pipe.read(size)
    return msgspec.msgpack.decode(data, type=kind) if len(data) == size else None


def _given(found: R | None) -> R:
    if found is None:
        raise WorkshopDied(None)
    return found


def _error(report: Report) -> HistoryError | DiskFull | StorageFailed:
    match report.error:
        case "PieceDamaged":
            return PieceDamaged(report.detail[0], report.detail[1])
        case "PieceGone":
            return PieceGone(report.detail[0])
        case "DiskFull":
            return DiskFull(report.detail[0])
    return StorageFailed(f"{report.error}: {report.detail[0]}")
