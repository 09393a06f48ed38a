"""What a model says, and how good that is."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from holdfast.inference.optimising import scores
from holdfast.inference.optimising.errors import DataUnusable, ModelUnusable
from holdfast.inference.optimising.given import Given, Port
from holdfast.inference.optimising.scores import Said, guess, judge, said

RANDOM = np.random.default_rng(5)


def model(card: dict[str, object] | None = None, task: str | None = None) -> Given:
    return Given(Path("m.onnx"), None, card or {}, Port("x", (2,), "float32"), (), task, "0" * 64)  # type: ignore[arg-type]


@hypothesis_given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_what_scikit_learn_says_ties_and_all(rows: list[tuple[int, bool]]) -> None:
    score, truth = np.asarray([float(s) for s, _ in rows]), np.asarray([t for _, t in rows])
    wanted = 0.5 if truth.all() or not truth.any() else roc_auc_score(truth, score)
    assert scores.auc(score, truth) == pytest.approx(wanted)


def test_r2_and_f1_are_what_scikit_learn_says() -> None:
    truth, of = RANDOM.normal(size=50), RANDOM.normal(size=50)
    assert scores.r2(of, truth) == pytest.approx(r2_score(truth, of))
    kinds, guesses = RANDOM.integers(0, 3, 50), RANDOM.integers(0, 3, 50)
    assert scores.f1_macro(guesses, kinds) == pytest.approx(f1_score(kinds, guesses, average="macro"))


def test_loss_of_classes_is_in_points_of_accuracy_with_its_interval() -> None:
    y = RANDOM.integers(0, 3, 1000)
    ours = y.copy()
    ours[:50] = (ours[:50] + 1) % 3
    judged = judge("classification", Said(ours, None), Said(y, None), y)
    assert (judged.metric, judged.value) == ("accuracy", 0.95)
    assert judged.loss == pytest.approx(0.05)
    assert judged.low < 0.05 < judged.high


def test_without_labels_the_measure_is_agreement_and_is_called_so() -> None:
    ours, theirs = np.asarray([0, 1, 1, 0]), np.asarray([0, 1, 1, 1])
    judged = judge("classification", Said(ours, None), Said(theirs, None), None)
    assert (judged.metric, judged.value, judged.loss) == ("agreement", 0.75, 0.25)
    numbers = RANDOM.normal(size=100)
    assert judge("regression", Said(None, numbers), Said(None, numbers), None).value == 1
    assert judge("anomaly", Said(None, 2 * numbers), Said(None, numbers), None).value == pytest.approx(1)


def test_a_model_that_says_nan_loses_everything() -> None:
    theirs = RANDOM.normal(size=20)
    ours = theirs.copy()
    ours[3] = np.nan
    assert judge("regression", Said(None, ours), Said(None, theirs), theirs).loss == 1


def test_labels_that_do_not_suit_the_task_are_said() -> None:
    score = RANDOM.normal(size=10)
    with pytest.raises(DataUnusable, match="both kinds"):
        judge("anomaly", Said(None, score), Said(None, score), np.ones(10))
    with pytest.raises(DataUnusable, match="the same number"):
        judge("regression", Said(None, score), Said(None, score), np.ones(10))


def test_the_card_says_what_outputs_mean() -> None:
    x = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    of = said(
        model({"outputs": {"reconstruction": {"name": "r"}}}), "anomaly", {"r": x + np.asarray([[1, 1], [0, 2]])}, x
    )
    assert of.score is not None
    assert of.score.tolist() == [1.0, 2.0]
    card = {"outputs": {"score": {"name": "p"}}, "threshold": 0.7}
    of = said(model(card), "classification", {"p": np.asarray([[0.9, 0.6], [0.1, 0.8]])}, x)
    assert of.label is not None
    assert of.label.tolist() == [0, 1]  # the last column, above 0.7
    with pytest.raises(ModelUnusable, match="an output q, but there are p"):
        said(model({"outputs": {"classes": {"name": "q"}}}), "classification", {"p": x}, x)


def test_a_task_is_guessed_only_where_there_is_no_doubt() -> None:
    wide, narrow = {"y": np.zeros((4, 3))}, {"y": np.zeros((4, 1))}
    assert guess(model(), wide, None) == "classification"
    assert guess(model(), narrow, np.asarray([0.5, 1, 2, 3])) == "regression"
    with pytest.raises(ModelUnusable, match="what this model is for") as caught:
        guess(model(), narrow, None)
    assert "--task" in caught.value.hint


@hypothesis_given(st.integers(0, 200), st.integers(0, 200))
def test_wilsons_interval_holds_the_share_and_stays_a_share(hits: int, misses: int) -> None:
    low, high = scores.wilson(hits, hits + misses)
    assert 0 <= low <= high <= 1
    if hits + misses:
        assert low - 1e-9 <= hits / (hits + misses) <= high + 1e-9
