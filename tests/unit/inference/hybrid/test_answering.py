import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.inference.hybrid.rows import results, rows

from holdfast.inference.hybrid.answering import PER_CHILD, Answering, Reply, Verdict
from holdfast.inference.hybrid.asking import Asking
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.kernel.clock import ManualClock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.event import Event
from holdfast.model.predictions import Predictions
from holdfast.telemetry.happenings import Level, Telemetry
from holdfast.wire.hybrid import Answered, decode_answer


class Sums:
    """A model that says the sum of a row, and is sure of it."""

    def __init__(self) -> None:
        self.asked = list[tuple[str, int]]()
        self.failure: Exception | None = None
        self.short = 0
        self.labels: tuple[str, ...] = ("a", "b")

    async def score(self, model: str, features: str, values: NDArray[Any]) -> Verdict:
        assert features == "pump@0011"
        self.asked.append((model, len(values)))
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        n = len(values) - self.short
        said = Predictions(np.nansum(values, axis=1)[:n], np.ones(n, np.int32), np.full(n, np.nan))
        return Verdict(model, "2.0", self.labels, said, 0.01)


class Above:
    def __init__(self, *, is_top: bool = True) -> None:
        self.clock, self.log, self.model = ManualClock(), list[str](), Sums()
        self.sent, self.failure = list[Reply](), None
        telemetry = Telemetry(self.clock, self.log.append, Level.DEBUG)
        self.answering = Answering(self.model, self._send, self.clock, telemetry, is_top=is_top)

    async def _send(self, reply: Reply) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent.append(reply)

    def hear(self, events: Sequence[Event], child: str = "gw") -> None:
        async def body() -> None:
            self.answering.heard(child, events)
            task = asyncio.ensure_future(self.answering.run())
            for _ in range(50):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(body())

    def answers(self) -> list[Answered]:
        found = [decode_answer(reply.params) for reply in self.sent]
        assert None not in found
        return [one for one in found if one is not None]

    def why(self) -> list[str]:
        return [word.removeprefix("why=") for line in self.log for word in line.split() if word.startswith("why=")]


def asked(count: int, clock: ManualClock, width: int = 1, model: str = "big") -> list[Event]:
    settings = HybridSettings(model=model, below=0.7, within=30.0, per_minute=6_000)
    core, found = Asking("gw", {"pump": settings}, Random(1)), list[Event]()
    for first in range(0, count, 50):
        of = rows([[float(n)] * width for n in range(first, min(first + 50, count))], 1 + first)
        core.saw(of, 1.0)
        found += core.said(results(of, [0.1] * len(of)), 1.0, clock.wall_ns()).store
    return found


def test_questions_are_scored_together_and_each_is_answered_to_who_asked() -> None:
    above = Above()
    events = asked(5, above.clock)
    above.hear(events)
    assert above.model.asked == [("big", 5)]
    first = above.sent[0]
    assert (first.id, first.node, first.via, first.place) == (f"hy-{events[0].id}", "gw", "gw", "@models/pump")
    assert first.within_s == 30.0
    answers = above.answers()
    assert [one.score for one in answers] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert {(one.model, one.version, one.label, one.labels, one.confidence) for one in answers} == {
        ("big", "2.0", 1, ("a", "b"), None)
    }
    assert [(one.device, one.ts) for one in answers] == [(event.device, event.ts) for event in events]


def test_other_models_and_other_rows_are_scored_by_themselves() -> None:
    above = Above()
    above.hear([*asked(2, above.clock), *asked(3, above.clock, width=2), *asked(1, above.clock, model="huge")])
    assert sorted(above.model.asked) == [("big", 2), ("big", 3), ("huge", 1)]


def test_what_comes_too_late_or_makes_no_sense_is_not_scored() -> None:
    above = Above()
    events = asked(2, above.clock)
    broken = msgspec.structs.replace(events[0], why={"wanted": {"values": "?"}})
    odd = {"wanted": {**events[0].why["wanted"], "values": "AAAA"}}  # type: ignore[dict-item]  # it's a mapping
    other = msgspec.structs.replace(events[0], kind="alert.raised")
    unnamed = msgspec.structs.replace(events[0], id="no number of ours")
    unprintable = {"wanted": {**events[0].why["wanted"], "deployment": "a\0b"}}  # type: ignore[dict-item]  # it's a mapping
    above.hear([broken, msgspec.structs.replace(events[0], why=odd), other])
    above.hear([unnamed, msgspec.structs.replace(events[0], why=unprintable)])
    above.clock.advance(31.0)
    above.hear(events)
    assert (above.sent, above.model.asked) == ([], [])
    assert above.why() == ["malformed"] * 4 + ["expired"] * 2


def test_an_asker_whose_clock_is_ahead_is_answered_within_what_it_said() -> None:
    above = Above()
    events = asked(1, above.clock)
    above.clock.set_wall(above.clock.wall_ns() - 10**15)
    above.hear(events)
    assert above.sent[0].within_s == 30.0


@pytest.mark.parametrize(
    ("failure", "why"), [(HoldfastError("there is no model big here"), "no_model"), (ValueError("bug"), "failed")]
)
def test_a_model_that_cannot_is_said_so_below(failure: Exception, why: str) -> None:
    above = Above()
    above.model.failure = failure
    above.hear(asked(2, above.clock))
    assert above.why() == [why, why]
    assert [str(failure) in one.failed or "unexpected" in one.failed for one in above.answers()] == [True, True]


def test_a_model_that_says_too_little_is_not_believed() -> None:
    above = Above()
    above.model.short = 1
    above.hear(asked(2, above.clock))
    assert all("1 things of 2 rows" in one.failed for one in above.answers())


def test_a_node_in_the_middle_leaves_what_it_cannot_answer_to_the_one_above() -> None:
    above = Above(is_top=False)
    above.model.failure = HoldfastError("there is no model big here")
    above.hear(asked(1, above.clock))
    assert above.sent == []


def test_one_child_that_asks_much_does_not_shut_the_others_out() -> None:
    above = Above()
    events = asked(PER_CHILD + 20, above.clock)

    async def body() -> None:
        above.answering.heard("gw", events)
        above.answering.heard("other", events[:1])
        assert above.why() == ["busy"] * 20

    asyncio.run(body())


def test_an_answer_that_cannot_go_down_is_counted() -> None:
    above = Above()
    above.failure = HoldfastError("there is no node gw")  # type: ignore[assignment]  # None until now
    above.hear(asked(1, above.clock))
    assert above.why() == ["unreachable"]
    assert above.answering.answered == 0


def test_labels_that_no_answer_has_room_for_are_cut_or_said_to_be_too_long() -> None:
    above = Above()
    above.model.labels = ("a", "b" * 500)
    above.hear(asked(1, above.clock))
    assert above.answers()[0].labels == ("a", "b" * 100)
    above.model.labels = tuple("c" * 100 for _ in range(1_000))
    above.hear(asked(1, above.clock))
    assert "too long" in above.answers()[1].failed
