"""An engine with one rule whose every evaluation is a result, as plain facts."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.judges import Findings
from holdfast.stream.language.templates import parse_topic
from holdfast.stream.plans import Call, Compute, Input, StagePlan, WindowSpec
from holdfast.stream.rules import Action, CompiledRule

S = 1_000_000_000
BASE = 1_767_225_600 * S  # 2026-01-01, a multiple of every window here
Row = tuple[str, str, int, float, int]
"""Device, metric, ts, value, quality."""


@dataclass(frozen=True)
class Result:
    """One evaluation. values: by call, NaN for unknown."""

    device: str
    start: int
    end: int
    revision: int
    final: bool
    values: tuple[float, ...]

    @property
    def key(self) -> tuple[str, int, int]:
        return self.device, self.start, self.end


def plan_of(window: WindowSpec, calls: list[Call], metrics: int = 1, where: Compute | None = None) -> StagePlan:
    inputs = tuple(Input(f"m{i}") for i in range(metrics))
    wants_quality = any(c.kind in ("good", "uncertain", "bad") for c in calls)
    return StagePlan("s", inputs, tuple(calls), window, where=where, wants_quality=wants_quality)


def tumbling(width: float, grace: float = 0, late: float = 0) -> WindowSpec:
    return WindowSpec(
        "tumbling", "t", width=int(width * S), hop=int(width * S), grace=int(grace * S), late=int(late * S)
    )


def hopping(width: float, hop: float, grace: float = 0, late: float = 0) -> WindowSpec:
    return WindowSpec("hopping", "h", width=int(width * S), hop=int(hop * S), grace=int(grace * S), late=int(late * S))


def batch_of(rows: list[Row], catalogue: Catalogue) -> Batch:
    ids = [catalogue.intern(Series("n", d, m, "", Kind.FLOAT)) for d, m, _, _, _ in rows]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), (), ()]
    return Batch(
        np.array(ids, np.int32),
        np.array(columns[2], np.int64),
        np.array(columns[3], np.float64),
        np.array(columns[4], np.uint8),
    )


def _nth(inputs: Any, i: int) -> Any:
    return inputs[i]


class Site:
    """The engine and its catalogue. strangers: devices that the catalogue knows before any other."""

    def __init__(self, plan: StagePlan, strangers: list[str] | None = None) -> None:
        self.catalogue = Catalogue()
        for device in strangers or []:
            self.catalogue.intern(Series("n", device, "m0", "", Kind.FLOAT))
        names = tuple(f"c{i}" for i in range(len(plan.calls)))
        action = Action(parse_topic("r", []), frozenset({"result"}), {})
        values = tuple(partial(_nth, i=i) for i in range(len(names)))
        rule = CompiledRule("r", "v", "info", lambda *_: True, plan, names, values, actions=(action,))
        self.engine = Engine([rule], self.catalogue, "n")

    def feed(self, rows: list[Row]) -> list[Result]:
        return results(self.engine.evaluate(batch_of(rows, self.catalogue)))

    def tick(self, now: int) -> list[Result]:
        return results(self.engine.tick(now))

    @property
    def late(self) -> dict[str, int]:
        """Rows that came too late, by device."""
        (judge,) = self.engine.judges()
        counts = judge.stage.state["skipped.late"].tolist()
        return {device: n for (_, device, _), n in zip(judge.stage.route.keys, counts, strict=False) if n}


def results(findings: Findings) -> list[Result]:
    found = []
    for _, payload in findings.published:
        told = msgspec.json.decode(payload)
        values = tuple(math.nan if v is None else v for v in told["values"].values())
        revision, final = told.get("revision", 0), told.get("final", True)
        found.append(Result(told["device"], told["from"], told["ts"], revision, final, values))
    return found
