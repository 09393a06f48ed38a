"""The asking side's shell: gives results to the core, and does what it says in order. Loop thread only."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random

from holdfast.inference.hybrid.asking import Asking, Desk, ParentLabel, Turn
from holdfast.inference.hybrid.happenings import HybridAlone, HybridHeard
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import Clock
from holdfast.model.event import Event
from holdfast.model.features import FeatureRows
from holdfast.model.lane import Lane
from holdfast.model.predictions import Results
from holdfast.telemetry.happenings import Telemetry
from holdfast.wire.hybrid import decode_answer

TICK_S = 1.0
_FATES = ("cached", "asked", "shared", "bounded", "alone", "lost", "kept")
_ENDS = ("answered", "refused", "expired", "late")


class Hybrid:
    """The asking side of one node. Call `saw` and `said` with every batch; `run` is its task's body."""

    def __init__(
        self,
        settings: Mapping[str, HybridSettings],
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        rng: Random,
        *,
        tell: Callable[[Results], None],
        label: Callable[[ParentLabel], None] = lambda _: None,
        may_leave: Callable[[Event], bool] = lambda _: True,
        may_tell: Callable[[], bool] = lambda: True,
    ) -> None:
        """Ask nothing yet.

        settings:  by deployment
        tell:      takes answers as results (How.PARENT); label: as labels
        may_leave: may what an event says of a device leave this node?
        may_tell:  does the parent take events of a kind that it may not know? To one that doesn't nothing is asked
        """
        self._journal, self._clock, self._telemetry = journal, clock, telemetry
        self._tell, self._label, self._may_leave, self._may_tell = tell, label, may_leave, may_tell
        self.asking = Asking(journal.node, settings, rng)
        self._alone = set[str]()
        self._measure(telemetry)

    def saw(self, rows: FeatureRows) -> None:
        """Features were handed out to models. Cheap: the batch is kept as it is for a while."""
        self.asking.saw(rows, self._clock.monotonic())

    def said(self, results: Results) -> int:
        """A model answered; publish its results first. Returns how many rows are asked about now."""
        turn = self.asking.said(results, self._clock.monotonic(), self._clock.wall_ns())
        self._do(turn)
        return len(turn.store)

    def answered(self, params: bytes) -> str:
        """An answer came down: a command's parameters. Returns why it's of no use; empty = it's taken."""
        answer = decode_answer(params)
        if answer is None:
            return "this version doesn't understand it"
        if answer.deployment not in self.asking.desks:
            return f"there is no deployment {answer.deployment[:80]} here that asks"
        self._do(self.asking.answered(answer, self._clock.monotonic()))
        self._look()
        return ""

    async def run(self) -> None:
        """Let questions expire, for ever."""
        while True:
            await asyncio.sleep(TICK_S)
            self.asking.turn(self._clock.monotonic())
            self._look()

    def _do(self, turn: Turn) -> None:
        store = list[Event]()
        for event in turn.store:
            if self._journal.condition is Condition.OK and self._may_tell() and self._may_leave(event):
                store.append(event)
            else:
                self.asking.forgot(event)
        if store:
            self._journal.submit(lambda tx: _stored(tx, store))
        for results in turn.tell:
            self._tell(results)
        for one in turn.labels:
            self._label(one)

    def _look(self) -> None:
        """Say once that nobody answers, and once that somebody does again."""
        for name, desk in self.asking.desks.items():
            is_alone = self.asking.is_alone(name)
            if is_alone and name not in self._alone:
                self._alone.add(name)
                self._telemetry.emit(HybridAlone(deployment=name, detail=desk.detail))
            elif not is_alone and name in self._alone:
                self._alone.remove(name)
                self._telemetry.emit(HybridHeard(deployment=name))

    def _measure(self, telemetry: Telemetry) -> None:
        desks = self.asking.desks

        def rows(words: Sequence[str]) -> list[tuple[tuple[str, str], float]]:
            return [((name, word), getattr(desk.counts, word)) for name, desk in desks.items() for word in words]

        labels = ("deployment", "fate")
        uncertain = "Results that the local model was unsure of, by what became of them."
        telemetry.table("counter", "hybrid_uncertain", uncertain, labels, lambda: rows(_FATES))
        ends = "Questions to the model above, by how they ended."
        telemetry.table("counter", "hybrid_questions", ends, labels, lambda: rows(_ENDS))
        telemetry.table(
            "gauge",
            "hybrid_questions_open",
            "Questions to the model above without an answer yet.",
            ("deployment",),
            lambda: [((name,), _open(desk)) for name, desk in desks.items()],
        )


def _open(desk: Desk) -> float:
    return float(len(desk.book))


def _stored(tx: Transaction, events: Sequence[Event]) -> None:
    tx.append_events(Lane.NORMAL, events)
    tx.count("events_accepted", len(events))
