"""The terminal while the screen is up: keys one by one, a page of its own, and everything back as it was afterwards.

Lines are sent only where they changed: over a thin link a calm screen costs a few hundred bytes a second.
"""

import codecs
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType
from typing import Any, Self

from rich.console import Console
from rich.text import Text

from holdfast.cli.top.keys import decode

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # a page of its own, no cursor, no wrapping
_LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # drawn at once, where the terminal knows this
_ESCAPE_S = 0.05  # an Escape that nothing follows for so long is the key
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminal:
    """A context manager. Owns standard input and output while it's open, and the signals that end or stop a program."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._in, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._wake_in, self._wake_out = os.pipe()
        self._shown: list[str] = []
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._signals: list[int] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self.ended_by = 0
        """The signal that asked for the end; 0 = none did."""

    def __enter__(self) -> Self:
        for end in (self._wake_in, self._wake_out):
            os.set_blocking(end, False)
        for number in (*_ENDING, signal.SIGTSTP, signal.SIGWINCH):
            self._handlers[number] = signal.signal(number, self._note)
        try:
            self._open()
        except BaseException:
            self._give_back()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        self._close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._wake_in)
        os.close(self._wake_out)

    def wake(self) -> None:
        """From any thread: let `wait` return."""
        try:
            os.write(self._wake_out, b".")
        except OSError:
            return  # full: it wakes anyhow; closed: the screen is gone

    @property
    def size(self) -> tuple[int, int]:
        """(columns, lines) as they are now."""
        try:
            width, height = os.get_terminal_size(self._out)
        except OSError:
            return 80, 24
        return width or 80, height or 24

    def wait(self, seconds: float) -> list[str]:
        """Keys, as soon as there are any; none when something else happened or the time is over."""
        ready, _, _ = select.select([self._in, self._wake_in], [], [], _ESCAPE_S if self._rest else seconds)
        if self._wake_in in ready:
            os.read(self._wake_in, 4096)
        self._heed()
        if self._in in ready:
            data = os.read(self._in, 1024)
            if not data:
                self.ended_by = signal.SIGHUP  # the terminal is gone
            keys, self._rest = decode(self._rest + self._decoder.decode(data))
            return keys
        if self._rest and not ready:
            keys, self._rest = (["escape"] if self._rest == "\x1b" else []), ""
            return keys
        return []

    def redraw(self) -> None:
        """Forget what is shown: the next `draw` sends everything."""
        self._shown = []

    def draw(self, lines: Sequence[Text]) -> None:
        """Show these lines, the first at the top."""
        painted = [self._painted(one) for one in lines]
        parts = [] if self._shown else ["\x1b[2J"]
        for i, text in enumerate(painted):
            if i >= len(self._shown) or self._shown[i] != text:
                parts.append(f"\x1b[{i + 1};1H{text}\x1b[0m\x1b[K")
        if parts:
            self._write(_BEGIN + "".join(parts) + _END)
        self._shown = painted

    def _painted(self, text: Text) -> str:
        width = self.size[0]
        with self._console.capture() as capture:
            self._console.print(text, end="", no_wrap=True, overflow="crop", highlight=False, width=max(width, 1) + 1)
        return capture.get()

    def _open(self) -> None:
        self._before = termios.tcgetattr(self._in)
        tty.setcbreak(self._in, termios.TCSADRAIN)
        self._write(_ENTER)
        self._shown = []

    def _close(self) -> None:
        if self._before:
            self._write(_LEAVE)
            termios.tcsetattr(self._in, termios.TCSADRAIN, self._before)
            self._before = []

    def _note(self, number: int, _: FrameType | None) -> None:
        """A signal came; what is to be done about it is done in `wait`, between two frames."""
        self._signals.append(number)
        self.wake()

    def _heed(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number in _ENDING:
                self.ended_by = self.ended_by or number
            elif number == signal.SIGTSTP:
                self._close()
                os.kill(os.getpid(), signal.SIGSTOP)  # it goes on here when somebody says so
                self._open()
            self.redraw()

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._out, data) :]
        except OSError:
            self.ended_by = self.ended_by or signal.SIGHUP  # nobody reads: the terminal is gone
