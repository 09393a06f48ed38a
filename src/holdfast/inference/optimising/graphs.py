"""Small tools over ONNX graphs, for the passes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising.errors import LibraryMissing, NotPossible
from holdfast.inference.optimising.given import Array

_INTEGERS = {2, 3, 6}
"""TensorProto's UINT8, INT8, INT32."""
WEIGHTED = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}
"""Operators with a weight as their second input."""


def load(path: Path) -> Any:
    """A ModelProto.

    Raises:
        NotPossible: it is in ORT's own format, which no pass reads, or isn't ONNX.
        LibraryMissing: onnx isn't installed.
    """
    try:
        import onnx
    except ImportError:
        raise LibraryMissing("onnx", "train") from None
    if path.suffix == ".ort":
        raise NotPossible("a model in ORT format can't be changed any more: give the .onnx it was made of")
    try:
        model = onnx.load(str(path))
    except Exception as error:  # noqa: BLE001  # protobuf's own, of several versions
        raise NotPossible(f"{path.name} can't be read as ONNX: {str(error)[:200]}") from None
    if any(attribute.HasField("g") for node in model.graph.node for attribute in node.attribute):
        raise NotPossible("it has graphs within its graph (If, Loop, Scan), which aren't changed")
    return model


def weights(model: Any) -> dict[str, Array]:
    """Initialisers by name; the arrays are copies."""
    from onnx import numpy_helper

    return {one.name: np.array(numpy_helper.to_array(one)) for one in model.graph.initializer}


def put(model: Any, name: str, array: Array) -> None:
    """Replace an initialiser, or add it."""
    from onnx import numpy_helper

    made = numpy_helper.from_array(np.ascontiguousarray(array), name)
    for one in model.graph.initializer:
        if one.name == name:
            one.CopyFrom(made)
            return
    model.graph.initializer.append(made)


def uses(model: Any) -> dict[str, list[tuple[Any, int]]]:
    """Of each tensor: the nodes that read it, and as which input."""
    found: dict[str, list[tuple[Any, int]]] = {}
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name:
                found.setdefault(name, []).append((node, at))
    return found


def attribute(node: Any, name: str, default: Any = None) -> Any:
    """An attribute's value."""
    from onnx import helper

    return next((helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def weight_names(model: Any) -> list[str]:
    """Initialisers of floats that multiply: what pruning and halving are about."""
    known = {one.name: one for one in model.graph.initializer}
    found = [
        node.input[1]
        for node in model.graph.node
        if node.op_type in WEIGHTED and len(node.input) > 1 and node.input[1] in known
    ]
    return [name for name in dict.fromkeys(found) if known[name].data_type == 1]  # 1 = FLOAT


def save(model: Any, path: Path) -> None:
    """Checked, then written; shapes in between are forgotten, for a pass may have changed them."""
    import onnx

    del model.graph.value_info[:]
    _in_order(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def slim(model: Any) -> None:
    """Take out what no runtime reads: where each node came from, and long names; of the model's ends all stays."""
    ends = {port.name for port in (*model.graph.input, *model.graph.output)} | {""}
    short: dict[str, str] = {name: name for name in ends}
    taken = iter(f"t{i}" for i in range(1 << 30))

    def renamed(name: str) -> str:
        if name not in short:
            short[name] = next(one for one in taken if one not in ends)
        return short[name]

    for at, node in enumerate(model.graph.node):
        node.name, node.doc_string = f"{node.op_type}{at}", ""
        for names in (node.input, node.output):
            names[:] = [renamed(name) for name in names]
        _bare(node)
    for one in (*model.graph.initializer, *model.graph.value_info):
        one.name, one.doc_string = renamed(one.name), ""
        _bare(one)
    for whole in (*model.graph.input, *model.graph.output, model.graph, model):
        _bare(whole)
    _zeros_once(model)
    domains = {node.domain for node in model.graph.node} | {""}
    used = [one for one in model.opset_import if one.domain.removeprefix("ai.onnx") in domains or one.domain in domains]
    del model.opset_import[:]
    model.opset_import.extend(used)
    del model.graph.quantization_annotation[:]
    model.doc_string = model.graph.doc_string = ""


def _zeros_once(model: Any) -> None:
    """One tensor of zeros for all zero points of a kind and length; INT8 has three for each layer, mostly the same."""
    first, instead = dict[tuple[int, tuple[int, ...]], str](), dict[str, str]()
    for one in model.graph.initializer:
        if one.data_type in _INTEGERS and len(one.dims) <= 1 and not any(one.raw_data) and one.raw_data:
            kept = first.setdefault((one.data_type, tuple(one.dims)), one.name)
            instead |= {one.name: kept} if kept != one.name else {}
    for node in model.graph.node if instead else ():
        if node.op_type in {"QuantizeLinear", "DequantizeLinear"}:
            node.input[:] = [*node.input[:2], *(instead.get(name, name) for name in node.input[2:])]
    read = {name for node in model.graph.node for name in node.input} | {port.name for port in model.graph.output}
    left = [one for one in model.graph.initializer if one.name not in instead or one.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)


def _bare(of: Any) -> None:
    if hasattr(of, "metadata_props"):
        del of.metadata_props[:]


def _in_order(model: Any) -> None:
    """Every node behind those whose results it reads, else as they stood: the library's passes don't keep to that."""
    there = {one.name for one in (*model.graph.initializer, *model.graph.input)} | {""}
    left, ordered = list(model.graph.node), list[Any]()
    while left:
        ready = [node for node in left if there.issuperset(node.input)]
        if not ready:
            raise NotPossible("the graph made reads what nothing writes")
        for node in ready:
            there.update(node.output)
        ordered += ready
        left = [node for node in left if not any(node is one for one in ready)]
    del model.graph.node[:]
    model.graph.node.extend(ordered)


def shapes(model: Any) -> dict[str, tuple[int | None, ...]]:
    """Of every tensor that the checker can work out."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    found: dict[str, tuple[int | None, ...]] = {one.name: tuple(one.dims) for one in inferred.graph.initializer}
    ports: Iterable[Any] = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    for port in ports:
        if port.type.tensor_type.HasField("shape"):
            dims = port.type.tensor_type.shape.dim
            found[port.name] = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)
    return found
