"""Features that cost much are told of once, with what to do, until they cost less."""

from collections.abc import Iterable

from holdfast.node.models.spending import CHEAP, DEAR, EVERY_S, PATIENCE, FeaturesCheap, FeaturesDear, Spending
from holdfast.telemetry.happenings import Happening


class Costs:
    """What each deployment's features cost now."""

    def __init__(self) -> None:
        self.now, self.told, self.shares = 0.0, list[Happening](), {"pump": 0.0, "room": 0.0}
        self.spending = Spending(self._of, self.told.append)

    def _of(self, rules: Iterable[str]) -> dict[str, float]:
        return {name: self.shares[name.removeprefix("features:")] for name in rules}

    def pass_(self, looks: int) -> None:
        for _ in range(looks):
            self.now += EVERY_S
            self.spending.look(self.shares, self.now)


def test_a_dear_set_is_told_of_once_with_what_to_do() -> None:
    costs = Costs()
    costs.shares["pump"] = DEAR + 0.16
    costs.pass_(PATIENCE + 20)
    (told,) = costs.told
    assert isinstance(told, FeaturesDear)
    assert (told.deployment, told.share) == ("pump", 0.41)
    assert "decide_within" in told.hint
    assert "41% of a core" in costs.spending.words("pump")
    assert costs.spending.words("room") == ""


def test_a_burst_is_no_news_and_neither_is_a_look_too_early() -> None:
    costs = Costs()
    for _ in range(5):
        costs.shares["pump"] = DEAR + 0.5
        costs.pass_(PATIENCE - 1)
        costs.spending.look(costs.shares, costs.now + EVERY_S / 2)
        costs.shares["pump"] = DEAR
        costs.pass_(1)
    assert costs.told == []
    assert costs.spending.words("pump") == ""


def test_it_is_over_once_it_costs_clearly_less_and_may_be_told_again() -> None:
    costs = Costs()
    for share, looks in ((DEAR + 0.1, PATIENCE), (DEAR - 0.01, 5), (CHEAP - 0.01, 5), (DEAR + 0.2, PATIENCE)):
        costs.shares["room"] = share
        costs.pass_(looks)
    assert [type(one) for one in costs.told] == [FeaturesDear, FeaturesCheap, FeaturesDear]
    assert costs.spending.words("room")
