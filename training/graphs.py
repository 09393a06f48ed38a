"""ONNX graphs written out by hand: opset 17, float32, any number of rows; small, and the same bytes every time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
OPSET = 17
"""Of 2022: every runtime in use reads it."""
_IR = 8


class Graph:
    """A graph that grows node by node; each call gives the name of what it made."""

    def __init__(self, name: str, rows: str, width: int) -> None:
        """rows: the input tensor's name; it's [n, width]."""
        self._name, self._input, self._width = name, rows, width
        self._nodes, self._constants = list[Any](), list[Any]()

    def constant(self, value: Any) -> str:
        """Integers become int64, all else float32."""
        from onnx import numpy_helper  # noqa: PLC0415  # the extra `train`

        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """One node with one output."""
        from onnx import helper  # noqa: PLC0415  # the extra `train`

        name = f"{operator.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def columns(self, x: str, at: Sequence[int]) -> str:
        """Some columns of [n, f], in this order."""
        return self.add("Gather", x, self.constant(np.array(at, np.int64)), axis=1)

    def standardised(self, x: str, mean: Array, deviation: Array) -> str:
        """(x - mean) / deviation."""
        return self.add("Mul", self.add("Sub", x, self.constant(mean)), self.constant(1 / np.asarray(deviation)))

    def dense(self, x: str, weights: Array, bias: Array) -> str:
        """Rows times weights (in, out), plus bias."""
        return self.add("Gemm", x, self.constant(weights), self.constant(bias))

    def made(self, **outputs: tuple[str, int]) -> bytes:
        """The model's bytes. outputs: name = (what it's made of, its columns)."""
        import onnx  # noqa: PLC0415  # the extra `train`
        from onnx import TensorProto, helper  # noqa: PLC0415

        said = []
        for name, (node, width) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [node], [name], name=name))
            said.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]))
        took = helper.make_tensor_value_info(self._input, TensorProto.FLOAT, ["n", self._width])
        graph = helper.make_graph(self._nodes, self._name, [took], said, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="holdfast")
        model.ir_version = _IR
        onnx.checker.check_model(model, full_check=True)
        made: bytes = model.SerializeToString(deterministic=True)
        return made


def run(model: bytes, rows: Array) -> list[Array]:
    """What ONNX Runtime says of rows, on one thread."""
    import onnxruntime as ort  # noqa: PLC0415  # the extra `ml`

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    said: list[Array] = session.run(None, {session.get_inputs()[0].name: np.asarray(rows, np.float32)})
    return said
