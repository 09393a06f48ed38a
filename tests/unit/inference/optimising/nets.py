"""Small networks of every kind that the passes know, made on the spot from a seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tests.unit.inference.making import saved, tensor

Array = NDArray[Any]
node = helper.make_node


def written(at: Path, data: bytes) -> Path:
    at.write_bytes(data)
    return at


def ran(path: Path, x: Array) -> Array:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    opened = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    out: Array = np.asarray(opened.run(None, {opened.get_inputs()[0].name: x})[0])
    return out


def held(path: Path) -> dict[str, Array]:
    return {one.name: np.array(numpy_helper.to_array(one)) for one in onnx.load(str(path)).graph.initializer}


def rows(count: int, *shape: int, seed: int = 3) -> Array:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("f")


def _made(random: np.random.Generator, shapes: Mapping[str, Sequence[int]]) -> dict[str, Array]:
    return {
        name: (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype("f") for name, shape in shapes.items()
    }


def dense(hidden: int = 16, *, act: str = "Relu", dead: Sequence[int] = (), seed: int = 1) -> bytes:
    """x [n, 6] → Gemm → act → Gemm → Softmax; the hidden units in `dead` are never anything but 0."""
    w = _made(np.random.default_rng(seed), {"a": (hidden, 6), "ab": (hidden,), "b": (3, hidden), "bb": (3,)})
    w["a"][list(dead)], w["ab"][list(dead)] = 0, 0
    nodes = [
        node("Gemm", ["x", "a", "ab"], ["h"], transB=1),
        node(act, ["h"], ["t"]),
        node("Gemm", ["t", "b", "bb"], ["l"], transB=1),
        node("Softmax", ["l"], ["y"], axis=1),
    ]
    return saved(nodes, [tensor("x", "n", 6)], [tensor("y", "n", 3)], w)


def products(hidden: int = 16, *, dead: Sequence[int] = ()) -> bytes:
    """x [n, 6] → MatMul → Add → Tanh → MatMul = y [n, 2]: no bias behind the second."""
    w = _made(np.random.default_rng(2), {"a": (6, hidden), "ab": (hidden,), "b": (hidden, 2)})
    w["a"][:, list(dead)], w["ab"][list(dead)] = 0, 0
    nodes = [
        node("MatMul", ["x", "a"], ["m"]),
        node("Add", ["m", "ab"], ["h"]),
        node("Tanh", ["h"], ["t"]),
        node("MatMul", ["t", "b"], ["y"]),
    ]
    return saved(nodes, [tensor("x", "n", 6)], [tensor("y", "n", 2)], w)


def residual(*, norm: bool = False, dead: Sequence[int] = (), wide: int = 16) -> bytes:
    """A MobileNet's bones on x [n, 3, 8, 8]: Conv, expand, depthwise, project, Add, pool, Flatten, Gemm.

    dead: of the expanded channels; norm: a batch norm behind the first convolution
    """
    random = np.random.default_rng(4)
    w = _made(random, {"s": (8, 3, 3, 3), "sb": (8,), "e": (wide, 8, 1, 1), "eb": (wide,), "d": (wide, 1, 3, 3),
                       "db": (wide,), "p": (8, wide, 1, 1), "pb": (8,), "f": (4, 8), "fb": (4,)})  # fmt: skip
    for name in ("e", "eb", "db"):
        w[name][list(dead)] = 0
    nodes = [node("Conv", ["x", "s", "sb"], ["c0"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])]
    if norm:
        w |= {"g": random.uniform(0.5, 2, 8).astype("f"), "v": random.uniform(0.5, 2, 8).astype("f")}
        w |= {"o": random.normal(size=8).astype("f"), "m": random.normal(size=8).astype("f")}
        nodes += [node("BatchNormalization", ["c0", "g", "o", "m", "v"], ["n0"])]
    w |= {"low": np.float32(0), "high": np.float32(6)}  # type: ignore[dict-item]  # constants without a shape
    nodes += [
        node("Clip", ["n0" if norm else "c0", "low", "high"], ["r0"]),
        node("Conv", ["r0", "e", "eb"], ["c1"], kernel_shape=[1, 1]),
        node("Clip", ["c1", "low", "high"], ["r1"]),
        node("Conv", ["r1", "d", "db"], ["c2"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=wide),
        node("Clip", ["c2", "low", "high"], ["r2"]),
        node("Conv", ["r2", "p", "pb"], ["c3"], kernel_shape=[1, 1]),
        node("Add", ["r0", "c3"], ["sum"]),
        node("GlobalAveragePool", ["sum"], ["pool"]),
        node("Flatten", ["pool"], ["flat"], axis=1),
        node("Gemm", ["flat", "f", "fb"], ["l"], transB=1),
        node("Softmax", ["l"], ["y"], axis=1),
    ]
    return saved(nodes, [tensor("x", "n", 3, 8, 8)], [tensor("y", "n", 4)], w)


def flattened(*, by: str = "Flatten", dead: Sequence[int] = ()) -> bytes:
    """x [n, 2, 4, 4] → Conv to 8 channels → Relu → [n, 128] → Gemm: each channel is 16 columns of the Gemm."""
    w: dict[str, Array] = _made(np.random.default_rng(5), {"c": (8, 2, 3, 3), "g": (3, 128), "b": (3,)})
    w["c"][list(dead)] = 0
    if by == "Reshape":
        w["to"] = np.asarray([0, 128], np.int64)
    flat = node("Reshape", ["r", "to"], ["f"]) if by == "Reshape" else node("Flatten", ["r"], ["f"], axis=1)
    nodes = [
        node("Conv", ["x", "c"], ["h"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Relu", ["h"], ["r"]),
        flat,
        node("Gemm", ["f", "g", "b"], ["y"], transB=1),
    ]
    return saved(nodes, [tensor("x", "n", 2, 4, 4)], [tensor("y", "n", 3)], w)


def joined() -> bytes:
    """Two convolutions side by side, their channels strung together: lanes that must be left alone."""
    w = _made(np.random.default_rng(6), {"a": (8, 2, 1, 1), "b": (8, 2, 1, 1), "c": (3, 16, 1, 1)})
    nodes = [
        node("Conv", ["x", "a"], ["p"], kernel_shape=[1, 1]),
        node("Conv", ["x", "b"], ["q"], kernel_shape=[1, 1]),
        node("Concat", ["p", "q"], ["r"], axis=1),
        node("Conv", ["r", "c"], ["y"], kernel_shape=[1, 1]),
    ]
    return saved(nodes, [tensor("x", "n", 2, 4, 4)], [tensor("y", "n", 3, 4, 4)], w)
