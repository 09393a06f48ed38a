"""A command on a real pseudo-terminal, and what a person would see there (drawn by pyte, which isn't ours)."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyte


class Screen:
    """The command and its terminal. A pty's other end is kept open, so that its settings can be read afterwards."""

    def __init__(self, *words: object, size: tuple[int, int] = (80, 24), env: Mapping[str, str] | None = None) -> None:
        self.head, self.tail = pty.openpty()
        self.before = termios.tcgetattr(self.tail)
        self.display = pyte.HistoryScreen(*size)
        self.stream = pyte.ByteStream(self.display)
        self.sent = bytearray()
        self._size(size)
        surroundings = {name: text for name, text in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", *map(str, words)],
            stdin=self.tail, stdout=self.tail, stderr=self.tail,
            env={**surroundings, "TERM": "xterm-256color", **(env or {})},
            preexec_fn=self._own_terminal,  # noqa: PLW1509  # tests that use it have no threads
        )  # fmt: skip

    def _own_terminal(self) -> None:
        os.setsid()
        fcntl.ioctl(self.tail, termios.TIOCSCTTY, 0)

    def _size(self, size: tuple[int, int]) -> None:
        fcntl.ioctl(self.head, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        self._size((columns, lines))
        self.display.resize(lines, columns)
        self.process.send_signal(signal.SIGWINCH)

    def press(self, keys: str) -> None:
        os.write(self.head, keys.encode())

    def read(self, seconds: float = 0.05) -> None:
        ready, _, _ = select.select([self.head], [], [], seconds)
        if ready:
            data = os.read(self.head, 1 << 16)
            self.sent += data
            self.stream.feed(data)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.display.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, true: Callable[[str], Any], within: float = 30.0) -> str:
        deadline = time.monotonic() + within
        while not true(self.text):
            assert time.monotonic() < deadline, self.text
            self.read()
        return self.text

    def end(self) -> int:
        """Wait for the end; returns the exit code."""
        deadline = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self.read()
        self.read()
        return self.process.returncode

    def is_as_before(self) -> bool:
        """Are the terminal's settings those that it had, its own page back and the cursor there?"""
        settings = termios.tcgetattr(self.tail) == self.before
        shown = bytes(self.sent).rfind(b"\x1b[?1049l") > bytes(self.sent).rfind(b"\x1b[?1049h")
        cursor = bytes(self.sent).rfind(b"\x1b[?25h") > bytes(self.sent).rfind(b"\x1b[?25l")
        return settings and shown and cursor

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.head)
        os.close(self.tail)


def picture(screen: Screen, to: Path) -> None:
    """The screen as HTML, for looking at."""
    rows = []
    for y in range(screen.display.lines):
        cells = screen.display.buffer[y]
        parts = []
        for x in range(screen.display.columns):
            cell = cells[x]
            fore, back = (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)
            weight = "bold" if cell.bold else "normal"
            colour = {"default": "#111" if cell.reverse else "#ddd", "brown": "#d7af00"}.get(fore, fore)
            ground = {"default": "#ddd" if cell.reverse else "#111"}.get(back, back)
            shown = cell.data.replace("&", "&amp;").replace("<", "&lt;")
            parts.append(f'<span style="color:{colour};background:{ground};font-weight:{weight}">{shown}</span>')
        rows.append("".join(parts))
    shown = "\n".join(rows)
    style = "font:15px/18px monospace"
    to.write_text(f'<meta charset="utf-8"><body style="background:#111"><pre style="{style}">{shown}</pre>')
