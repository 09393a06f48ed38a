"""Small LiteRT files, built from the schema that comes with the library: it has no converter and no models."""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

Array = NDArray[Any]


class Graph:
    """A graph in the making: tensors, then operators over their numbers."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version, self.model.buffers = 3, [schema.BufferT()]
        self.model.operatorCodes, self.model.signatureDefs = [], []
        self.graph = schema.SubGraphT()
        self.graph.name, self.graph.tensors, self.graph.operators = b"main", [], []

    def tensor(
        self, name: str, shape: list[int], data: Array | None = None, quantised: tuple[float, int] | None = None
    ) -> int:
        made = schema.TensorT()
        made.name, made.shape = name.encode(), [max(side, 1) for side in shape]
        made.shapeSignature = shape if -1 in shape else None
        dtype = data.dtype if data is not None else np.dtype("i1" if quantised else "f4")
        made.type = {"f": schema.TensorType.FLOAT32, "i4": schema.TensorType.INT32, "i1": schema.TensorType.INT8}[
            "f" if dtype.kind == "f" else dtype.str[1:]
        ]
        if quantised:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [quantised[0]], [quantised[1]]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(self, name: str, inputs: list[int], outputs: list[int], options: Any = None) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
        code.version = 1
        self.model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        self.graph.operators.append(made)

    def saved(self, given: int, said: int) -> bytes:
        self.graph.inputs, self.graph.outputs, self.model.subgraphs = [given], [said], [self.graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def dense(a: Array, b: Array, batch: int = -1, *, reshape: bool = False) -> bytes:
    """x → tanh(x·a)·b = xhat; reshape: with the batch written into the graph, so that no other will do."""
    graph, (f, hidden) = Graph(), a.shape
    x, h, t = (graph.tensor(*one) for one in (("x", [batch, f]), ("h", [batch, hidden]), ("t", [batch, hidden])))
    xhat = graph.tensor("xhat", [batch, b.shape[1]])
    first, second = graph.tensor("a", [hidden, f], a.T.copy()), graph.tensor("b", [f, hidden], b.T.copy())
    graph.operator("FULLY_CONNECTED", [x, first, -1], [h], schema.FullyConnectedOptionsT())
    graph.operator("TANH", [h], [t])
    if reshape:
        again, shape = graph.tensor("r", [batch, hidden]), graph.tensor("s", [2], np.array([batch, hidden], "i4"))
        graph.operator("RESHAPE", [t, shape], [again])
        t = again
    graph.operator("FULLY_CONNECTED", [t, second, -1], [xhat], schema.FullyConnectedOptionsT())
    return graph.saved(x, xhat)


def quantised_logistic(f: int = 4) -> bytes:
    """x (int8, 0.05 a step) → logistic → y (int8, 1/256 a step from -128)."""
    graph = Graph()
    x = graph.tensor("x", [1, f], quantised=(0.05, 3))
    y = graph.tensor("y", [1, f], quantised=(1 / 256, -128))
    graph.operator("LOGISTIC", [x], [y])
    return graph.saved(x, y)
