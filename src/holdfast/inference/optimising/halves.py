"""float16: the whole graph, or the weights alone, which are float32 again once loaded."""

import contextlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising import graphs
from holdfast.inference.optimising.errors import NotPossible

_LEAST = 64
"""Values; a smaller weight isn't worth its Cast."""
LARGEST = 65504.0
"""float16's (IEEE 754-2019, binary16)."""


def whole(model: Path, out: Path) -> None:
    """All sums in float16; inputs and outputs stay float32, so callers see no difference."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    loaded = graphs.load(model)
    _check(loaded)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of values that it rounds to its smallest
        halved = convert_float_to_float16(loaded, keep_io_types=True)
    with contextlib.suppress(ValueError):
        del halved.graph.value_info[:]
    graphs.save(halved, out)


def weights_only(model: Path, out: Path) -> str:
    """Weights lie as float16 and are cast to float32 at load: half the file, the same speed, the same memory."""
    from onnx import helper

    loaded = graphs.load(model)
    _check(loaded)
    held, done = graphs.weights(loaded), 0
    casts: list[Any] = []
    for name in graphs.weight_names(loaded):
        if held[name].size < _LEAST:
            continue
        stored = f"{name}.float16"
        graphs.put(loaded, stored, held[name].astype(np.float16))
        casts.append(helper.make_node("Cast", [stored], [name], name=f"{name}.widened", to=1))
        done += 1
        _drop(loaded, name)
    if not done:
        raise NotPossible(f"it has no weights of {_LEAST} values or more")
    nodes = [*casts, *loaded.graph.node]
    del loaded.graph.node[:]
    loaded.graph.node.extend(nodes)
    graphs.save(loaded, out)
    return f"{done} weights"


def _check(model: Any) -> None:
    names = graphs.weight_names(model)
    if not names:
        raise NotPossible("it has no float32 weights that multiply")
    held = graphs.weights(model)
    for name in names:
        if float(np.abs(held[name]).max(initial=0.0)) > LARGEST:
            raise NotPossible(f"{name} has values above {LARGEST:,.0f}, float16's largest")


def _drop(model: Any, name: str) -> None:
    at = next(i for i, one in enumerate(model.graph.initializer) if one.name == name)
    del model.graph.initializer[at]
