"""Small models for tests, made on the spot: sound ones and hostile ones."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT
DIGEST = "0123456789abcdef"


def saved(nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], constants: dict[str, Any]) -> bytes:
    """An ONNX file's bytes."""
    initial = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "g", list(inputs), list(outputs), initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    made: bytes = model.SerializeToString()
    return made


def tensor(name: str, *shape: Any, dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, list(shape))


def weights(f: int = 4, hidden: int = 3) -> tuple[NDArray[Any], NDArray[Any]]:
    random = np.random.default_rng(1)
    return random.normal(size=(f, hidden)).astype("f"), random.normal(size=(hidden, f)).astype("f")


def autoencoder(f: int = 4, batch: Any = "n") -> bytes:
    """x → tanh(x·a)·b = xhat."""
    a, b = weights(f)
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("MatMul", ["t", "b"], ["xhat"]),
    ]
    return saved(nodes, [tensor("x", batch, f)], [tensor("xhat", batch, f)], {"a": a, "b": b})


def classifier(f: int = 4, k: int = 3, *, softmax: bool = True) -> bytes:
    """x → (softmax of) x·w = probs."""
    w = np.random.default_rng(2).normal(size=(f, k)).astype("f")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["l"] if softmax else ["probs"])]
    nodes += [helper.make_node("Softmax", ["l"], ["probs"], axis=1)] if softmax else []
    return saved(nodes, [tensor("x", "n", f)], [tensor("probs", "n", k)], {"w": w})


def through(*nodes: Any, f: int = 4, constants: dict[str, Any] | None = None, shape: Sequence[Any] = ("n", 4)) -> bytes:
    """x → nodes → y."""
    return saved(nodes, [tensor("x", "n", f)], [tensor("y", *shape)], constants or {})


def _loop(*before: Any, constants: dict[str, Any]) -> bytes:
    """A loop that adds `one` to x, `turns` times."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["v", "one"], ["v2"])],
        "turn",
        [tensor("i", dtype=TensorProto.INT64), tensor("c", dtype=TensorProto.BOOL), _unshaped("v")],
        [tensor("c2", dtype=TensorProto.BOOL), _unshaped("v2")],
    )
    loop = helper.make_node("Loop", ["turns", "go", "x"], ["y"], body=body)
    return through(*before, loop, constants={**constants, "go": np.array(True)})


def _unshaped(name: str) -> Any:
    return helper.make_tensor_value_info(name, FLOAT, None)


def endless() -> bytes:
    """A loop of 2^62 turns."""
    return _loop(constants={"turns": np.array(2**62), "one": np.float32(1)})


def stuck() -> bytes:
    """A loop of max(x) turns: well-behaved on the rows that it's tried with."""
    before = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Cast", ["top"], ["turns"], to=TensorProto.INT64),
    ]
    return _loop(*before, constants={"one": np.float32(0)})


def greedy(numbers: int = 25_000_000_000) -> bytes:
    """Asks for 100 GB, and sums it up."""
    return through(
        helper.make_node("ConstantOfShape", ["size"], ["z"]),
        helper.make_node("ReduceSum", ["z"], ["q"], keepdims=0),
        helper.make_node("Add", ["x", "q"], ["y"]),
        constants={"size": np.array([numbers])},
    )


def swelling() -> bytes:
    """Asks for max(x) numbers."""
    return through(
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Cast", ["top"], ["n"], to=TensorProto.INT64),
        helper.make_node("Unsqueeze", ["n", "zero"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["z"]),
        helper.make_node("ReduceSum", ["z"], ["q"], keepdims=0),
        helper.make_node("Add", ["x", "q"], ["y"]),
        constants={"zero": np.array([0])},
    )


def outside() -> bytes:
    """Weights in another file, above its folder."""
    model = onnx.load_from_string(through(helper.make_node("Add", ["x", "w"], ["y"]), constants={"w": np.float32(1)}))
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    place = weight.external_data.add()
    place.key, place.value = "location", "../../../etc/hostname"
    made: bytes = model.SerializeToString()
    return made


def card(data: bytes, *, file: str = "model.onnx", **parts: str) -> str:
    """A card for a file. parts: `task`, `inputs`, `outputs`, `rest` as YAML; the default is an anomaly's."""
    inputs = parts.get("inputs", "{features: press, shape: [4]}")
    outputs = parts.get("outputs", "{reconstruction: {name: xhat}}")
    head = f"model: {parts.get('model', 'press')}\nversion: {parts.get('version', '1.0.0')}\n"
    said = f"{head}task: {parts.get('task', 'anomaly')}\nfile: {file}\nsha256: {hashlib.sha256(data).hexdigest()}\n"
    return f"{said}inputs: {inputs}\noutputs: {outputs}\n{parts.get('rest', '')}"


def folder(at: Path, data: bytes, *, file: str = "model.onnx", **parts: str) -> Path:
    """A model's folder, made."""
    at.mkdir(parents=True, exist_ok=True)
    (at / file).write_bytes(data)
    (at / "model.yaml").write_text(card(data, file=file, **parts))
    return at
