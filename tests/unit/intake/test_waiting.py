"""Who waits for receipts is told by when they send."""

from random import Random

from holdfast.adapters.port import Arrival
from holdfast.intake.waiting import Waiting

WITHIN_S = 0.004


class Nobody:
    def settle(self) -> None:
        """Not asked here."""

    def refuse(self) -> None:
        """Not asked here."""


def arrival(source: str) -> Arrival:
    return Arrival(source, "t", (b"1",), 0, Nobody())


class Line:
    """A source and what of it is under way."""

    def __init__(self, waiting: Waiting, source: str = "press") -> None:
        self.waiting, self.one, self.under_way = waiting, [arrival(source)], 0

    def send(self, at: float) -> bool:
        self.under_way += 1
        return self.waiting.arrived(self.one, at)

    def settle(self, at: float) -> None:
        self.waiting.settled(self.one * self.under_way, at)
        self.under_way = 0


def test_a_source_that_sends_whenever_it_is_answered_waits() -> None:
    line, at = Line(Waiting(WITHIN_S)), 0.0
    told = []
    for _ in range(20):
        told.append(line.send(at))
        line.settle(at + 0.005)
        at += 0.0055
    assert told == [False] * 8 + [True] * 12


def test_it_is_believed_to_wait_through_a_late_message_now_and_then() -> None:
    line, at = Line(Waiting(WITHIN_S)), 0.0
    for turn in range(60):
        is_waiting = line.send(at)
        line.settle(at + 0.001)
        at += 0.5 if turn % 20 == 19 else 0.0013
        assert is_waiting or turn < 8


def test_a_source_that_sends_at_its_own_pace_does_not_wait() -> None:
    line = Line(Waiting(WITHIN_S))
    for turn in range(200):
        assert not line.send(turn * 0.1)
        line.settle(turn * 0.1 + 0.002)


def test_sources_that_send_often_at_their_own_pace_seldom_look_as_if_they_waited() -> None:
    chance, waiting = Random(18), Waiting(WITHIN_S)
    lines = [Line(waiting, f"press-{i}") for i in range(100)]
    at, commit_at, wrong, commits = 0.0, 0.0, 0, 0
    looked_so = False
    for _ in range(20_000):  # 10,000 messages a second of 100 sources, a commit every 5 ms that takes 1 ms
        at += chance.expovariate(10_000)
        looked_so |= chance.choice(lines).send(at)
        if at >= commit_at:
            commit_at, commits, wrong = at + 0.005, commits + 1, wrong + looked_so
            looked_so = False
            for line in lines:
                line.settle(at + 0.001)
    assert commits > 300
    assert wrong < 0.05 * commits


def test_one_source_with_much_under_way_at_its_own_pace_does_not_wait() -> None:
    line, chance = Line(Waiting(WITHIN_S)), Random(18)
    at, wrong = 0.0, 0
    for _ in range(10_000):
        at += chance.expovariate(5_000)
        wrong += line.send(at)
        if line.under_way > 20:  # what came last is in the next commit
            line.under_way -= 5
            line.waiting.settled(line.one * (line.under_way), at + 0.0001)
            line.under_way = 5
    assert wrong < 1_000


def test_forgetting_the_sources_loses_no_count() -> None:
    waiting = Waiting(WITHIN_S)
    line = Line(waiting)
    line.send(0.0)
    for i in range(20_001):
        waiting.arrived([arrival(f"d{i}")], 0.0)
    line.settle(0.001)
    assert not line.send(0.002)
