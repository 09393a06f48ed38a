"""Tries a line once, before it's used."""

import asyncio
import contextlib

from holdfast.adapters.serial.errors import LineSilent
from holdfast.adapters.serial.intake import Frames
from holdfast.adapters.serial.settings import SerialSettings, bytes_of
from holdfast.adapters.serial.wire import Wire
from holdfast.kernel.clock import Clock

_TRY_S = 3.0
HINTS = {
    "checksum": "Is `checksum` the instrument's? Noise on the line and a wrong `baud` look like this, too",
    "encoding": "A wrong `baud`, `bits` or `parity` looks like this; or say its `encoding`",
    "too_long": "No end of a frame came: is `framing` the instrument's, and `baud`? Or raise `max_frame`",
}
"""What to do about frames that aren't taken, by why."""


class _Trial:
    """Owns the wire of one try."""

    def __init__(self, settings: SerialSettings, clock: Clock) -> None:
        self.settings, self.frames, self.bytes = settings, Frames(settings), 0
        self.heard = asyncio.Event()
        self._clock = clock

    def came(self, data: bytes) -> None:
        """Bytes came."""
        self.bytes += len(data)
        if self.frames.feed(data, self._clock.monotonic()):
            self.heard.set()

    def found(self, wait_s: float) -> str:
        """What came of it, in words.

        Raises:
            LineSilent: when nothing good did, and should have.
        """
        port, ask = self.settings.port, self.settings.ask
        if self.frames.taken:
            return f"{port} is open, and a frame came"
        refused = self.frames.refused
        if refused or (self.bytes and ask):
            worst = max(refused, key=lambda why: refused[why], default="too_long")
            said = ", ".join(f"{count} {why}" for why, count in refused.items())
            said = said or f"{self.bytes} bytes without an end"
            raise LineSilent(f"{port} is open, and no frame of what came is good: {said}", HINTS.get(worst, ""))
        if ask:
            raise LineSilent(f"{port} is open, and nothing answers `ask` within {wait_s:g} s", "Is the instrument on?")
        return f"{port} is open; no frame came within {wait_s:g} s, which may be as it should"


async def try_line(settings: SerialSettings, clock: Clock) -> str:
    """Open the port, ask where it must be asked, and wait for a frame; what was found.

    Raises:
        PortUnusable, LineLost, LineSilent: when it doesn't work; the hint says what to do.
    """
    trial = _Trial(settings, clock)
    wire = Wire(trial.came)
    await wire.open(settings)
    try:
        for text in filter(None, (settings.hello, settings.ask)):
            await wire.send(bytes_of(text))
        wait_s = settings.timeout if settings.ask else _TRY_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await trial.heard.wait()
        trial.frames.quiet(clock.monotonic())
        return trial.found(wait_s)
    finally:
        wire.close()
