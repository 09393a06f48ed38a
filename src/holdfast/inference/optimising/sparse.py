"""Magnitude pruning: the smallest weights become 0. Files shrink only where they are packed; no kernel gets quicker."""

from pathlib import Path

import numpy as np

from holdfast.inference.optimising import graphs
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.given import Array


def magnitude(model: Path, out: Path, share: float) -> str:
    """Zero so large a share of each weight, the smallest ones; every weight keeps its own share.

    Returns:
        How many of how many.
    """
    loaded = graphs.load(model)
    held, zeros, all_ = graphs.weights(loaded), 0, 0
    grouped = {node.input[1] for node in loaded.graph.node if int(graphs.attribute(node, "group", 1)) > 1}
    for name in graphs.weight_names(loaded):
        if name in grouped:  # a depthwise kernel has nine weights a channel and none to spare
            continue
        pruned = smallest_zeroed(held[name], share)
        graphs.put(loaded, name, pruned)
        zeros, all_ = zeros + int((pruned == 0).sum()), all_ + pruned.size
    if not all_:
        raise NotPossible("it has no float32 weights that multiply")
    graphs.save(loaded, out)
    return f"{zeros:,} of {all_:,} weights are 0"


def smallest_zeroed(weight: Array, share: float) -> Array:
    """The same weight with floor(share · size) of its smallest values at 0."""
    count = int(share * weight.size)
    out: Array = weight.copy()
    if count:
        out.ravel()[np.argpartition(np.abs(weight).ravel(), count - 1)[:count]] = 0
    return out
