"""A condition over named columns of numbers, for whoever has such without a rule: a model's features."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.language import parsing
from holdfast.stream.language.plans import compile_condition

Array = NDArray[Any]


def condition_over(text: str, names: Sequence[str], faults: list[str]) -> Callable[[Array], Array] | None:
    """What says of rows, shape (n, len(names)), where the condition holds, shape (n,); None, and why, if it's none.

    Like a rule's `when`: what isn't known (NaN) doesn't hold.
    """
    node = parsing.condition(text, faults)
    if node is None:
        return None
    made = compile_condition(node, [(name, "number") for name in names], Path(), faults)
    if made is None:
        return None
    holds, _ = made

    def over(values: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(holds(list(values.T)), len(values)), np.bool_)

    return over
