"""All of it in order: make the candidates, weigh and judge each, let them race, mark the front, pick one or none."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from holdfast.inference.optimising import workshop
from holdfast.inference.optimising.errors import DataUnusable, ModelUnusable
from holdfast.inference.optimising.given import Array, Given, Task
from holdfast.inference.optimising.int8 import has_dot_products
from holdfast.inference.optimising.jobs import Failed, Make, Race, Raced, Weigh, Weighed
from holdfast.inference.optimising.pareto import Limits, Prefer, front, pick
from holdfast.inference.optimising.recipes import RECIPES, Recipe
from holdfast.inference.optimising.report import Report, Row
from holdfast.inference.optimising.samples import Samples
from holdfast.inference.optimising.scores import WORDS, Judged, Said, guess, judge, said

ORIGINAL = "original"
Tell = Callable[[float, float, str], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the caller wants.

    only:    names of recipes; empty = all that this model and these data allow
    batch:   rows of a call in the columns of batches
    limit_s: for making one candidate, for weighing it
    race_s:  for the race of all
    calibration_rows: at most so many, drawn by chance
    """

    limits: Limits = field(default_factory=Limits)
    prefer: Prefer = "balanced"
    only: tuple[str, ...] = ()
    batch: int = 16
    threads: int = 1
    limit_s: float = 300.0
    race_s: float = 20.0
    calibration_rows: int = 256
    seed: int = 1
    teacher: str = ""
    student: str = ""
    train_s: float = 60.0


@dataclass(slots=True)
class _Made:
    recipe: Recipe | None
    path: Path
    note: str = ""
    why: str = ""
    weighed: Weighed | None = None
    judged: Judged | None = None

    @property
    def name(self) -> str:
        return self.recipe.name if self.recipe else ORIGINAL


class Run:
    """One run in a folder of its own; `report` is made once, `file_of` is there until the folder goes."""

    def __init__(self, given: Given, calibrate: Samples, evaluate: Samples, wishes: Wishes, folder: Path) -> None:
        self._given, self._wishes, self._folder = given, wishes, folder
        self._calibrate, self._evaluate = calibrate.few(wishes.calibration_rows, wishes.seed), evaluate
        self._train = calibrate
        self._x, self._rows, self._learn = folder / "calibrate.npy", folder / "evaluate.npy", folder / "train.npz"
        self._made: dict[str, _Made] = {}
        self._task: Task = "classification"

    def report(self, tell: Tell = lambda _, __, ___: None) -> Report:
        """Make, measure and pick; tell(done, of, what) is called between.

        Raises:
            ModelUnusable: the original itself doesn't run on these rows, or nobody knows what it is for.
            DataUnusable: the labels don't suit the task.
        """
        self._write()
        wanted = self._wanted()
        first = _Made(None, self._given.path)
        reference = self._weighed(first)
        if reference is None:
            raise ModelUnusable(f"{self._given.path} doesn't run on {self._evaluate.where}: {first.why}")
        self._task = guess(self._given, reference, self._evaluate.y)
        original = said(self._given, self._task, reference, self._evaluate.x)
        self._judged(first, original, original)
        self._made[ORIGINAL] = first
        for at, recipe in enumerate(wanted):
            tell(at, len(wanted) + 1, recipe.name)
            self._made[recipe.name] = self._candidate(recipe, original)
        tell(len(wanted), len(wanted) + 1, "the race")
        return self._picked(self._raced([made for made in self._made.values() if made.judged]))

    def file_of(self, name: str) -> Path:
        """Where a candidate lies."""
        return self._made[name].path

    def _write(self) -> None:
        np.save(self._x, self._calibrate.x)
        np.save(self._rows, self._evaluate.x)
        if self._wishes.teacher and self._train.y is not None:
            np.savez(self._learn, x=self._train.x, y=self._train.y)
        elif self._wishes.teacher:
            np.savez(self._learn, x=self._train.x)

    def _wanted(self) -> list[Recipe]:
        known = {recipe.name: recipe for recipe in RECIPES}
        unknown = [name for name in self._wishes.only if name not in known]
        if unknown:
            raise DataUnusable(f"no candidate is called {unknown[0]}", f"there are {', '.join(known)}")
        names = set(self._wishes.only or known)
        for recipe in reversed(RECIPES):  # what one of them is made of is made first
            if recipe.name in names and recipe.after:
                names.add(recipe.after)
        torch = bool(self._wishes.teacher)
        return [r for r in RECIPES if r.name in names and (torch or not _learns(r, known))]

    def _candidate(self, recipe: Recipe, original: Said) -> _Made:
        made = _Made(recipe, self._folder / f"{recipe.name}{recipe.ending}")
        before = self._made[recipe.after] if recipe.after else self._made[ORIGINAL]
        if before.why:
            made.why = f"{recipe.after} isn't there, of which it is made"
            return made
        options = {"train": str(self._learn), "seed": self._wishes.seed, "seconds": self._wishes.train_s,
                   "teacher": self._wishes.teacher, "student": self._wishes.student, **recipe.options}  # fmt: skip
        job = Make(recipe.name, str(before.path), str(self._x), str(made.path), options)
        extra = 3 * self._wishes.train_s if recipe.needs_torch else 0.0
        answer = workshop.run(job, self._wishes.limit_s + extra)
        if isinstance(answer, Failed):
            made.why = answer.why
            return made
        made.note = getattr(answer, "note", "")
        outputs = self._weighed(made)
        if outputs is not None:
            try:
                self._judged(made, said(self._given, self._task, outputs, self._evaluate.x), original)
            except ModelUnusable as unusable:
                made.why = str(unusable)
        return made

    def _weighed(self, made: _Made) -> dict[str, Array] | None:
        out = self._folder / f"{made.name}.said.npz"
        answer = workshop.run(
            Weigh(str(made.path), str(self._rows), str(out), self._wishes.batch), self._wishes.limit_s
        )
        if not isinstance(answer, Weighed):
            made.why = answer.why if isinstance(answer, Failed) else "it gave no answer"
            return None
        made.weighed = answer
        with np.load(out, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def _judged(self, made: _Made, of: Said, original: Said) -> None:
        threshold = self._given.card.get("threshold")
        made.judged = judge(self._task, of, original, self._evaluate.y, threshold)

    def _raced(self, runners: Sequence[_Made]) -> list[Row]:
        wishes = self._wishes
        job = Race([str(m.path) for m in runners], str(self._rows), [1, wishes.batch], wishes.threads, wishes.race_s)
        answer = workshop.run(job, wishes.limit_s + 10 * wishes.race_s)
        if not isinstance(answer, Raced):
            raise ModelUnusable(f"the race failed: {answer.why if isinstance(answer, Failed) else 'no answer'}")
        timed = zip(runners, answer.ms, answer.cpu_ms, strict=True)
        measured = [_row(made, ms, cpu_ms) for made, ms, cpu_ms in timed]
        on_front = front([(row.size, row.cpu_ms, max(row.loss, 0.0)) for row in measured])
        rows = {
            row.name: msgspec.structs.replace(row, front=is_on) for row, is_on in zip(measured, on_front, strict=True)
        }
        return [rows.get(name) or _absent(made) for name, made in self._made.items()]

    def _picked(self, rows: list[Row]) -> Report:
        wishes, there = self._wishes, [row for row in rows if not row.why]
        choice = pick(there[0].point(), [row.point() for row in there[1:]], wishes.limits, wishes.prefer)
        rows = [msgspec.structs.replace(row, picked=row.name == choice.name) for row in rows]
        first = self._made[ORIGINAL].judged
        metric = first.metric if first else "agreement"
        return Report(
            self._given.title, self._given.sha256, self._task, metric, WORDS[metric], self._evaluate.where,
            len(self._evaluate), self._evaluate.y is not None, self._calibrate.where, len(self._calibrate),
            wishes.batch, wishes.prefer, wishes.limits.max_loss, _cpu(), has_dot_products(), rows, choice.name,
            choice.why, choice.refused,
        )  # fmt: skip


def optimise(
    given: Given,
    calibrate: Samples,
    evaluate: Samples,
    wishes: Wishes,
    keep: Callable[[Report, Run], Report],
    tell: Tell,
) -> Report:
    """A run in a folder that is gone afterwards; `keep` saves what is to stay, and may add to the report."""
    with tempfile.TemporaryDirectory(prefix="holdfast-optimise-") as folder:
        run = Run(given, calibrate, evaluate, wishes, Path(folder))
        return keep(run.report(tell), run)


def _learns(recipe: Recipe, known: dict[str, Recipe]) -> bool:
    return recipe.needs_torch or bool(recipe.after and known[recipe.after].needs_torch)


def _row(made: _Made, ms: Sequence[Sequence[float]], cpu_ms: Sequence[Sequence[float]]) -> Row:
    import zstandard

    judged, weighed, content = made.judged, made.weighed, made.path.read_bytes()
    if judged is None or weighed is None:
        raise AssertionError  # only such race
    p50, p99, batch_p50, batch_p99 = (float(np.percentile(each, q)) for each in ms for q in (50, 99))
    return Row(
        name=made.name,
        words=made.recipe.words if made.recipe else "as given",
        note=made.note,
        file=made.path.name,
        size=len(content),
        packed=len(zstandard.compress(content, 9)),
        p50_ms=p50,
        p99_ms=p99,
        batch_p50_ms=batch_p50,
        batch_p99_ms=batch_p99,
        cpu_ms=float(np.median(cpu_ms[0])),
        batch_cpu_ms=float(np.median(cpu_ms[1])),
        memory=weighed.memory_bytes,
        load_ms=1e3 * weighed.load_s,
        value=judged.value,
        loss=judged.loss,
        low=judged.low,
        high=judged.high,
        more=judged.more,
    )


def _absent(made: _Made) -> Row:
    return Row(made.name, made.recipe.words if made.recipe else "as given", made.note, made.why)


def _cpu() -> str:
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
