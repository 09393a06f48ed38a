"""The screen at work: what is new is drawn, keys are heeded, and all is given back at the end."""

import getpass
import os
import sys
import time
from dataclasses import replace

import typer
from rich.console import Console

from holdfast.cli.core import USAGE, misused
from holdfast.cli.node_api import Api, Declined, Unanswered
from holdfast.cli.top.frame import frame
from holdfast.cli.top.lists import selected
from holdfast.cli.top.look import Look, Looking
from holdfast.cli.top.picking import lines_of
from holdfast.cli.top.state import State, View, press
from holdfast.cli.top.terminal import Terminal
from holdfast.cli.top.trends import Trends
from holdfast.kernel.clock import Clock

_SAID_S = 6.0
_REDRAW_S = 1.0
_ONCE_APART_S = 1.0
_NO_TTY = (100, 40)


def show(api: Api, view: View, by: str, clock: Clock) -> int:
    """The live screen until somebody has seen enough. Returns 0, or 128 + the signal that ended it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return misused("this needs a terminal", "`--once` prints one frame")
    console = Console(highlight=False, force_terminal=True)
    trends, state = Trends(), State(view)
    with Terminal(console) as terminal:
        looking = Looking(api, clock, terminal.wake, by or _me())
        looking.start()
        said = _Said(clock)
        while not (state.quits or terminal.ended_by):
            look = said.of(looking.look)
            if look.status is not None:
                trends.feed(look.status)
            terminal.draw(frame(look, trends, state, str(api), terminal.size))
            for key in terminal.wait(_REDRAW_S):
                state = _after(state, key, looking, terminal)
                said.forget(looking.look)
    return 0 if state.quits else 128 + terminal.ended_by


def once(api: Api, view: View, clock: Clock) -> int:
    """One frame to standard output: plain text where that's no terminal. Returns 0, or 2 when the node isn't there."""
    trends, looking = Trends(), Looking(api, clock, lambda: None)
    try:
        first = looking.once()
        _feed(trends, first)
        time.sleep(_ONCE_APART_S)  # a rate needs two looks
        look = looking.once()
        _feed(trends, look)
    except (Unanswered, Declined) as error:
        misused(str(error), error.hint)
        return USAGE
    is_tty = sys.stdout.isatty()
    size = os.get_terminal_size() if is_tty else _asked_size()
    console = Console(highlight=False, width=size[0] + 1)
    for text in frame(look, trends, State(view), str(api), (size[0], size[1])):
        if is_tty:
            console.print(text, no_wrap=True, overflow="crop")
        else:
            typer.echo(text.plain.rstrip())
    return 0


class _Said:
    """What became of a request is said for a few seconds, or until the next key."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._text, self._until = clock, "", 0.0

    def of(self, look: Look) -> Look:
        if look.said != self._text:
            self._text, self._until = look.said, self._clock.monotonic() + _SAID_S
        return look if self._clock.monotonic() < self._until else replace(look, said="")

    def forget(self, look: Look) -> None:
        self._text, self._until = look.said, 0.0


def _after(state: State, key: str, looking: Looking, terminal: Terminal) -> State:
    if key == "redraw":
        terminal.redraw()
        return state
    look = looking.look
    state = press(state, key, selected(look, state), lines_of(look, state))
    if state.wants:
        looking.acknowledge(state.wants)
        state = replace(state, wants=0)
    return state


def _feed(trends: Trends, look: Look) -> None:
    if look.status is not None:
        trends.feed(look.status)


def _asked_size() -> tuple[int, int]:
    """COLUMNS and LINES, for scripts."""
    found = (os.environ.get("COLUMNS", ""), os.environ.get("LINES", ""))
    width, height = (int(text) if text.isdigit() and int(text) else 0 for text in found)
    return width or _NO_TTY[0], height or _NO_TTY[1]


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"uid {os.getuid()}"
