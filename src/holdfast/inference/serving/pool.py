"""Threads that run models. One inbox each; what ends is told on the loop's thread, once a job.

A thread that a model holds on to can't be killed, so it's given up: it takes no further job, its priority sinks, and
when the model lets go of it, it ends. ONNX Runtime releases the GIL while it runs and can be asked to stop.

When another job is laid out already, the thread prepares it (copies, casts, checks) before it tells the loop of the one
that has ended: both would want the GIL, and each of numpy's steps would wait for the loop. This way the loop has it
while the model runs.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from holdfast.inference.feeding import Room, together
from holdfast.inference.serving.pieces import Job, Slot
from holdfast.inference.serving.ports import Interruptible, zeros
from holdfast.kernel.clock import Clock

LOWEST = 19
"""The niceness of a thread whose run takes far too long: it may be spinning, and the loop needs the core."""

Done = Callable[[Slot, Job], None]


class Worker:
    """One thread and its inbox."""

    def __init__(self, slot: Slot, loop: asyncio.AbstractEventLoop, clock: Clock, done: Done) -> None:
        self._slot, self._loop, self._clock, self._done = slot, loop, clock, done
        self._inbox: deque[Job] = deque()
        self._bell = threading.Condition()
        self._running: Job | None = None
        self._retired = self._has_sunk = False
        self._begin()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"holdfast-models-{self._slot.number}", daemon=True)
        self._thread.start()

    def give(self, job: Job) -> None:
        """Run this after what was given before."""
        with self._bell:
            self._inbox.append(job)
            self._bell.notify()

    def give_up(self, job: Job) -> bool:
        """Start nothing more, if this is what runs now; False: it isn't any more."""
        with self._bell:
            if self._running is not job:
                return False
            self._retired = True
            self._inbox.clear()
        if isinstance(job.lane.scorer, Interruptible):
            job.lane.scorer.interrupt()
        self._sink()
        return True

    def slow_down(self, job: Job) -> None:
        """What runs now takes far too long: let everything else go first until it's done."""
        with self._bell:
            if self._running is job and not self._has_sunk:
                self._has_sunk = True
                self._sink()

    def _sink(self) -> None:
        if self._thread.native_id is not None:
            with suppress(OSError, AttributeError):  # it has just ended, or this system has no priorities of threads
                os.setpriority(os.PRIO_PROCESS, self._thread.native_id, LOWEST)

    def revive(self) -> None:
        """A job is done: have a thread of the usual priority for the next. Loop thread only."""
        with self._bell:
            if self._has_sunk and self._running is None and not self._retired:
                self._has_sunk = False
                self._begin()

    def close(self) -> None:
        """Start nothing more, and end what runs if that can be."""
        with self._bell:
            self._retired = True
            self._inbox.clear()
            self._bell.notify()
            running = self._running
        if running is not None and isinstance(running.lane.scorer, Interruptible):
            running.lane.scorer.interrupt()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; blocks. False: it's still at it."""
        self._thread.join(max(timeout_s, 0.0))
        return not self._thread.is_alive()

    def _run(self) -> None:
        room, ended = Room(), None
        while True:
            job = self._take(waits=ended is None)
            ready = None if job is None else _prepare(job, self._clock, room)
            if ended is not None:
                self._tell(ended)
            elif job is None:
                return
            if (ended := job) is not None:
                _score(ended, ready, self._clock)
                if self._has_to_end():
                    self._tell(ended)
                    return

    def _tell(self, job: Job) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(self._done, self._slot, job)

    def _has_to_end(self) -> bool:
        """Whoever isn't root can't raise a priority, and a thread inherits that of the one that starts it."""
        with self._bell:
            self._running = None
            return self._has_sunk or self._retired

    def _take(self, *, waits: bool) -> Job | None:
        """What's next. None: nothing is (unless it waits), or nothing will be."""
        with self._bell:
            while waits and not self._inbox and not self._retired:
                self._bell.wait()
            if self._retired or not self._inbox:
                return None
            self._running = self._inbox.popleft()
            self._running.started = self._clock.monotonic()
            return self._running


def _prepare(job: Job, clock: Clock, room: Room) -> Any:
    """What `_score` takes; None: the job has an error."""
    began, lane = clock.monotonic(), job.lane
    try:
        parts = [piece.rows.values for piece in job.pieces] or [zeros(job.n, lane.scorer.width)]
        return together(parts, room) if lane.staged is None else lane.staged.prepare(parts, room)
    except BaseException as error:  # noqa: BLE001  # whatever a model raises is its own fault, and the thread's to survive
        job.error = _said(error)
    finally:
        job.took_s = clock.monotonic() - began


def _score(job: Job, ready: Any, clock: Clock) -> None:
    began, lane = clock.monotonic(), job.lane
    if not job.error:
        try:
            said = lane.scorer.predict(ready) if lane.staged is None else lane.staged.score(ready)
            if not len(said.score) == len(said.label) == len(said.confidence) == job.n:
                job.error = f"it was given {job.n} rows and said something of {len(said.score)}"
            else:
                job.finite = bool(np.isfinite(said.score).all())
                job.said = said
        except BaseException as error:  # noqa: BLE001  # as above
            job.error = _said(error)
    job.took_s += clock.monotonic() - began


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]
