"""A schedule in virtual time, its threads on paper: what a run takes is said, what the model says is computed."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.feeding import Room, together
from holdfast.inference.serving.pieces import Job, Slot
from holdfast.inference.serving.ports import Assignment, Deployment, Scorer, zeros
from holdfast.inference.serving.schedule import Schedule
from holdfast.inference.serving.settings import ServingSettings
from holdfast.inference.serving.status import PostStatus, status_of
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import How, Predictions, Results
from holdfast.telemetry.happenings import Happening

Array = NDArray[Any]
WIDTH = 2
PLACES = [("gw", f"press-{n}") for n in range(50)]
STEP_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000


class Sums:
    """Scores a row with its sum; raises or says nothing when told so."""

    labels: Sequence[str] = ("low", "high")
    width = WIDTH

    def __init__(self, name: str = "sums", version: str = "1.0.0", add: float = 0.0) -> None:
        self.name, self.version, self._add = name, version, add
        self.is_raising = False

    def predict(self, values: Array) -> Predictions:
        if self.is_raising:
            raise ArithmeticError("out of sums")
        n = len(values)
        return Predictions(values.sum(axis=1) + self._add, np.ones(n, np.int32), np.full(n, 0.5))


def rows(
    keys: Sequence[int], values: Sequence[float] | None = None, *, at: float = 0.0, turn: int = 0, flags: int = 0
) -> FeatureRows:
    """Of these devices; a row is (value, 0). turn: how many steps after the start."""
    n = len(keys)
    column = np.array(values if values is not None else [100.0 * turn + key for key in keys], np.float64)
    return FeatureRows(
        features="press@0123456789abcdef",
        deployment="pump",
        places=PLACES,
        key=np.array(keys, np.int32),
        ts=np.full(n, START_NS + turn * STEP_NS, np.int64),
        values=np.stack([column, np.zeros(n)], axis=1) if n else np.zeros((0, WIDTH)),
        flags=np.full(n, flags, np.uint8),
        arrived=at,
    )


def active(deployment: str = "pump", model: str = "m", only: Array | None = None) -> Assignment:
    return Assignment(deployment, "active", model, only)


def shadow(deployment: str = "pump", model: str = "m") -> Assignment:
    return Assignment(deployment, "shadow", model)


def _a_millisecond(_: int) -> float:
    return 0.001


class World:
    """Virtual time. takes: seconds of a run of n rows, by model's name; infinite = it never returns."""

    def __init__(self, settings: ServingSettings | None = None, *, warm: bool = True) -> None:
        self.now = 0.0
        self.happened: list[Happening] = []
        self.told: list[Results] = []
        self.runs: list[tuple[str, int]] = []
        self.takes: dict[str, Callable[[int], float]] = {}
        self.schedule = Schedule(settings or ServingSettings(), self.happened.append)
        self._ends: list[tuple[float, Slot, Job]] = []
        self._ticked = 0.0
        self._warm = warm

    def serve(self, *deployments: Deployment, **models: Scorer) -> None:
        self.schedule.adopt(deployments, models, self.now)
        self.turn()
        if self._warm:
            self.pass_time(1.0)

    def offer(self, given: FeatureRows, *to: Assignment) -> None:
        self.schedule.offer(given, to, self.now)

    def turn(self) -> None:
        self.schedule.replenish()
        for slot, job in self.schedule.plan(self.now):
            behind = max((end for end, other, _ in self._ends if other is slot), default=self.now)
            takes = self.takes.get(job.lane.scorer.name, _a_millisecond)(job.n)
            if behind <= self.now:
                job.started = self.now
            self._ends.append((behind + takes, slot, job))
        self.told += self.schedule.answers.take()

    def pass_time(self, seconds: float, tick: float = 0.02) -> None:
        until = self.now + seconds
        while True:
            self.turn()
            due = min((end for end, _, _ in self._ends), default=float("inf"))
            step = min(due, self._ticked + tick, until)
            self.now = max(step, self.now)
            if due <= self.now:
                self._finish(due)
            elif self.now >= self._ticked + tick:
                self._tick()
            if self.now >= until:
                self.turn()
                return

    def _finish(self, due: float) -> None:
        end, slot, job = next(one for one in self._ends if one[0] == due)
        self._ends.remove((end, slot, job))
        following = [other for _, at, other in self._ends if at is slot]
        if following and not job.abandoned:
            following[0].started = self.now
        job.took_s = self.now - (self.now if job.started is None else job.started)
        self.runs.append((job.lane.scorer.name, job.n))
        try:
            parts = [piece.rows.values for piece in job.pieces] or [zeros(job.n, WIDTH)]
            given = together(parts, Room())
            job.said = job.lane.scorer.predict(given)
            job.finite = bool(np.isfinite(job.said.score).all())
        except ArithmeticError as error:
            job.error = str(error)
        self.schedule.done(slot, job, self.now)

    def _tick(self) -> None:
        self._ticked = self.now
        for slot in self.schedule.overdue(self.now):
            lost = slot.jobs[1:]
            self.schedule.write_off(slot, self.now)
            self._ends = [one for one in self._ends if one[2] not in lost]
        self.schedule.tick(self.now)

    def let_go(self) -> None:
        """What hung returns now."""
        self._ends = [(min(end, self.now), slot, job) for end, slot, job in self._ends]

    def status(self, deployment: str = "pump", role: str = "active") -> PostStatus:
        posts = status_of(self.schedule, self.now, 0).posts
        return next(post for post in posts if (post.deployment, post.role) == (deployment, role))

    def answers(self, role: str = "active") -> list[tuple[int, int, How, float]]:
        """(device, turn, how, score) of what was told, in order."""
        return [
            (int(key), (int(ts) - START_NS) // STEP_NS, How(how), float(score))
            for one in self.told
            if one.role == role
            for key, ts, how, score in zip(one.key, one.ts, one.how, one.predictions.score, strict=True)
        ]
