"""A deployment's fallback `rule`: a condition over the features, for when the model can't be asked."""

from collections.abc import Callable, Sequence

import numpy as np

from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Predictions
from holdfast.stream.language.overcolumns import condition_over

Answer = Callable[[FeatureRows], Predictions]


def rule_answer(text: str, features: Sequence[str], labels: Sequence[str], faults: list[str]) -> Answer | None:
    """What the rule says of rows: where it holds the last label with score 1, else the first with score 0.

    features: the columns' names, in order; of a wide feature every one of its columns, `x[0]`, can't be named
    faults:   take what is wrong with the text, then None is given
    """
    holds = condition_over(text, features, faults)
    if holds is None:
        return None
    last = len(labels) - 1 if labels else -1

    def answer(rows: FeatureRows) -> Predictions:
        held = holds(rows.values)
        label = np.where(held, last, 0 if labels else -1).astype(np.int32)
        return Predictions(held.astype(np.float64), label, np.full(len(rows), np.nan))

    return answer
