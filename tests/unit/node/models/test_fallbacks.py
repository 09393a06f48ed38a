"""A fallback rule answers for a model, from the same features."""

import numpy as np

from holdfast.model.features import FeatureRows, no_flags
from holdfast.node.models.fallbacks import rule_answer


def rows(values: list[list[float]]) -> FeatureRows:
    n = len(values)
    return FeatureRows(
        "set@0", "pump", [("gw", "p")], np.zeros(n, np.int32), np.zeros(n, np.int64), np.array(values), no_flags(n), 0.0
    )


def test_a_rule_says_the_last_label_where_it_holds_and_never_where_nothing_is_known() -> None:
    answer = rule_answer("abs(pressure) > 3 and flow < 1", ["pressure", "flow"], ["normal", "leak"], [])
    assert answer is not None
    said = answer(rows([[4, 0], [-4, 0], [2, 0], [4, 2], [np.nan, 0]]))
    assert said.label.tolist() == [1, 1, 0, 0, 0]
    assert said.score.tolist() == [1, 1, 0, 0, 0]


def test_a_model_without_labels_gets_a_score_alone() -> None:
    answer = rule_answer("x > 1", ["x"], [], [])
    assert answer is not None
    said = answer(rows([[2], [0]]))
    assert (said.score.tolist(), said.label.tolist()) == ([1, 0], [-1, -1])


def test_a_rule_over_what_isnt_a_feature_is_told_with_what_there_is() -> None:
    faults: list[str] = []
    assert rule_answer("presure > 3", ["pressure", "flow"], [], faults) is None
    assert "did you mean `pressure`?; allowed: the selected columns (pressure, flow)" in faults[0]
