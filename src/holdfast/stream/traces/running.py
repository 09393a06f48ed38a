"""Runs a trace through the real engine: as written, in other batches, with restarts.

As written, every message is a batch of its own, and between lines time passes in ticks as on a node (after 1, 2, 4 …
seconds of silence). In other batches messages are put together, and time passes only where a line says so, or before a
message whose time isn't the one at which it comes. What rules do must be the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from holdfast.kernel.clock import NS_PER_S
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.evaluations import Evaluations
from holdfast.stream.judges import Findings, Judge
from holdfast.stream.rules import CompiledRule
from holdfast.stream.traces.expecting import Got
from holdfast.stream.traces.script import Acknowledged, Action, Given, Message, Restart, Silence, Trace
from holdfast.stream.watching import gives_results, look_on, shown, slots_of

_KINDS = {"alert.raised": "raised", "alert.cleared": "cleared"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a trace is run.

    chances:  where batches end by chance; None = every message is one, and time passes between lines
    is_whole: batches are as long as can be
    restarts: after every batch, too
    """

    chances: Random | None = None
    is_whole: bool = False
    restarts: bool = False
    name: str = "as written"

    @property
    def is_live(self) -> bool:
        """Whether time passes as on a node."""
        return self.chances is None and not self.is_whole


def manners(splits: int, *, restarts: bool) -> list[Manner]:
    """The ways in which a trace must give the same: first as written, last whole."""
    found = [Manner()]
    if restarts:
        found.append(Manner(restarts=True, name="with a restart after every message"))
    found += [
        Manner(Random(seed), restarts=restarts and bool(seed % 2), name=f"in batches by chance ({seed})")
        for seed in range(splits)
    ]
    if splits:
        found.append(Manner(is_whole=True, name="in as few batches as can be"))
    return found


def run(trace: Trace, rules: Sequence[CompiledRule], manner: Manner) -> list[Got]:
    """What the rules did, by step in order."""
    return _Run(trace, rules, manner).all()


class _Run:
    def __init__(self, trace: Trace, rules: Sequence[CompiledRule], manner: Manner) -> None:
        self._trace, self._rules, self._manner = trace, rules, manner
        self._got: list[Got] = []
        self._step = 0
        self._now: int | None = None
        self._waiting: list[Message] = []
        actions = [action for step in trace.steps for action in step.actions]
        self._odd = {(a.node, a.device) for a in actions if isinstance(a, Message) and not a.is_plain}
        self._engine = self._make(Catalogue())

    def _make(self, catalogue: Catalogue) -> Engine:
        self._catalogue = catalogue
        engine = Engine(self._rules, catalogue, self._trace.node)
        look_on(engine, self._result, gives_results)
        return engine

    def all(self) -> list[Got]:
        for i, step in enumerate(self._trace.steps):
            for action in step.actions:
                self._step = i if self._manner.is_live or not self._waiting else self._step
                self._do(action, i)
        self._flush()
        return self._got

    def _do(self, action: Action, step: int) -> None:
        if isinstance(action, Message):
            self._hear(action, step)
            return
        self._flush()
        self._step = step
        if isinstance(action, Restart):
            self._restart()
        elif isinstance(action, Silence):
            self._pass_until(action.until)
            self._take(self._engine.tick(action.until))
            self._now = action.until
        else:
            self._acknowledge(action)

    def _hear(self, message: Message, step: int) -> None:
        is_alone = self._manner.is_live or (message.node, message.device) in self._odd
        if is_alone or self._ends():
            self._flush()
            self._step = step
        if self._manner.is_live:
            self._pass_until(message.at)
        elif is_alone and self._now is not None:
            self._take(self._engine.tick(message.at - 1))
        self._waiting.append(message)
        self._now = max(message.at, self._now or message.at)
        if is_alone:
            self._flush()

    def _acknowledge(self, action: Acknowledged) -> None:
        self._pass_until(action.at)
        self._now = action.at
        self._take(self._engine.acknowledge(action.rule, action.node, action.device, action.at))

    def _ends(self) -> bool:
        return self._manner.chances is not None and self._manner.chances.random() < 0.4

    def _pass_until(self, at: int) -> None:
        for moment in moments(self._now, at):
            self._take(self._engine.tick(moment))

    def _flush(self) -> None:
        if not self._waiting:
            return
        messages, self._waiting = self._waiting, []
        told = (
            self._manner.is_live or not messages[-1].is_plain or (messages[-1].node, messages[-1].device) in self._odd
        )
        self._take(self._engine.evaluate(self._batch(messages), messages[-1].at if told else 0))
        if self._manner.restarts:
            self._restart()

    def _restart(self) -> None:
        data = self._engine.snapshot()
        catalogue = Catalogue()
        for series in reversed(self._catalogue.since(0)):
            catalogue.intern(series)
        self._engine = self._make(catalogue)
        if not self._engine.restore(data):
            raise AssertionError("an engine refused its own snapshot")

    def _batch(self, messages: Sequence[Message]) -> Batch:
        texts = list[str]()
        rows = []
        for message in messages:
            for given in message.readings:
                value = given.value
                if isinstance(value, str):
                    texts.append(value)
                    value = float(len(texts) - 1)
                rows.append((self._series(message, given), message.ts, float(value), given.quality))
        series, ts, numbers, quality = zip(*rows, strict=True)
        return Batch(
            np.array(series, np.int32),
            np.array(ts, np.int64),
            np.array(numbers, np.float64),
            np.array(quality, np.uint8),
            tuple(texts),
        )

    def _series(self, message: Message, given: Given) -> int:
        kind = Kind.TEXT if isinstance(given.value, str) else Kind.BOOL if isinstance(given.value, bool) else Kind.FLOAT
        unit = self._trace.units.get(given.metric, "")
        return self._catalogue.intern(Series(message.node, message.device, given.metric, unit, kind))

    def _take(self, findings: Findings) -> None:
        for decision in findings.decisions:
            event = decision.event
            values: Any = event.why.get("values", {})
            kind: Any = _KINDS.get(event.kind, event.kind)
            self._got.append(
                Got(self._step, kind, event.rule, event.node, event.device, event.ts, values, event.message)
            )

    def _result(self, judge: Judge, evaluations: Evaluations, selected: list[Any]) -> None:
        at, slots = slots_of(evaluations, judge)
        columns = shown(judge, selected, at, len(evaluations.row), self._engine)
        for i, (e, slot) in enumerate(zip(at.tolist(), slots.tolist(), strict=True)):
            values = dict(zip(judge.rule.names, (column[i] for column in columns), strict=True))
            if evaluations.revision is not None and int(evaluations.revision[e]):
                values["revision"] = int(evaluations.revision[e])
            place = judge.place(slot)
            self._got.append(Got(self._step, "result", judge.rule.name, *place, int(evaluations.ts[e]), values))


def moments(after: int | None, before: int) -> Iterator[int]:
    """Ticks of a silence: 1, 2, 4 … seconds after its begin, and just before its end."""
    if after is None or before <= after:
        return
    wait = NS_PER_S
    while after + wait < before - 1:
        yield after + wait
        wait *= 2
    yield before - 1
