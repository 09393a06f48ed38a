from dataclasses import replace

import numpy as np
from tests.unit.inference.serving.world import PLACES, rows

from holdfast.inference.serving.lasts import Lasts
from holdfast.model.predictions import Predictions


def said(*scores: float) -> Predictions:
    n = len(scores)
    return Predictions(np.array(scores), np.zeros(n, np.int32), np.full(n, np.nan))


def learn(lasts: Lasts, keys: list[int], scores: list[float], turn: int) -> None:
    given = rows(keys, turn=turn)
    lasts.learn(given.places, given.key, given.ts, said(*scores))


def test_a_device_has_its_newest_value_and_others_none() -> None:
    lasts = Lasts()
    learn(lasts, [1, 2], [10.0, 20.0], turn=5)
    learn(lasts, [2], [99.0], turn=4)
    known, values = lasts.of(rows([0, 1, 2], turn=6), within_s=10.0)
    assert known.tolist() == [False, True, True]
    assert values.score[1:].tolist() == [10.0, 20.0]
    assert np.isnan(values.score[0])


def test_of_one_batch_the_newest_row_stands() -> None:
    lasts = Lasts()
    given = rows([3, 3, 3])
    lasts.learn(given.places, given.key, given.ts + np.array([0, 2, 1]), said(1.0, 2.0, 3.0))
    assert lasts.of(given, 10.0)[1].score.tolist() == [2.0, 2.0, 2.0]


def test_a_value_that_is_too_old_is_none() -> None:
    lasts = Lasts()
    learn(lasts, [1], [10.0], turn=0)
    assert lasts.of(rows([1], turn=50), within_s=5.0)[0].tolist() == [True]
    assert lasts.of(rows([1], turn=51), within_s=5.0)[0].tolist() == [False]


def test_values_follow_their_devices_when_places_grow_or_are_renumbered() -> None:
    lasts, growing = Lasts(), list(PLACES[:3])
    given = rows([0, 2])
    lasts.learn(growing, given.key, given.ts, said(10.0, 12.0))
    growing.append(("gw", "new"))
    lasts.learn(growing, np.array([3], np.int32), given.ts[:1], said(13.0))
    turned = growing[::-1]
    known, values = lasts.of(replace(rows([0, 1, 2, 3]), places=turned), 10.0)
    assert known.tolist() == [True, True, False, True]
    assert values.score[[0, 1, 3]].tolist() == [13.0, 12.0, 10.0]


def test_rows_in_order_are_learnt_as_the_same_rows_in_any_other() -> None:
    random, in_order, shuffled = np.random.default_rng(5), Lasts(), Lasts()
    for turn in (2, 3, 1):  # the last came late, and changes only those that had nothing
        given = rows(random.integers(0, 40, 30).tolist())
        ts = given.ts + 10 * turn + np.arange(30)
        scores = random.normal(size=30)
        in_order.learn(given.places, given.key, ts, said(*scores))
        mixed = random.permutation(30)
        shuffled.learn(given.places, given.key[mixed], ts[mixed], said(*scores[mixed]))
    every = rows(list(range(50)))
    (known, values), (also, same) = in_order.of(every, 1e9), shuffled.of(every, 1e9)
    assert 0 < known.sum() < 50
    np.testing.assert_array_equal(known, also)
    np.testing.assert_array_equal(values.score, same.score)
