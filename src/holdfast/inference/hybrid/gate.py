"""Which results a model is unsure of. Pure; columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.model.features import UNUSABLE
from holdfast.model.predictions import How, Results

Array = NDArray[Any]


def uncertain(results: Results, settings: HybridSettings) -> Array:
    """Of rows that the model itself answered: which are to be asked about, shape (n,), bool.

    A model that says no confidence (NaN) is never below; a score of NaN is in no band. What isn't acted on (shadow)
    is nobody's question.
    """
    if results.role == "shadow":
        return np.zeros(len(results), bool)
    said, doubt = results.predictions, np.zeros(len(results), bool)
    if settings.below is not None:
        doubt |= said.confidence < settings.below
    if settings.between is not None:
        low, high = settings.between
        doubt |= (said.score >= low) & (said.score <= high)
    by_model = (results.how == How.MODEL) & ((results.flags & UNUSABLE) == 0)
    found: Array = doubt & by_model
    return found
