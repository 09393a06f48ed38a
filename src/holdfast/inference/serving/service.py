"""Serving on the loop's thread: rows in by `offer`, results out by `tell`. Awaits only at its end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from holdfast.inference.serving.happenings import ResultsUntold
from holdfast.inference.serving.pieces import Job, Slot
from holdfast.inference.serving.pool import Worker
from holdfast.inference.serving.ports import Assignment, Deployment, Scorer
from holdfast.inference.serving.schedule import Emit, Schedule
from holdfast.inference.serving.settings import ServingSettings
from holdfast.inference.serving.status import ServingStatus, status_of
from holdfast.kernel.clock import Clock
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Results

TICK_S = 0.02
"""While something runs or waits."""
IDLE_TICK_S = 1.0
"""While a model is out and nothing waits."""


class Serving:
    """One node's models at work. Loop thread only; never blocks it."""

    def __init__(
        self,
        settings: ServingSettings,
        clock: Clock,
        *,
        tell: Callable[[Results], None],
        emit: Emit,
        release: Callable[[Scorer], None] = lambda _: None,
    ) -> None:
        """Take what it needs; threads start with the first deployment.

        tell:    results of one deployment, role and batch; must not block. Never called from within `offer`
        release: a model has run its last batch here
        """
        self.schedule = Schedule(settings, emit)
        self._clock, self._tell, self._emit, self._released = clock, tell, emit, release
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers: dict[int, Worker] = {}
        self._lost: list[Worker] = []
        self._is_due = False
        self._ticking: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._untold = 0
        self._quiet = asyncio.Event()

    def adopt(self, deployments: Sequence[Deployment], models: Mapping[str, Scorer]) -> None:
        """Serve these and no others. models: by the keys that deployments and assignments use; new ones are warmed up.

        A model is the same while it's the same object. One that's withdrawn still answers what waits for it, then
        it's released. Needs a running loop.

        Raises:
            ValueError: when a deployment names a model that isn't there; nothing is changed.
        """
        self._loop = asyncio.get_running_loop()
        self.schedule.adopt(deployments, models, self._clock.monotonic())
        self._wake()

    def offer(self, rows: FeatureRows, to: Sequence[Assignment]) -> None:
        """Rows for the models they're assigned to. Their arrays are kept, not copied: change them no more."""
        if self._is_closing:
            return
        self.schedule.offer(rows, to, self._clock.monotonic())
        self._wake()

    def is_warm(self, key: str) -> bool:
        """Is this model loaded, warmed up and well?"""
        lane = self.schedule.roster.lanes.get(key)
        return lane is not None and lane.health.is_able

    def status(self) -> ServingStatus:
        """How it goes, by deployment and model."""
        return status_of(self.schedule, self._clock.monotonic(), self._untold)

    async def stop(self, deadline_s: float = 5.0) -> None:
        """Take no more rows, score what waits, then end the threads. What isn't done in time gets its fallback."""
        self._is_closing = True
        until = self._clock.monotonic() + deadline_s
        while self._loop is not None and not self._is_done and (left := until - self._clock.monotonic()) > 0:
            self._quiet.clear()
            try:
                await asyncio.wait_for(self._quiet.wait(), left)
            except TimeoutError:
                break
        self.schedule.end(self._clock.monotonic())
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        for worker in (workers := [*self._workers.values(), *self._lost]):
            worker.close()
        self._hand_over()
        await asyncio.to_thread(_join, workers, 0.2)
        self._workers.clear()

    @property
    def _is_done(self) -> bool:
        return all(lane.is_idle or lane.health.is_out for lane in self.schedule.roster.every())

    def _wake(self) -> None:
        """Look at what there is once this turn of the loop is over: what comes in it makes one batch."""
        if not self._is_due and self._loop is not None:
            self._is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self._start()
        self._hand_over()
        self._tick_later()

    def _start(self) -> None:
        if self._loop is None or (self._is_closing and not self._workers):
            return
        for slot in self.schedule.replenish() if self.schedule.roster.has_models else ():
            self._workers[slot.number] = Worker(slot, self._loop, self._clock, self._finished)
        for slot, job in self.schedule.plan(self._clock.monotonic()):
            self._workers[slot.number].give(job)

    def _finished(self, slot: Slot, job: Job) -> None:
        self.schedule.done(slot, job, self._clock.monotonic())
        if (worker := self._workers.get(slot.number)) is not None:
            worker.revive()
        if self._is_due:  # a turn comes anyway, but the thread shouldn't wait for it
            self._start()
        else:
            self._turn()
        if self._is_done:
            self._quiet.set()

    def _hand_over(self) -> None:
        for results in self.schedule.answers.take():
            try:
                self._tell(results)
            except Exception as error:  # noqa: BLE001  # one listener's fault mustn't keep the others' results
                self._untold += len(results)
                self._emit(ResultsUntold(results.deployment, f"{type(error).__name__}: {error}"[:200]))
        released, self.schedule.released = self.schedule.released, []
        for scorer in released:
            self._released(scorer)

    def _tick_later(self) -> None:
        if self._ticking is not None or self._loop is None:
            return
        lanes = self.schedule.roster.every()
        if any(not lane.is_idle for lane in lanes):
            self._ticking = self._loop.call_later(TICK_S, self._tick)
        elif any(lane.health.is_out and lane.key for lane in lanes) or self.schedule.zombies:
            self._ticking = self._loop.call_later(IDLE_TICK_S, self._tick)
        else:
            self._quiet.set()

    def _tick(self) -> None:
        self._ticking = None
        now = self._clock.monotonic()
        for slot in self.schedule.overdue(now):
            if self._workers[slot.number].give_up(slot.jobs[0]):
                self._lost.append(self._workers.pop(slot.number))
                self.schedule.write_off(slot, now)
        for slot in self.schedule.dragging(now):
            self._workers[slot.number].slow_down(slot.jobs[0])
        self._lost = [worker for worker in self._lost if not worker.join(0.0)]
        self.schedule.tick(now)
        self._turn()


def _join(workers: Sequence[Worker], timeout_s: float) -> None:
    for worker in workers:
        worker.join(timeout_s)
