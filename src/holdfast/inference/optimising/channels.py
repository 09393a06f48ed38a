"""Structured pruning: whole channels are cut out of a graph, so that every kernel has less to do.

Which go: the channels whose part in what the next layers add up varies least over the calibration rows. The layers that
read them are then fitted anew to the channels that are left, by least squares on the same rows (He, Zhang and Sun,
"Channel Pruning for Accelerating Very Deep Neural Networks", 2017, section 3.1, in one go for all layers).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising import graphs
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.given import Array
from holdfast.inference.optimising.lanes import Lane, Slice, lanes_of

_LEAST = 4
"""Channels; a lane with fewer is left alone, and none ends with fewer."""
_MOST_TOGETHER = 4096
"""Places along an axis; of more, how they move together isn't kept (the square of that many numbers)."""
_RIDGE = 1e-4
"""Of the mean variance, added to it: keeps the fit sober where channels repeat each other."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Of the places along a tensor's axis of channels: means, variances, and how they move together."""

    mean: Array
    variance: Array
    together: Array | None


Seen = Mapping[str, Moments]
"""By the tensor that a layer reads."""


def prune(model: Path, out: Path, x: Array, share: float) -> str:
    """Cut so large a share of every lane's channels.

    Returns:
        How many went, and what was exempt.
    """
    loaded = graphs.load(model)
    lanes = lanes_of(loaded)
    seen = observe(loaded, lanes, x)
    held = graphs.weights(loaded)
    chosen = [least_useful(lane, held, seen, share) for lane in lanes]
    if not any(len(cut) for cut in chosen):
        raise NotPossible(f"no channels can go: {exempt(lanes) or 'all lanes are too narrow'}")
    before = sum(array.size for array in held.values())
    left = refit(loaded, lanes, chosen, seen)
    cut_out(loaded, lanes, chosen)
    add_after(loaded, lanes, chosen, left)
    after = sum(array.size for array in graphs.weights(loaded).values())
    graphs.save(loaded, out)
    said = f"{sum(map(len, chosen)):,} of {sum(lane.size for lane in lanes):,} channels, {before:,} → {after:,} weights"
    return said + (f"; exempt: {told}" if (told := exempt(lanes)) else "")


def exempt(lanes: Sequence[Lane]) -> str:
    """What isn't pruned, and why: `an output of the model (4 channels)`."""
    return ", ".join(f"{lane.exempt} ({lane.size} channels)" for lane in lanes if lane.exempt)


def remove_dead(model: Path, out: Path) -> str:
    """Cut the channels that have no part in any result; what the model says stays the same, to the bit or nearly so."""
    loaded = graphs.load(model)
    lanes = lanes_of(loaded)
    held = graphs.weights(loaded)
    chosen = [dead(lane, held) for lane in lanes]
    cut_out(loaded, lanes, chosen)
    graphs.save(loaded, out)
    return f"{sum(map(len, chosen)):,} of {sum(lane.size for lane in lanes):,} channels had no part in any result"


def dead(lane: Lane, held: Mapping[str, Array]) -> Array:
    """Channels that nothing reads, or that are always 0 where they're read; one is always kept."""
    if lane.exempt:
        return np.empty(0, np.int64)
    unread = _strength(lane, lane.reads, held) == 0
    silent = (_strength(lane, lane.makes | lane.shifts, held) == 0) & lane.keeps_zero
    return np.flatnonzero(unread | silent)[: lane.size - 1]


def least_useful(lane: Lane, held: Mapping[str, Array], seen: Seen, share: float) -> Array:
    """The channels to cut, in ascending order."""
    count = min(lane.size - _even(lane.size - int(share * lane.size), lane.size), lane.size - _LEAST)
    if lane.exempt or count <= 0:
        return np.empty(0, np.int64)
    worth = np.zeros(lane.size)
    for reader in lane.readers:
        moved = seen[reader.tensor].variance * _squares(held[reader.part.name], reader.part.axis)
        worth += moved.reshape(lane.size, reader.part.block).sum(1)
    return np.sort(np.argsort(worth, kind="stable")[:count])


def _even(kept: int, size: int) -> int:
    """Kernels work on 8 or 16 channels at a time: a lane that doesn't fill them is slower than the one it came from."""
    step = 16 if size >= 64 else 8 if size >= 16 else 1
    return -(-kept // step) * step


def observe(model: Any, lanes: Sequence[Lane], x: Array, batch: int = 32) -> Seen:
    """What every layer reads of lanes that may be cut, over the rows."""
    axes = {reader.tensor: reader.axis for lane in lanes if not lane.exempt for reader in lane.readers}
    if not axes:
        return {}
    name, opened = _showing(model, list(axes))
    sums: dict[str, tuple[int, Array, Array]] = {}
    for at in range(0, len(x), batch):
        for tensor, value in zip(axes, opened.run(list(axes), {name: x[at : at + batch]}), strict=True):
            flat = np.moveaxis(value, axes[tensor], -1).reshape(-1, value.shape[axes[tensor]])
            whole = flat.shape[1] <= _MOST_TOGETHER
            second = (flat.T @ flat if whole else np.square(flat).sum(0)).astype(np.float64)
            before = sums.get(tensor, (0, np.zeros(flat.shape[1]), np.zeros_like(second)))
            sums[tensor] = before[0] + len(flat), before[1] + flat.sum(0, dtype=np.float64), before[2] + second
    return {tensor: _moments(*each) for tensor, each in sums.items()}


def _moments(count: int, first: Array, second: Array) -> Moments:
    mean = first / count
    if second.ndim == 1:
        return Moments(mean, np.maximum(second / count - mean**2, 0), None)
    together = second / count - np.outer(mean, mean)
    return Moments(mean, np.maximum(np.diag(together), 0), together)


def refit(model: Any, lanes: Sequence[Lane], chosen: Sequence[Array], seen: Seen) -> dict[str, Array]:
    """Let the layers that read cut channels make do with the others, as well as least squares can.

    A layer that reads each place by itself (Gemm, MatMul, convolution of 1 by 1) gets the weights that come nearest to
    what it said before; of wider kernels only the bias moves, by what the cut channels gave on average.

    Returns:
        By output tensor: what is still to be added to layers that have no bias, for all their outputs.
    """
    held, left = graphs.weights(model), dict[str, Array]()
    for lane, cut in zip(lanes, chosen, strict=True):
        for reader in lane.readers if len(cut) else ():
            at, weight = _places(cut, reader.part.block), held[reader.part.name]
            fitted, added = _fitted(
                np.moveaxis(weight, reader.part.axis, 0).astype(np.float64), at, seen[reader.tensor]
            )
            held[reader.part.name] = np.moveaxis(fitted, 0, reader.part.axis).astype(weight.dtype)
            graphs.put(model, reader.part.name, held[reader.part.name])
            bias = reader.node.input[2] if len(reader.node.input) > 2 else ""
            if bias in held and held[bias].size == len(added):
                held[bias] = (held[bias] + added.reshape(held[bias].shape)).astype(held[bias].dtype)
                graphs.put(model, bias, held[bias])
            else:
                left[reader.node.output[0]] = added.astype(weight.dtype)
    return left


def _fitted(weight: Array, cut: Array, seen: Moments) -> tuple[Array, Array]:
    """Weights [in, out, …] with the cut inputs' part given to the others, and what the bias gains (out,)."""
    kept = np.setdiff1d(np.arange(len(weight)), cut)
    pointwise = weight.size == len(weight) * weight.shape[1]
    if seen.together is None or not pointwise:
        added = (seen.mean[cut, None] * weight[cut].sum(axis=tuple(range(2, weight.ndim)))).sum(0)
        return weight, added
    flat, out = weight.reshape(len(weight), -1), weight.copy()
    ridge = _RIDGE * max(float(seen.variance[kept].mean()), 1e-12)
    inside = seen.together[np.ix_(kept, kept)] + ridge * np.eye(len(kept))
    across = seen.together[np.ix_(kept, cut)] @ flat[cut]
    moved = flat[kept] + np.linalg.solve(inside, across)
    out[kept] = moved.reshape(out[kept].shape)
    added = seen.mean @ flat - seen.mean[kept] @ moved
    return out, added


def cut_out(model: Any, lanes: Sequence[Lane], chosen: Sequence[Array]) -> None:
    """Take the channels out of every weight that makes, carries or reads them."""
    held, changed = graphs.weights(model), set[str]()
    for lane, cut in zip(lanes, chosen, strict=True):
        for part in lane.parts if len(cut) else ():
            held[part.name] = np.delete(held[part.name], _places(cut, part.block), axis=part.axis)
            changed.add(part.name)
        for node in lane.depth:
            group = next(one for one in node.attribute if one.name == "group")
            group.i = lane.size - len(cut)
        for node, block in lane.shapes:
            target = held[node.input[1]].copy()
            target[1] = (lane.size - len(cut)) * block
            held[node.input[1]] = target
            changed.add(node.input[1])
    for name in changed:
        graphs.put(model, name, held[name])


def add_after(model: Any, lanes: Sequence[Lane], chosen: Sequence[Array], left: Mapping[str, Array]) -> None:
    """Give layers without a bias one: a Conv or Gemm as an input, a MatMul as a sum behind it."""
    from onnx import helper

    lost = {part.name: cut for lane, cut in zip(lanes, chosen, strict=True) for part in lane.makes}
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        added = left.get(node.output[0])
        if added is None:
            continue
        bias = f"{node.output[0]}.kept_mean"
        graphs.put(model, bias, np.delete(added, lost.get(node.input[1], np.empty(0, np.int64))))
        if node.op_type != "MatMul":
            del node.input[2:]
            node.input.append(bias)
            continue
        out, node.output[0] = node.output[0], f"{node.output[0]}.sum"
        nodes.append(helper.make_node("Add", [node.output[0], bias], [out], name=bias))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _showing(model: Any, tensors: Sequence[str]) -> tuple[str, Any]:
    """A session that gives these tensors, too, and its input's name."""
    import onnx
    import onnxruntime as ort

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    named = {port.name for port in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in named)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    opened = ort.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return opened.get_inputs()[0].name, opened


def _places(cut: Array, block: int) -> Array:
    places: Array = (cut[:, None] * block + np.arange(block)).ravel()
    return places


def _squares(weight: Array, axis: int) -> Array:
    """The sum of squares of each slice along an axis."""
    summed: Array = np.square(weight.astype(np.float64)).sum(axis=tuple(i for i in range(weight.ndim) if i != axis))
    return summed


def _strength(lane: Lane, parts: set[Slice], held: Mapping[str, Array]) -> Array:
    """Of each channel: the sum of squares over those parts."""
    strength = np.zeros(lane.size)
    for part in parts:
        strength += _squares(held[part.name], part.axis).reshape(lane.size, part.block).sum(1)
    return strength
