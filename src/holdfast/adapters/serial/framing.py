"""Bytes to frames: by an end, between a start and an end, by length, by silence. Pure; memory is bounded.

A framer holds at most one unfinished frame of `most` bytes. What can't become a frame is dropped and counted:

    too_long   no end within `most` bytes; everything up to the next end goes
    partial    cut: by the line's end, by a new start, by silence within a fixed length, or joined in its middle
    noise      bytes outside of any frame, where frames have a start

Nothing is repaired: a frame whose beginning nobody saw may read as another value, `3.5` of `23.5`.
"""

from collections import Counter
from typing import Protocol

from holdfast.adapters.serial.checksums import width_of
from holdfast.adapters.serial.settings import SerialSettings, bytes_of

_PATIENCE_S = 0.5
"""Silence within a frame of fixed length after which its rest won't come."""


class Framer(Protocol):
    """Makes frames of what comes. `dropped`: what was dropped since it was made, by why; `noise` in bytes."""

    dropped: Counter[str]

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came; the frames that are whole now. now: monotonic seconds."""

    def quiet(self, now: float) -> list[bytes]:
        """Nothing came for a while; frames that silence ends."""

    @property
    def due(self) -> float | None:
        """When `quiet` wants to be called, monotonic seconds; None = not at all."""

    def cut(self) -> None:
        """The line is gone: what is unfinished is dropped."""

    def joined(self) -> None:
        """The line was opened in the middle of a frame: drop what comes up to where one surely begins."""


def framer_of(settings: SerialSettings) -> Framer:
    """The framer that the settings want."""
    f, most = settings.framing, settings.max_frame
    start = b"" if f.start is None else bytes_of(f.start)
    if f.length is not None:
        return FixedFramer(f.length, start, f.gap or _PATIENCE_S)
    if f.end is None:
        return GapFramer(f.gap or _PATIENCE_S, most)
    proof = settings.proof
    behind = width_of(proof) if proof is not None and proof.place == "behind_end" else 0
    return MarkedFramer(bytes_of(f.end), start, most, behind)


class MarkedFramer:
    """Frames end with `end`, and begin with `start` where it isn't empty; neither is part of what it gives.

    behind: bytes of a checksum that stand behind the end, and are part of it
    """

    def __init__(self, end: bytes, start: bytes = b"", most: int = 4096, behind: int = 0) -> None:
        self.dropped: Counter[str] = Counter()
        self.due: float | None = None
        self._end, self._start, self._most, self._behind = end, start, most, behind
        self._buffer = bytearray()
        self._looked = 0  # no end begins before it
        self._skipping = ""  # why what comes up to the next end is dropped

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came."""
        del now
        self._buffer += data
        frames = list[bytes]()
        at = 0
        while True:
            if self._start and not self._skipping:
                at = self._begin(at)
            inside = at + len(self._start) if self._buffer.startswith(self._start, at) else at
            found = self._buffer.find(self._end, max(inside, self._looked))
            stop = found + len(self._end)
            if found < 0 or len(self._buffer) < stop + self._behind:
                break
            body = self._buffer[at:found] + self._buffer[stop : stop + self._behind]
            at = self._looked = stop + self._behind
            self._take(bytes(body), frames)
        del self._buffer[:at]
        self._looked = max(0, len(self._buffer) - len(self._end) - self._behind + 1)
        self._bound()
        return frames

    def quiet(self, now: float) -> list[bytes]:
        """Silence means nothing here."""
        del now
        return []

    def cut(self) -> None:
        """The line is gone."""
        if self._buffer and not self._skipping:
            self.dropped["partial"] += 1
        self._buffer.clear()
        self._looked, self._skipping = 0, ""

    def joined(self) -> None:
        """Drop up to the next end; with a start there's nothing to drop."""
        if not self._start:
            self._skipping = "partial"

    def _begin(self, at: int) -> int:
        """Where the frame begins; what stands before it is noise."""
        found = self._buffer.find(self._start, at)
        if found < 0:
            # perhaps the start's first bytes are the buffer's last
            found = max(at, len(self._buffer) - len(self._start) + 1)
        if found > at:
            self.dropped["noise"] += found - at
            self._looked = max(self._looked, found)
        return found

    def _take(self, body: bytes, frames: list[bytes]) -> None:
        if self._skipping:
            self.dropped[self._skipping] += 1
            self._skipping = ""
            return
        if self._start:
            if not body.startswith(self._start):  # an end without a start
                self.dropped["noise"] += len(body) + len(self._end)
                return
            head, *cut = body.split(self._start)[1:]
            if cut:  # began anew before it ended
                self.dropped["partial"] += len(cut)
                head = cut[-1]
            body = head
        elif self._end == b"\n":
            body = body.removesuffix(b"\r")
        if len(body) > self._most:
            self.dropped["too_long"] += 1
        elif body:
            frames.append(body)

    def _bound(self) -> None:
        """What is unfinished stays within `most`."""
        if self._skipping:
            keep = len(self._end) - 1
            del self._buffer[: max(0, len(self._buffer) - keep)]
            self._looked = 0
        elif len(self._buffer) > self._most + len(self._start) + len(self._end) + self._behind:
            if self._start:  # the newest one shows where to begin again
                self.dropped["too_long"] += 1
                newest = self._buffer.rfind(self._start, 1)
                del self._buffer[: newest if newest > 0 else len(self._buffer) - len(self._start) + 1]
                self._looked = 0
            else:
                self._skipping = "too_long"
                self._bound()


class FixedFramer:
    """Frames of one length; `start`, where it isn't empty, is their first bytes and part of them.

    Without a start it's silence that shows where they begin: bytes that stay without their rest for `patience_s` are
    dropped.
    """

    def __init__(self, length: int, start: bytes = b"", patience_s: float = _PATIENCE_S) -> None:
        self.dropped: Counter[str] = Counter()
        self._length, self._start, self._patience_s = length, start, patience_s
        self._buffer = bytearray()
        self._came = 0.0
        self._skipping = False

    @property
    def due(self) -> float | None:
        """When what is unfinished is too old."""
        return self._came + self._patience_s if self._buffer or self._skipping else None

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came."""
        self.quiet(now)
        self._came = now
        if self._skipping:
            return []
        self._buffer += data
        frames = list[bytes]()
        at = 0
        while True:
            if self._start:
                at = self._begin(at)
            if len(self._buffer) - at < self._length:
                break
            frames.append(bytes(self._buffer[at : at + self._length]))
            at += self._length
        del self._buffer[:at]
        return frames

    def quiet(self, now: float) -> list[bytes]:
        """What stayed without its rest is dropped."""
        due = self.due
        if due is not None and now >= due:
            self.cut()
        return []

    def cut(self) -> None:
        """The line is gone."""
        if self._buffer or self._skipping:
            self.dropped["partial"] += 1
        self._buffer.clear()
        self._skipping = False

    def joined(self) -> None:
        """Without a start, drop up to the next silence."""
        self._skipping = not self._start

    def _begin(self, at: int) -> int:
        found = self._buffer.find(self._start, at)
        if found < 0:
            found = max(at, len(self._buffer) - len(self._start) + 1)
        if found > at:
            self.dropped["noise"] += found - at
        return found


class GapFramer:
    """Frames end when nothing has come for `gap_s`."""

    def __init__(self, gap_s: float, most: int = 4096) -> None:
        self.dropped: Counter[str] = Counter()
        self._gap_s, self._most = gap_s, most
        self._buffer = bytearray()
        self._came = 0.0
        self._skipping = ""

    @property
    def due(self) -> float | None:
        """When the frame ends if nothing comes."""
        return self._came + self._gap_s if self._buffer or self._skipping else None

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came."""
        frames = self.quiet(now)
        self._came = now
        if not self._skipping:
            self._buffer += data
            if len(self._buffer) > self._most:
                self._buffer.clear()
                self._skipping = "too_long"
        return frames

    def quiet(self, now: float) -> list[bytes]:
        """The frame that silence ended."""
        due = self.due
        if due is None or now < due:
            return []
        if self._skipping:
            self.dropped[self._skipping] += 1
            self._skipping = ""
            return []
        frame = bytes(self._buffer)
        self._buffer.clear()
        return [frame]

    def cut(self) -> None:
        """The line is gone: nobody knows whether more would have come."""
        if self._buffer or self._skipping:
            self.dropped[self._skipping or "partial"] += 1
        self._buffer.clear()
        self._skipping = ""

    def joined(self) -> None:
        """Drop up to the next silence."""
        self._skipping = "partial"
