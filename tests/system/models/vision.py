"""A tiny vision model."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def brightness_model(folder: Path) -> None:
    """A model of 8 by 8 grey pictures that says how bright they are: its input's mean, as [dark, bright]."""
    folder.mkdir(parents=True)
    weights = numpy_helper.from_array(np.array([[-1.0, 1.0]], np.float32), "w")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["m", "one"], ["c"]),
        helper.make_node("Sub", ["c", "half"], ["s"]),
        helper.make_node("Mul", ["s", "ten"], ["t"]),
        helper.make_node("MatMul", ["t", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probs"], axis=1),
    ]
    constants = [
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array(0.5, np.float32), "half"),
        numpy_helper.from_array(np.array(10.0, np.float32), "ten"),
        weights,
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])
    y = helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "brightness", [x], [y], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    onnx.save(made, folder / "model.onnx")
    (folder / "model.yaml").write_text(
        "model: brightness\nversion: 1.0.0\ntask: image-classification\nfile: model.onnx\n"
        f"sha256: {hashlib.sha256((folder / 'model.onnx').read_bytes()).hexdigest()}\n"
        "inputs: {image: {width: 8, height: 8, channels: 1, layout: nchw}, name: x, shape: [1, 8, 8], dtype: float32}\n"
        "outputs: {classes: {name: probs}, labels: [dark, bright]}\n"
    )
