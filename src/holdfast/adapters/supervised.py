"""One adapter at work, whatever it does: kept alive, with limits, counted, and said on change only.

An adapter's own fault, foreseen or not, never ends the node (G12): it's tried again after a jittered wait that grows
(`transport.backoff`), so that a hundred gateways don't come back to a broker in step. What it does well is told by
`worked`, which ends a row of failures.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Happening, Level, Telemetry
from holdfast.transport.backoff import Backoff

State = Literal["starting", "working", "paused", "failing", "stopped"]
Worked = Callable[[], None]
LONGEST_ERROR = 300


class AdapterStatus(Struct, frozen=True):
    """An adapter as an operator sees it.

    where:    address, device or file it's about; detail: what it's doing, in words
    since_ns: when it entered its state, ns UTC
    received: messages since the node started; unsettled: of them not on disk yet, so not acknowledged
    error:    the last one in plain words, and when; also after it works again; hint: what to do
    failures: since the node started; retry_in_s: until the next try, None = none is due
    """

    name: str
    kind: str
    where: str
    state: State
    since_ns: int
    detail: str = ""
    received: int = 0
    unsettled: int = 0
    error: str = ""
    hint: str = ""
    error_ns: int = 0
    failures: int = 0
    retry_in_s: float | None = None


class AdapterFailed(Happening, frozen=True):
    """An adapter can't do its work; it tries again by itself, and speaks next when it works."""

    level = Level.WARNING
    metric = "adapter_failures"
    adapter: str
    detail: str
    hint: str


class AdapterRecovered(Happening, frozen=True):
    """An adapter works again."""

    metric = "adapter_recoveries"
    adapter: str
    failures: int


class Supervised:
    """Runs one adapter for as long as the node does. Loop thread only."""

    def __init__(self, about: tuple[str, str, str], clock: Clock, telemetry: Telemetry, backoff: Backoff) -> None:
        """about: name, kind, where."""
        self._about, self._clock, self._telemetry, self._backoff = about, clock, telemetry, backoff
        self._state: State = "starting"
        self._since_ns = clock.wall_ns()
        self._error = self._hint = ""
        self._error_ns = self._failures = self._in_a_row = 0
        self._retry_at: float | None = None

    async def run(self, attempt: Callable[[Worked], Awaitable[None]]) -> None:
        """Run `attempt` until cancelled, again after each failure; one that returns has ended well.

        attempt: works until it's cancelled, and calls what it is given after each success
        """
        while True:
            try:
                await attempt(self.worked)
            except Exception as error:  # see the module's docstring
                self._failed(error)
                this = asyncio.current_task()
                if this is not None and this.cancelling():  # a TaskGroup that fails forgets it (Python 3.11)
                    raise asyncio.CancelledError from error
            else:
                self._enter("stopped")
                return
            await asyncio.sleep(max(0.0, (self._retry_at or 0.0) - self._clock.monotonic()))
            self._retry_at = None

    def worked(self) -> None:
        """It did something well. Cheap."""
        if self._state == "working":
            return
        if self._in_a_row:
            self._telemetry.emit(AdapterRecovered(adapter=self._about[0], failures=self._in_a_row))
        self._in_a_row = 0
        self._backoff.succeeded()
        self._enter("working")

    def _failed(self, error: Exception) -> None:
        said, hint = in_words(error)
        is_news = self._in_a_row == 0 or said != self._error
        self._failures, self._in_a_row = self._failures + 1, self._in_a_row + 1
        self._error, self._hint, self._error_ns = said, hint, self._clock.wall_ns()
        self._retry_at = self._clock.monotonic() + self._backoff.failed()
        self._enter("failing")
        if is_news:
            self._telemetry.emit(AdapterFailed(adapter=self._about[0], detail=said, hint=hint))

    def _enter(self, state: State) -> None:
        if state != self._state:
            self._state, self._since_ns = state, self._clock.wall_ns()

    @property
    def state(self) -> State:
        """How it is, in a word."""
        return self._state

    def status(self, detail: str = "", received: int = 0, unsettled: int = 0) -> AdapterStatus:
        """How it is; the rest is the adapter's to tell."""
        retry = None if self._retry_at is None else round(max(0.0, self._retry_at - self._clock.monotonic()), 1)
        return AdapterStatus(
            *self._about,
            self._state,
            self._since_ns,
            detail,
            received,
            unsettled,
            error=self._error,
            hint=self._hint,
            error_ns=self._error_ns,
            failures=self._failures,
            retry_in_s=retry,
        )


def in_words(error: Exception) -> tuple[str, str]:
    """An error as a person would say it, and what to do about it."""
    if isinstance(error, HoldfastError):
        return _sound(str(error).removesuffix(f". {error.hint}")), error.hint
    if isinstance(error, OSError) and error.strerror:
        about = f" ({error.filename})" if error.filename else ""
        return _sound(f"{error.strerror}{about}"), ""
    return _sound(f"{type(error).__name__}: {error}"), "this isn't foreseen: please report it with the log"


def _sound(text: str) -> str:
    """Without halves of surrogate pairs: libraries pass a peer's bytes on in errors, and no log could be written."""
    return text[:LONGEST_ERROR].encode("utf-8", "replace").decode()
