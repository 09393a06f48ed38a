"""Lines on disk within a bound: files that are only appended to, of which the oldest goes when there are too many.

On disk: `<name>-00000012.jsonl` in one folder, each about an eighth of the bound. A line is whole or it isn't there:
what a crash left half written at the end of a file is cut off before more is added. Nothing is synced: these lines
say how things went, they are no data, and a power cut may take the last seconds of them.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import make_directory

PIECES = 8
SMALLEST_PIECE = 16 << 10


class Place(NamedTuple):
    """A point between lines: a file's number, and bytes into it. The default is before the first."""

    number: int = 0
    offset: int = 0


class Roll:
    """One kind of lines. Blocking; any thread."""

    def __init__(self, folder: Path, name: str, most_bytes: int) -> None:
        """Look what there is; nothing is made or changed before the first line. most_bytes: of all files together.

        Raises:
            StorageUnusable: when the folder can't be used.
        """
        self._folder, self._name = folder, name
        self._most, self._piece = most_bytes, max(SMALLEST_PIECE, most_bytes // PIECES)
        self._lock = threading.Lock()  # questions read on worker threads while the node writes
        self._is_mine = False
        with _told(folder):
            self._sizes = {int(p.stem.rpartition("-")[2]): p.stat().st_size for p in folder.glob(f"{name}-*.jsonl")}
        self.marked: Place | None = None
        """How far a reader is that wants every line; None = there is no such reader."""
        self.missed = 0
        """Lines that went before that reader had them."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines, none of which holds a newline; the oldest file goes when there are too many.

        Raises:
            StorageUnusable: when they can't be written; some of them may be.
        """
        with self._lock, _told(self._folder):
            if not self._is_mine:
                make_directory(self._folder)
                self._mend()
            self._is_mine = False  # until all is written: half a line may be there then
            newest = max(self._sizes, default=0)
            if not self._sizes or self._sizes[newest] >= self._piece:
                newest += 1
            text = b"".join(line + b"\n" for line in lines)
            with self._path(newest).open("ab") as out:
                out.write(text)
            self._sizes[newest] = self._sizes.get(newest, 0) + len(text)
            self._is_mine = True
            self._shrink()

    def mark(self, was: Place | None, place: Place) -> None:
        """The reader that wants every line went on from `was`; nothing happens when that isn't where it is now."""
        with self._lock:
            newest = max(self._sizes, default=0)
            if self.marked == was:  # a power cut may have taken lines that it had
                self.marked = min(place, Place(newest, self._sizes.get(newest, 0)))

    def unread_bytes(self) -> int:
        """Behind the mark."""
        with self._lock:
            if self.marked is None:
                return 0
            behind = sum(size for number, size in self._sizes.items() if number >= self.marked.number)
            return max(0, behind - self.marked.offset)

    def size_bytes(self) -> int:
        """Of all files."""
        return sum(self._sizes.values())

    def newest_first(self) -> Iterator[bytes]:
        """Every line, the newest first; lines that are added meanwhile may be missing."""
        for number in sorted(self._numbers(), reverse=True):
            yield from reversed(self._lines(number, 0)[0])

    def after(self, place: Place, most_bytes: int) -> tuple[list[bytes], Place]:
        """The oldest lines behind a place, about so many bytes of them, and the place behind those."""
        for number in sorted(self._numbers()):
            if number < place.number:
                continue
            start = place.offset if number == place.number else 0
            lines, read = self._lines(number, start, most_bytes)
            if lines:
                return lines, Place(number, start + read)
        return [], place

    def _numbers(self) -> list[int]:
        with self._lock:
            return list(self._sizes)

    def _lines(self, number: int, start: int, most_bytes: int = -1) -> tuple[list[bytes], int]:
        """Whole lines of a file from `start` on, and how many bytes they take; none when it's gone."""
        try:
            with self._path(number).open("rb") as file:
                file.seek(start)
                text = file.read(most_bytes)
                if most_bytes > 0 and text and not text.endswith(b"\n"):
                    text += file.readline()
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise StorageUnusable(f"{self._path(number)} can't be read: {error.strerror}") from error
        whole = text[: text.rfind(b"\n") + 1]
        return whole.splitlines(), len(whole)

    def _shrink(self) -> None:
        while len(self._sizes) > 1 and sum(self._sizes.values()) > self._most:
            oldest = min(self._sizes)
            if self.marked is not None and self.marked.number <= oldest:
                start = self.marked.offset if self.marked.number == oldest else 0
                self.missed += len(self._lines(oldest, start)[0])
                self.marked = Place(oldest + 1)
            self._path(oldest).unlink(missing_ok=True)
            del self._sizes[oldest]

    def _mend(self) -> None:
        """Cut off a line that was half written."""
        if not self._sizes:
            return
        newest = max(self._sizes)
        _, whole = self._lines(newest, 0)
        if whole < self._path(newest).stat().st_size:
            with self._path(newest).open("r+b") as file:
                file.truncate(whole)
        self._sizes[newest] = whole

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:08d}.jsonl"


class _told:  # noqa: N801  # a context manager that reads as a word
    """The system's refusal as this room's error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Say which folder."""
        if isinstance(error, OSError):
            raise StorageUnusable(f"{self._path} can't be written: {error.strerror}") from error
