"""Decides what runs next, and what becomes of what can't. Feed it facts and the time; do what it returns. Pure.

Rows come by `offer`; `plan` says which job goes to which thread; `done` and `write_off` say how it ended; `tick`
lets time pass. What's to be told lies in `answers`. Every row offered is told once, or counted as to why not.

While a job runs, rows gather; a thread is given a second job only when a whole batch waits already (then its next run
starts without a turn of the loop in between). A shadow's rows run when nothing else waits.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from holdfast.inference.serving.answers import Answers
from holdfast.inference.serving.happenings import (
    DeploymentCameBack,
    DeploymentFellBack,
    ModelBroken,
    ModelRecovered,
    ModelStuck,
)
from holdfast.inference.serving.health import Fitness
from holdfast.inference.serving.lanes import Lane
from holdfast.inference.serving.pieces import Job, Piece, Slot
from holdfast.inference.serving.ports import Assignment, Deployment, Scorer
from holdfast.inference.serving.posts import Post
from holdfast.inference.serving.pressure import Budget
from holdfast.inference.serving.roster import Roster
from holdfast.inference.serving.settings import ServingSettings
from holdfast.inference.serving.turns import Turns
from holdfast.model.features import UNUSABLE, FeatureRows
from holdfast.model.predictions import How
from holdfast.telemetry.happenings import Happening

DRAGS = 0.1
"""A run that took so much of what makes it stuck goes on behind everything else: two budgets, at least 0.2 s."""

Emit = Callable[[Happening], None]


class Schedule:
    """One node's models. Never blocks, never looks at a clock."""

    def __init__(self, settings: ServingSettings, emit: Emit) -> None:
        self.settings = settings
        self.roster = Roster(settings)
        self.answers = Answers(self.roster)
        self.slots: list[Slot] = []
        self.zombies: list[Job] = []
        """Runs whose threads were given up and haven't returned."""
        self.unassigned = 0
        """Rows for a deployment, role and model that aren't here."""
        self.released: list[Scorer] = []
        """Models that have run their last batch; whoever takes them from here may close them."""
        self._emit = emit
        self._turns = Turns()
        self._made = 0

    # deployments

    def adopt(self, deployments: Sequence[Deployment], models: Mapping[str, Scorer], now: float) -> None:
        """Serve these and no others.

        Raises:
            ValueError: when a deployment names a model that isn't there; nothing is changed.
        """
        self.roster.adopt(deployments, models)
        for lane in self.roster.leaving:
            if lane.health.is_out:
                self._flush(lane, now)
        self._release()

    # rows

    def offer(self, rows: FeatureRows, to: Sequence[Assignment], now: float) -> None:
        """Rows came."""
        for one in to:
            part = rows if one.rows is None else rows.take(one.rows)
            if not len(part):
                continue
            post = self.roster.posts.get((one.deployment, one.role, one.model))
            if post is None:
                self.unassigned += len(part)
            else:
                self._offer(post, part, now)
        if self.roster.nbytes > self.settings.waiting_bytes or self.roster.rows > self.settings.waiting_rows:
            self._shed(now)

    def _offer(self, post: Post, rows: FeatureRows, now: float) -> None:
        post.seen = now
        post.counts.offered += len(rows)
        if np.count_nonzero(rows.flags) and (rows.flags & UNUSABLE).any():
            usable = rows.usable
            self.answers.unusable(Piece(post, rows.take(~usable)), now)
            rows = rows.take(usable)
            if not len(rows):
                return
        piece, lane = Piece(post, rows), post.lane
        if lane.health.is_out or not self.has_threads:
            self.answers.fall(piece, now)
        elif rows.values.shape[1] != lane.scorer.width:
            lane.errors += 1
            lane.last_error = f"rows have {rows.values.shape[1]} numbers, the model takes {lane.scorer.width}"
            self.answers.fall(piece, now)
        elif post.acts and post.pressure.state is Budget.FALLING:
            self._probe_or_fall(piece, now)
        else:
            lane.push(piece)
            if post.acts and lane.health.is_able:
                waited = now - rows.arrived + self.busy_s(now) + lane.expected(0)
                post.pressure.foreseen(waited / post.budget_s, now)

    def _probe_or_fall(self, piece: Piece, now: float) -> None:
        lane = piece.post.lane
        if not lane.acting and not lane.flying and piece.post.pressure.wants_probe(now):
            piece.probe = True
            lane.push(piece)
        else:
            self.answers.fall(piece, now)

    def busy_s(self, now: float) -> float:
        """How long until a thread is free, s."""
        return min((sum(_left(job, now) for job in slot.jobs) for slot in self.slots), default=0.0)

    @property
    def has_threads(self) -> bool:
        """Can anything be run?"""
        return bool(self.slots) or len(self.zombies) <= self.settings.spare

    def _shed(self, now: float) -> None:
        """Too much waits: shadows' rows go first, then the older ones of a device, then the oldest of the most."""
        for lane in self.roster.every():
            for piece in lane.drop_shadows(float("inf")):
                self.answers.skip(piece, now)
        if self._is_full:
            for lane in self.roster.every():
                for piece in lane.thin():
                    self.answers.skip(piece, now)
        while self._is_full:
            most = max(self.roster.every(), key=lambda lane: (lane.nbytes, lane.rows))
            for piece in most.take(max(most.most // 4, 1)):
                self.answers.skip(piece, now)

    @property
    def _is_full(self) -> bool:
        return (
            self.roster.nbytes > self.settings.waiting_bytes * 7 // 8
            or self.roster.rows > self.settings.waiting_rows * 7 // 8
        )

    # threads

    def replenish(self) -> list[Slot]:
        """Places for which a thread should be started: at the start, and for one that was given up."""
        made = []
        while len(self.slots) < self.settings.workers and len(self.zombies) <= self.settings.spare:
            self._made += 1
            made.append(Slot(self._made))
            self.slots.append(made[-1])
        return made

    def plan(self, now: float) -> list[tuple[Slot, Job]]:
        """Jobs to start now; each thread runs its own in order."""
        lanes = self.roster.every()
        self._turns.ready([lane.number for lane in lanes if not lane.is_idle or lane.warm])
        planned = []
        for depth in (1, 2):
            for slot in self.slots:
                if len(slot.jobs) >= depth:
                    continue
                if (job := self._next(slot, lanes, now)) is not None:
                    slot.jobs.append(job)
                    job.lane.slot, job.lane.flying = slot, job.lane.flying + 1
                    self._turns.spent(job.lane.number, job.planned_s)
                    planned.append((slot, job))
        return planned

    def _next(self, slot: Slot, lanes: Sequence[Lane], now: float) -> Job | None:
        free = [lane for lane in lanes if lane.slot is None or lane.slot is slot]
        if ready := [lane for lane in free if (lane.health.is_able and lane.acting) or _is_cold(lane)]:
            lane = self._turn_of(ready)
            if slot.jobs and (_is_cold(lane) or 2 * lane.rows < lane.limit):
                return None  # a second one only of what is worth a batch already; nobody is passed over for it
            return lane.warm_up() if _is_cold(lane) else self._batch(lane, now)
        idle = [lane for lane in free if lane.health.is_able and lane.shadowing]
        if slot.jobs or not idle:
            return None
        lane = self._turn_of(idle)
        pieces = lane.take_shadow(min(self.roster.hog_s(lane, now), lane.budget_s))
        return _job(lane, pieces)

    def _turn_of(self, lanes: Collection[Lane]) -> Lane:
        picked = self._turns.pick([lane.number for lane in lanes])
        return next(lane for lane in lanes if lane.number == picked)

    def _batch(self, lane: Lane, now: float) -> Job | None:
        if any(post.pressure.state is Budget.PRESSED for post in lane.posts):
            for piece in lane.thin():
                self.answers.skip(piece, now)
        pieces = lane.take(lane.batch_limit(now, self.roster.hog_s(lane, now)))
        return _job(lane, pieces)

    def done(self, slot: Slot, job: Job, now: float) -> None:
        """A job has ended: it has `said` or an `error`."""
        lane = job.lane
        if job.abandoned:  # its rows were answered; its thread ends
            self.zombies.remove(job)
            self._release()
            return
        self._land(slot, job)
        self._turns.spent(lane.number, job.took_s - job.planned_s)
        if job.error or job.said is None:
            self._failed(job, now)
        else:
            lane.costs.add(job.n, job.took_s)
            lane.runs, lane.run_rows = lane.runs + 1, lane.run_rows + job.n
            if job.pieces:
                lane.health.succeeded(now)
                self.answers.of_job(job, job.said, now)
                self._measure(job, now)
            elif not lane.warm and lane.health.state is Fitness.WARMING:
                self._warmed(lane, now)
        self._release()

    def _land(self, slot: Slot, job: Job) -> None:
        slot.jobs.remove(job)
        job.lane.flying -= 1
        if not any(other.lane is job.lane for other in slot.jobs):
            job.lane.slot = None

    def _measure(self, job: Job, now: float) -> None:
        for piece in job.pieces:
            post = piece.post
            if not post.acts or piece.how is not How.MODEL:
                continue
            ratio = (now - piece.rows.arrived) / post.budget_s
            if piece.probe:
                post.pressure.probed(ratio, now)
            else:
                post.pressure.measured(ratio, now)
            self._follow(post, now)

    def _warmed(self, lane: Lane, now: float) -> None:
        lane.health.warmed(now)
        for post in lane.posts:
            post.pressure.start_over()
            self._follow(post, now)
        if lane.last_error:
            self._emit(ModelRecovered(lane.scorer.name, lane.scorer.version))

    def _failed(self, job: Job, now: float) -> None:
        lane = job.lane
        lane.errors, lane.last_error = lane.errors + 1, job.error
        was_out = lane.health.is_out
        lane.health.failed(now)
        for piece in job.pieces:
            if piece.probe:
                piece.post.pressure.probed(float("inf"), now)
            self.answers.fall(piece, now)
        if lane.health.is_out:
            if not was_out:
                wait = lane.health.until - now
                self._emit(ModelBroken(lane.scorer.name, lane.scorer.version, job.error, wait))
            self._flush(lane, now)

    def overdue(self, now: float) -> list[Slot]:
        """Threads whose run should have returned long ago."""
        return [slot for slot, job in self._running() if now - (job.started or now) > job.lane.watchdog_s]

    def dragging(self, now: float) -> list[Slot]:
        """Threads whose run should have returned a while ago."""
        return [slot for slot, job in self._running() if now - (job.started or now) > DRAGS * job.lane.watchdog_s]

    def _running(self) -> list[tuple[Slot, Job]]:
        return [(slot, slot.jobs[0]) for slot in self.slots if slot.jobs and slot.jobs[0].started is not None]

    def write_off(self, slot: Slot, now: float) -> Job:
        """Give this thread up, when it can't start another of its jobs any more; the run that it's stuck in."""
        job, *others = slot.jobs
        for other in others:
            self._land(slot, other)
            other.lane.put_back(other.pieces)
        self._land(slot, job)
        self.slots.remove(slot)
        self.zombies.append(job)
        job.abandoned = True
        lane, waited = job.lane, now - (job.started if job.started is not None else now)
        lane.health.stuck(now)
        lane.errors, lane.last_error = lane.errors + 1, f"a run of {job.n} rows didn't return within {waited:.1f} s"
        name, version, wait = lane.scorer.name, lane.scorer.version, lane.health.until - now
        self._emit(ModelStuck(name, version, waited, wait, len(self.zombies)))
        for piece in job.pieces:
            self.answers.fall(piece, now)
        for idle in [lane] if self.has_threads else self.roster.every():
            self._flush(idle, now)
        return job

    # time

    def tick(self, now: float) -> None:
        """Time passed: who waits too long, whose pause is over."""
        for lane in self.roster.every():
            for piece in lane.drop_shadows(now - self.settings.shadow_wait_s):
                self.answers.skip(piece, now)
            if lane.health.wants_try(now) and len(self.zombies) < self.settings.spare:
                lane.warm_again()
            self._look(lane, now)
        self._release()

    def _look(self, lane: Lane, now: float) -> None:
        flying = [job for job in (lane.slot.jobs if lane.slot else ()) if job.lane is lane]
        oldest = [job.pieces[0] for job in flying if job.pieces and job.pieces[0].post.acts]
        if lane.acting:
            oldest.append(lane.acting[0])
        for piece in oldest:
            ratio = (now - piece.rows.arrived) / piece.post.budget_s
            if lane.health.is_able and piece.how is How.MODEL and ratio >= 1.0 and not piece.probe:
                piece.post.pressure.measured(ratio, now)
                self._follow(piece.post, now)
        while lane.health.state is Fitness.WARMING and lane.acting and _is_late(lane.acting[0], now):
            for piece in lane.take(len(lane.acting[0])):
                self.answers.fall(piece, now)

    def _follow(self, post: Post, now: float) -> None:
        """Say that a deployment falls back or came back; what waits falls with it."""
        before, state = post.told_state, post.pressure.state
        if before is state:
            return
        post.told_state = state
        name, by = post.deployment.name, post.lane.scorer
        if state is Budget.FALLING:
            p99 = post.latencies.quantiles((0.99,), now)[0]
            self._emit(DeploymentFellBack(name, by.name, by.version, 1000 * post.budget_s, 1000 * p99))
            mine = post.lane.remove(post)
            for piece in mine:
                self.answers.fall(piece, now)
        elif before is Budget.FALLING:
            self._emit(DeploymentCameBack(name, by.name, by.version))

    def end(self, now: float) -> None:
        """Nothing will run any more: what waits gets its fallback, if that's no model."""
        for lane in self.roster.every():
            self._flush(lane, now, models=False)
        for slot in self.slots:
            for job in slot.jobs:
                for piece in job.pieces:
                    self.answers.fall(piece, now, models=False)
                job.abandoned = True
                self.zombies.append(job)
        self.slots.clear()

    def _flush(self, lane: Lane, now: float, *, models: bool = True) -> None:
        acting, shadowing = lane.empty()
        for piece in (*acting, *shadowing):
            self.answers.fall(piece, now, models=models and self.has_threads)

    def _release(self) -> None:
        for lane in self.roster.released(self.zombies):
            self._turns.forget(lane.number)
            self.released.append(lane.scorer)


def _job(lane: Lane, pieces: list[Piece]) -> Job | None:
    n = sum(len(piece) for piece in pieces)
    return Job(lane, pieces, n, lane.costs.of(n)) if n else None


def _left(job: Job, now: float) -> float:
    return job.planned_s if job.started is None else max(0.0, job.planned_s - (now - job.started))


def _is_cold(lane: Lane) -> bool:
    return lane.health.state is Fitness.WARMING and bool(lane.warm) and not lane.flying


def _is_late(piece: Piece, now: float) -> bool:
    return bool(piece.post.deployment.fallback) and now - piece.rows.arrived > piece.post.budget_s
