"""`serial:` in node.yaml: instruments on a serial port, or behind a serial server."""

import codecs
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration, Size

ChecksumRule = Literal["nmea", "xor", "sum8", "crc16-modbus"]
Mark = Annotated[str, Meta(min_length=1, max_length=16)]
_LARGEST_FRAME = 256_000
_ADDRESS = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[^\s/:]+):(\d{1,5})")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([0abtnvfr\\]))")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "\\": "\\"}
BINARY = "binary"


class ChecksumSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What proves a frame; it's verified, and cut off.

    written: its bytes as they are, or as hex digits; `nmea` is always `*hh`
    place:   before the frame's end, or behind it (`STX … ETX BCC`): then the end is covered, too
    """

    rule: ChecksumRule
    written: Literal["bytes", "hex"] = "bytes"
    place: Literal["before_end", "behind_end"] = "before_end"


class FramingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    r"""Where frames begin and end: `end`, `start` and `end`, `length`, `start` and `length`, or `gap`.

    start, end: bytes as text; `\x02` and the usual escapes stand for what can't be written
    length:     bytes of a frame, `start` included
    gap:        silence that ends a frame; of a `length`, silence after which what came is no frame any more
    """

    start: Mark | None = None
    end: Mark | None = None
    length: Annotated[int, Meta(ge=1, le=_LARGEST_FRAME)] | None = None
    gap: Duration | None = None


class SendSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command: what is sent, and what must come back.

    text:   sent; `{value}` is the command's value
    expect: a regular expression of the whole answer; its group, if it has one, is the value that the instrument took;
            absent = no answer is waited for, and nothing is known of what became of it
    """

    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    expect: Annotated[str, Meta(max_length=1000)] = ""
    timeout: Duration = 2.0


class SerialSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An instrument. Each frame is a message on `serial/NAME`.

    port:     `/dev/ttyUSB0`, `/dev/serial/by-id/…`, or `tcp://HOST:PORT` of a serial server (raw TCP)
    encoding: of the frames' text, which goes on as UTF-8; `binary` = bytes as they are
    joined:   what comes within so long of opening belongs to a frame whose beginning nobody saw, and is dropped
    hello:    sent once the port is open
    ask:      sent every `every`; a frame must come within `timeout`
    offline_after: so long without a frame, and it counts as gone; absent = three times `every`, or never
    """

    port: str
    baud: Annotated[int, Meta(ge=50, le=4_000_000)] = 9600
    bits: Literal[5, 6, 7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stop: float = 1
    flow: Literal["none", "rtscts", "xonxoff"] = "none"
    framing: FramingSettings = field(default_factory=lambda: FramingSettings(end="\n"))
    max_frame: Size = 4096
    encoding: str = "utf-8"
    checksum: ChecksumSettings | ChecksumRule | None = None
    joined: Duration = 0.1
    hello: str = ""
    ask: str = ""
    every: Duration = 10.0
    timeout: Duration = 2.0
    offline_after: Duration | None = None
    commands: dict[str, SendSettings] = field(default_factory=dict)
    backoff_min: Duration = 1.0
    backoff_max: Duration = 60.0

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of a serial server; None for a device."""
        found = _ADDRESS.fullmatch(self.port)
        return None if found is None else (found[1].strip("[]"), int(found[2]))

    @property
    def proof(self) -> ChecksumSettings | None:
        """The checksum, however short it was written."""
        return ChecksumSettings(rule=self.checksum) if isinstance(self.checksum, str) else self.checksum

    @property
    def silence_s(self) -> float:
        """Seconds without a frame after which it counts as gone; 0 = never."""
        if self.offline_after is not None:
            return self.offline_after
        return 3 * self.every if self.ask else 0.0

    def findings(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What contradicts itself: (key, what to do)."""
        if self.port.startswith("tcp:") and (self.address is None or not 0 < self.address[1] < 65_536):
            yield ("port",), "a serial server is `tcp://HOST:PORT`"
        elif not self.port.startswith(("/", "tcp://")):
            yield (
                ("port",),
                "a path such as /dev/serial/by-id/… (it stays when ports are numbered anew), or tcp://HOST:PORT",
            )
        if self.stop not in (1, 1.5, 2):
            yield ("stop",), "1, 1.5 or 2 stop bits"
        yield from _framing_faults(self.framing, self.proof)
        yield from self._text_faults()
        yield from self._asking_faults()

    def _text_faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if not 1 <= self.max_frame <= _LARGEST_FRAME:
            yield ("max_frame",), f"1 to {_LARGEST_FRAME} bytes"
        if self.encoding != BINARY and not _is_encoding(self.encoding):
            yield ("encoding",), f"`{self.encoding}` is no encoding known here: utf-8, latin-1, cp1252, binary …"
        for name, one in self.commands.items():
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                yield ("commands", name), "a command is called by letters, digits, `_`, `-`"
            if not _is_pattern(one.expect):
                yield ("commands", name, "expect"), f"`{one.expect}` is no regular expression"

    def _asking_faults(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if self.ask and (self.every < 0.01 or self.timeout > self.every):
            yield ("every",), "at least 10ms, and no less than `timeout`: questions don't overtake one another"
        if 0 < self.silence_s < self.every and self.ask:
            yield ("offline_after",), "more than `every`, or it counts as gone between two questions"


def _framing_faults(framing: FramingSettings, proof: ChecksumSettings | None) -> Iterator[tuple[tuple[str, ...], str]]:
    kinds = [framing.end is not None, framing.length is not None]
    if sum(kinds) > 1 or (not any(kinds) and framing.gap is None):
        yield ("framing",), "one of `end` (a delimiter), `length` and `gap`"
    if framing.gap is not None and framing.end is not None:
        yield ("framing", "gap"), "`gap` ends a frame, or goes with `length`; `end` needs none"
    if framing.gap is not None and not 0.001 <= framing.gap <= 60:
        yield ("framing", "gap"), "1ms to 60s"
    if framing.start is not None and framing.end is None and framing.length is None:
        yield ("framing", "start"), "`start` goes with `end` or `length`"
    if framing.length is not None and framing.start is not None and framing.length <= len(bytes_of(framing.start)):
        yield ("framing", "length"), "`start` is part of it: more bytes than that"
    if proof is not None and proof.place == "behind_end" and (framing.end is None or proof.rule == "nmea"):
        yield ("checksum", "place"), "`behind_end` needs an `end` that it can stand behind"


def bytes_of(text: str, encoding: str = "utf-8") -> bytes:
    r"""A setting's text as the bytes that are meant: `\x02`, `\r` … are escapes, the rest is in `encoding`.

    Raises:
        UnicodeError: when `encoding` hasn't all of it.
    """
    out, at = bytearray(), 0
    for found in _ESCAPE.finditer(text):
        out += text[at : found.start()].encode(encoding)
        out += bytes.fromhex(found[1]) if found[1] else _ESCAPES[found[2]].encode()
        at = found.end()
    return bytes(out + text[at:].encode(encoding))


def _is_encoding(name: str) -> bool:
    try:
        return codecs.lookup(name)._is_text_encoding  # noqa: SLF001  # what bytes.decode itself asks
    except (LookupError, ValueError):
        return False


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True
