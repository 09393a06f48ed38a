"""A small site for lifecycles: pumps that send rows, models that answer, time that passes."""

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.lifecycle.comparing import Facts
from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.lifecycle import Lifecycle
from holdfast.inference.lifecycle.routing import Assignment
from holdfast.inference.lifecycle.settings import LifeSettings
from holdfast.inference.lifecycle.states import Book, Command
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import How, Predictions, Results

A, B, C = "pump@1", "pump@2", "pump@3"
NAMES = ("normal", "fault")
START = 1_700_006_400 // 86_400 * 86_400 * NS_PER_S
STEP_NS = 60 * NS_PER_S


class Pumps:
    """Ten pumps, one row a minute each; a pump is faulty when its feature is above 1. Versions err as they are told."""

    def __init__(self, settings: LifeSettings | None = None, book: Book | None = None, seed: int = 1) -> None:
        self.random = np.random.default_rng(seed)
        facts = {ref: Facts(labels=NAMES) for ref in (A, B, C)}
        self.life = Lifecycle(
            "pump", [("x", 1)], facts, settings or LifeSettings(), np.random.default_rng(9), book=book, node="gw"
        )
        self.places = [("gw", f"pump-{n}") for n in range(10)]
        self.now_ns = START
        self.wrong = {A: 0.05, B: 0.05, C: 0.05}
        self.broken: set[str] = set()
        self.found: list[Finding] = []
        self.heard: list[tuple[str, int]] = []
        self.truth: list[tuple[int, int, int]] = []
        if not self.life.book.active:
            self.do("add", A)
            self.do("promote", A, force=True)

    def do(self, act: str, version: str = "", percent: float = 0.0, *, force: bool = False) -> None:
        self.life.adopt(self.life.act(Command(act, version, percent, "ann", force=force), self.now_ns))  # type: ignore[arg-type]

    def minute(self, *, labels: bool = True) -> None:
        """A row of every pump, everybody's answers, labels and a tick."""
        n = len(self.places)
        self.now_ns += STEP_NS
        x = self.random.normal(0, 1, n)
        truth = (x > 1).astype(np.int32)
        rows = FeatureRows(
            "f@0", "pump", self.places, np.arange(n, dtype=np.int32), np.full(n, self.now_ns), x[:, None],
            np.zeros(n, np.uint8), 0.0,
        )  # fmt: skip
        self.life.saw(rows)
        routed = self.life.route(rows)
        for one in routed.acting:
            self.heard.append((one.version, int(one.rows.sum())))
        for one in (*routed.acting, *routed.shadows):
            self.life.told(self.answer(one, rows, truth))
        if labels:
            for at, (node, device) in enumerate(self.places):
                self.life.labelled(
                    Label(
                        deployment="pump", node=node, device=device, start_ns=self.now_ns, end_ns=self.now_ns,
                        label=NAMES[truth[at]],
                    )
                )  # fmt: skip
        self.found += self.life.tick(self.now_ns)

    def answer(self, one: Assignment, rows: FeatureRows, truth: NDArray[np.int32]) -> Results:
        mine = rows.take(one.rows)
        n = len(mine)
        wrong = self.random.random(n) < self.wrong[one.version]
        label = np.where(wrong, 1 - truth[one.rows], truth[one.rows]).astype(np.int32)
        broken = one.version in self.broken
        score = np.full(n, np.nan) if broken else label.astype(float)
        return Results(
            "pump", "pump", one.version.removeprefix("pump@"), one.role, NAMES, mine.places, mine.key, mine.ts,
            Predictions(score, np.full(n, -1, np.int32) if broken else label, np.full(n, np.nan)),
            np.full(n, How.MODEL, np.uint8), mine.flags, 0.001, np.full(n, 0.004),
        )  # fmt: skip

    def minutes(self, n: int, *, labels: bool = True) -> None:
        for _ in range(n):
            self.minute(labels=labels)
