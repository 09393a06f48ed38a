from random import Random

from holdfast.inference.serving.turns import Turns


def test_models_share_time_not_runs() -> None:
    turns, used = Turns(), {1: 0.0, 2: 0.0, 3: 0.0}
    takes = {1: 0.001, 2: 0.05, 3: 0.007}
    for _ in range(5000):
        turns.ready((1, 2, 3))
        one = turns.pick((1, 2, 3))
        turns.spent(one, takes[one])
        used[one] += takes[one]
    assert max(used.values()) - min(used.values()) <= max(takes.values()) * 2


def test_who_was_idle_starts_level_and_has_no_credit() -> None:
    turns, ran = Turns(), []
    for _ in range(100):
        turns.ready((1,))
        turns.spent(turns.pick((1,)), 0.01)
    for _ in range(10):
        turns.ready((1, 2))
        ran.append(turns.pick((1, 2)))
        turns.spent(ran[-1], 0.01)
    assert 4 <= ran.count(1) <= 6


def test_when_all_were_idle_nobody_owes_anything() -> None:
    turns = Turns()
    turns.ready((1, 2))
    turns.spent(1, 10.0)
    turns.ready(())
    turns.ready((1, 2))
    assert turns.pick((1, 2)) == 1


def test_a_debt_is_paid_while_others_have_work() -> None:
    turns = Turns()
    turns.ready((1, 2))
    turns.spent(1, 0.1)
    ran = []
    for _ in range(10):
        turns.ready((1, 2))
        ran.append(turns.pick((1, 2)))
        turns.spent(ran[-1], 0.01)
    assert ran.count(2) >= 9


def test_nobody_starves_whatever_comes() -> None:
    random, turns = Random(5), Turns()
    waited = dict.fromkeys(range(6), 0)
    for _ in range(5000):
        ready = [key for key in waited if random.random() < 0.7] or [0]
        turns.ready(ready)
        one = turns.pick(ready)
        turns.spent(one, random.uniform(0.001, 0.01))
        for key in ready:
            waited[key] = 0 if key == one else waited[key] + 1
        assert max(waited.values()) < 150
