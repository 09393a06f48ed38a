"""Detectors tried on the past: what counts as found, as false and as one alarm."""

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import OptionsInvalid
from holdfast.stream.detectors.trials import Subject, alarms, best_threshold, checked, judge, run

MINUTE = 60 * 10**9
Floats = NDArray[np.float64]


def subject(n: int = 1_000, windows: tuple[tuple[int, int], ...] = ()) -> Subject:
    """A reading a minute; windows in minutes."""
    ts = np.arange(n, dtype=np.int64) * MINUTE
    return Subject("press-07/t", ("t",), ts, np.zeros(n), [(a * MINUTE, b * MINUTE) for a, b in windows])


def scored(n: int, at: dict[int, float]) -> Floats:
    scores = np.zeros(n)
    for row, score in at.items():
        scores[row] = score
    return scores


def test_scores_that_follow_closely_are_one_alarm_and_those_apart_are_two() -> None:
    one = subject()
    assert alarms(one.ts, scored(1_000, {10: 0.6, 12: 0.9, 20: 0.5}), 0.5) == [(10, 20)]
    assert alarms(one.ts, scored(1_000, {10: 0.6, 30: 0.9, 31: 0.4}), 0.5) == [(10, 10), (30, 30)]
    assert alarms(one.ts, scored(1_000, {}), 0.5) == []


def test_an_alarm_that_begins_in_a_window_finds_it_and_every_other_is_false() -> None:
    one = subject(windows=((100, 120), (400, 450), (700, 710)))
    verdict = judge([one], [scored(1_000, {90: 0.7, 105: 0.7, 119: 0.8, 430: 0.9, 600: 0.6})], 0.5)
    assert (verdict.windows, verdict.found, verdict.alarms, verdict.false_alarms) == (3, 2, 5, 2)
    assert verdict.delays == (5 * 60, 30 * 60)
    assert verdict.precision == pytest.approx(3 / 5)
    assert verdict.recall == pytest.approx(2 / 3)
    assert verdict.f1 == pytest.approx(2 * (3 / 5) * (2 / 3) / (3 / 5 + 2 / 3))
    assert verdict.false_per_week == pytest.approx(2 / (999 / (7 * 24 * 60)))


def test_the_best_threshold_leaves_out_what_is_false_where_it_can() -> None:
    one = subject(windows=((100, 120), (400, 450)))
    scores = scored(1_000, {50: 0.55, 105: 0.7, 430: 0.62, 600: 0.6})
    best = best_threshold([one], [scores])
    assert best.threshold == pytest.approx(0.62)
    assert (best.found, best.false_alarms) == (2, 0)


def test_a_threshold_is_checked_on_labels_that_it_was_not_chosen_on() -> None:
    windows = ((100, 120), (200, 220), (600, 620), (800, 820))
    at = {50: 0.55, 105: 0.7, 210: 0.7, 605: 0.7, 700: 0.55, 810: 0.7}
    found = checked([subject(windows=windows)], [scored(1_000, at)])
    assert found is not None
    assert found.chosen == pytest.approx(0.7)
    assert (found.later.found, found.later.false_alarms) == (2, 0)
    assert (found.shipped.found, found.shipped.false_alarms) == (2, 1)
    assert checked([subject(windows=windows[:3])], [scored(1_000, at)]) is None


def test_subjects_of_different_lengths_get_the_scores_that_each_gets_alone() -> None:
    rng = np.random.default_rng(3)
    subjects = []
    for i, n in enumerate((5_000, 100, 4_200)):
        ts = np.arange(n, dtype=np.int64) * MINUTE
        subjects.append(Subject(str(i), ("t",), ts, rng.normal(size=n) + np.where(np.arange(n) == n - 50, 40, 0)))
    together = run("zscore", {}, subjects)
    for one, scores in zip(subjects, together.scores, strict=True):
        alone = run("zscore", {}, [one]).scores[0]
        assert np.array_equal(alone.score, scores.score)
        assert np.array_equal(alone.aspect, scores.aspect)
    assert together.scores[0].score[4_950] >= 0.5


def test_machines_of_different_columns_are_scored_as_each_alone_and_spoken_of_by_their_columns_names() -> None:
    rng = np.random.default_rng(5)
    machines = []
    for columns in (("load", "heat"), ("flow", "power", "heat"), ("heat", "load")):
        values = rng.normal(size=(300, len(columns)))
        values[200:, 0] += 60
        machines.append(Subject(columns[0], columns, np.arange(300, dtype=np.int64) * MINUTE, values))
    together = run("mahalanobis", {}, machines)
    for one, speaker, scores in zip(machines, together.speakers, together.scores, strict=True):
        assert np.array_equal(run("mahalanobis", {}, [one]).scores[0].score, scores.score)
        assert scores.score[200] >= 0.5
        assert speaker.explain(scores, 200).startswith(f"{one.columns[0]} is ")


def test_an_option_that_is_not_there_is_refused_with_what_there_is() -> None:
    with pytest.raises(OptionsInvalid, match="auto has no option x; it has none"):
        run("auto", {"x": 1.0}, [subject()])


def test_one_series_is_not_several() -> None:
    both = Subject("press-07", ("t", "p"), np.arange(3, dtype=np.int64), np.zeros((3, 2)))
    with pytest.raises(OptionsInvalid, match="auto looks at 1 columns, not at 2"):
        run("auto", {}, [both])
