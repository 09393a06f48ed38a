"""What a picture of a backtest needs, kept while rules run over the past."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.stream.bins import Bins
from holdfast.stream.engine import Engine
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Judge, column
from holdfast.stream.replaying import Account, Alert
from holdfast.stream.rules import CompiledRule
from holdfast.stream.watching import look_on, slots_of

MOST_PANELS = 6
BINS = 1_000


@dataclass(frozen=True, slots=True)
class Panel:
    """One rule's one device."""

    rule: CompiledRule
    place: tuple[str, str]
    slot: int
    columns: list[Bins]
    alerts: list[Alert]

    @property
    def title(self) -> str:
        """Rule and device."""
        return f"{self.rule.name}  {self.place[1]}"


class Recorded:
    """Keeps, while rules run over the past, what a picture needs of it."""

    def __init__(self, engine: Engine, from_ns: int, to_ns: int, bins: int = BINS) -> None:
        self._engine, self.from_ns, self.to_ns, self._count = engine, from_ns, to_ns, bins
        self._bins: dict[str, list[Bins]] = {}
        look_on(engine, self._take, lambda rule: bool(rule.names))

    def _take(self, judge: Judge, evaluations: Evaluations, selected: list[Any]) -> None:
        bins = self._bins.get(judge.rule.name)
        if bins is None:
            bins = [Bins(self.from_ns, self.to_ns, self._count) for _ in selected]
            self._bins[judge.rule.name] = bins
        at, slots = slots_of(evaluations, judge)
        total = len(evaluations.row)
        for i, one in enumerate(selected):
            if i not in judge.rule.texts:
                bins[i].add(slots, evaluations.ts[at], column(one, total, np.float64)[at])

    def panels(self, account: Account) -> list[Panel]:
        """The rules and devices with most alerts; without any, the first ones."""
        found = []
        for judge in self._engine.judges():
            bins = self._bins.get(judge.rule.name, [])
            known = max((len(one.low) for one in bins), default=0)
            for slot in range(known):
                place = judge.place(slot)
                alerts = [a for a in account.alerts if (a.rule, a.node, a.device) == (judge.rule.name, *place)]
                found.append(Panel(judge.rule, place, slot, bins, alerts))
        found.sort(key=lambda panel: -len(panel.alerts))
        return found[:MOST_PANELS]
