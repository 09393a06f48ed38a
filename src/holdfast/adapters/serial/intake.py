"""Frames to messages: verified, put into UTF-8, counted. Pure."""

from collections import Counter

from holdfast.adapters.serial.checksums import stripper
from holdfast.adapters.serial.framing import framer_of
from holdfast.adapters.serial.settings import BINARY, SerialSettings, bytes_of

_SHOWN = 24


class Frames:
    """What one line's bytes become.

    taken:   frames that became payloads
    refused: what didn't, by why: `checksum`, `encoding`, and those of `framing`
    begins:  of the last one that a checksum or encoding refused, the first bytes in hex
    """

    def __init__(self, settings: SerialSettings) -> None:
        proof, end = settings.proof, settings.framing.end
        self._framer = framer_of(settings)
        self._strip = None if proof is None else stripper(proof, b"" if end is None else bytes_of(end))
        self._encoding = None if settings.encoding == BINARY else settings.encoding
        self._own: Counter[str] = Counter()
        self.taken = 0
        self.begins = ""

    @property
    def refused(self) -> Counter[str]:
        """Frames that weren't taken, by why; bytes of `noise` don't count among them."""
        total = self._own + self._framer.dropped
        del total["noise"]
        return total

    def refused_for(self, why: str) -> int:
        """Frames that weren't taken for this."""
        return self.refused[why]

    @property
    def noise(self) -> int:
        """Bytes outside of any frame."""
        return self._framer.dropped["noise"]

    @property
    def due(self) -> float | None:
        """When `quiet` wants to be called, monotonic seconds."""
        return self._framer.due

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """Bytes came; the payloads they make."""
        return self._payloads(self._framer.feed(data, now))

    def quiet(self, now: float) -> list[bytes]:
        """Nothing came for a while; the payloads that silence makes."""
        return self._payloads(self._framer.quiet(now))

    def joined(self) -> None:
        """The line was opened in the middle of a frame."""
        self._framer.joined()

    def cut(self) -> None:
        """The line is gone."""
        self._framer.cut()

    def _payloads(self, frames: list[bytes]) -> list[bytes]:
        found = [payload for frame in frames if (payload := self._payload(frame)) is not None]
        self.taken += len(found)
        return found

    def _payload(self, frame: bytes) -> bytes | None:
        body = frame if self._strip is None else self._strip(frame)
        if body is None:
            self._refuse("checksum", frame)
            return None
        if self._encoding is None:
            return body
        try:
            text = body.decode(self._encoding)
            return text.encode()
        except (UnicodeDecodeError, UnicodeEncodeError):  # the latter: half a surrogate pair, as UTF-7 can hold
            self._refuse("encoding", frame)
            return None

    def _refuse(self, why: str, frame: bytes) -> None:
        self._own[why] += 1
        self.begins = frame[:_SHOWN].hex(" ")
