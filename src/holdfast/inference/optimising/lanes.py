"""Which channels of a graph go together: what must be cut out at once when one of them goes.

A lane is a set of channels that run through the graph side by side: made by the output channels of one or more layers,
carried on by activations, batch norms, depthwise convolutions and pools, joined by sums (a residual block's), read by
the next layers. Cutting channel 7 of a lane means slice 7 of every weight that makes, carries or reads it.

Known: Conv (also depthwise), Gemm, MatMul with a constant, BatchNormalization, element by element with a constant or
with another tensor, activations, pools, ReduceMean/ReduceMax over height and width, Flatten, Reshape to rows. A lane
that reaches anything else (Concat, Transpose, Softmax, an output of the model, a grouped convolution) is exempt, and
`Lane.exempt` says why.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from holdfast.inference.optimising import graphs
from holdfast.inference.optimising.given import Array

_KEEP_ZERO = {
    "Relu", "LeakyRelu", "Tanh", "HardSwish", "Identity", "Dropout", "Gelu", "Elu", "Selu", "Abs", "Sqrt", "Softsign",
    "Neg", "Sign", "Celu", "Mish", "Swish", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Clip",
}  # fmt: skip
_PASS = _KEEP_ZERO | {"Sigmoid", "HardSigmoid", "Softplus", "Exp", "Erf"}
_PAIRS = {"Add", "Sub", "Mul", "Div"}
_REDUCE = {"ReduceMean", "ReduceMax"}


@dataclass(frozen=True, slots=True)
class Slice:
    """Part of an initialiser that belongs to a channel: along `axis`, `block` neighbours for each channel."""

    name: str
    axis: int
    block: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Reader:
    """A layer that reads a lane: the tensor it reads, along which axis, and its weight's part."""

    node: Any
    tensor: str
    axis: int
    part: Slice


@dataclass(eq=False, slots=True)
class Lane:
    """Channels that go together.

    makes:   weights whose output channels they are
    shifts:  what is added to them: biases, constants
    carries: what only scales or mixes them each for itself: depthwise weights, batch norms, constant factors
    depth:   depthwise convolutions, whose `group` follows
    shapes:  Reshape nodes whose target counts them, with how many values each has there
    keeps_zero: with `makes` and `shifts` at 0 a channel is 0 wherever it is read
    exempt:  why nothing may be cut; empty = it may
    """

    size: int
    makes: set[Slice] = field(default_factory=set)
    shifts: set[Slice] = field(default_factory=set)
    carries: set[Slice] = field(default_factory=set)
    readers: list[Reader] = field(default_factory=list)
    depth: list[Any] = field(default_factory=list)
    shapes: list[tuple[Any, int]] = field(default_factory=list)
    keeps_zero: bool = True
    exempt: str = ""

    @property
    def reads(self) -> set[Slice]:
        """Parts of the weights that read it."""
        return {reader.part for reader in self.readers}

    @property
    def parts(self) -> set[Slice]:
        """All that is cut with a channel."""
        return self.makes | self.shifts | self.carries | self.reads

    def take_in(self, other: "Lane") -> None:
        """Both are one from now on."""
        self.makes |= other.makes
        self.shifts |= other.shifts
        self.carries |= other.carries
        self.readers += other.readers
        self.depth += other.depth
        self.shapes += other.shapes
        self.keeps_zero &= other.keeps_zero
        self.exempt = self.exempt or other.exempt


@dataclass(frozen=True, slots=True)
class _On:
    """A tensor's channels: its lane, along axis 1 or the last, `block` neighbours each."""

    lane: Lane
    axis: int
    block: int = 1


class Walk:
    """Follows the lanes through a graph once, in its order."""

    def __init__(self, model: Any) -> None:
        self._model, self._shapes, self._held = model, graphs.shapes(model), graphs.weights(model)
        self._uses = graphs.uses(model)
        self._on: dict[str, _On] = {}
        self._merged: dict[int, Lane] = {}
        self._lanes: list[Lane] = []
        kinds: dict[str, Callable[[Any], None]] = {"Conv": self._conv, "Gemm": self._gemm, "MatMul": self._matmul}
        kinds |= {"BatchNormalization": self._norm, "Flatten": self._flat, "Reshape": self._flat}
        kinds |= dict.fromkeys(_PASS, self._pass) | dict.fromkeys(_PAIRS, self._pair)
        kinds |= dict.fromkeys(_REDUCE, self._reduce)
        for node in model.graph.node:
            kinds.get(node.op_type, self._stop)(node)
        for port in model.graph.output:
            self._pin(port.name, "an output of the model")

    def lanes(self) -> list[Lane]:
        """All of them, each once; a lane that nothing reads, or that nothing makes, is exempt."""
        found = list({id(lane): lane for lane in map(self._of, self._lanes)}.values())
        for lane in found:
            if not lane.readers:
                lane.exempt = lane.exempt or "no layer reads it"
        return found

    def _of(self, lane: Lane) -> Lane:
        while id(lane) in self._merged:
            lane = self._merged[id(lane)]
        return lane

    def _at(self, tensor: str) -> _On | None:
        on = self._on.get(tensor)
        return None if on is None else _On(self._of(on.lane), on.axis, on.block)

    def _new(self, tensor: str, size: int, axis: int) -> Lane:
        lane = Lane(size)
        self._lanes.append(lane)
        self._on[tensor] = _On(lane, axis)
        return lane

    def _pin(self, tensor: str, why: str) -> None:
        on = self._at(tensor)
        if on is not None and not on.lane.exempt:
            on.lane.exempt = why

    def _join(self, one: _On, other: _On) -> None:
        if one.lane is not other.lane:
            one.lane.take_in(other.lane)
            self._merged[id(other.lane)] = one.lane

    def _own(self, name: str) -> bool:
        """A constant that this one node alone reads: only such may be cut."""
        return name in self._held and len(self._uses.get(name, [])) == 1

    def _stop(self, node: Any) -> None:
        for name in node.input:
            self._pin(name, node.op_type)

    def _reading(self, node: Any, axis: int) -> None:
        """The node's weight reads the lane of its first input along `axis`."""
        on = self._at(node.input[0])
        if on is None:
            return
        size = self._held[node.input[1]].shape[axis]
        if size != on.lane.size * on.block:
            self._pin(node.input[0], f"{node.op_type} reads it in another shape")
            return
        on.lane.readers.append(Reader(node, node.input[0], on.axis, Slice(node.input[1], axis, on.block)))

    def _making(self, node: Any, axis: int, out_axis: int) -> None:
        lane = self._new(node.output[0], self._held[node.input[1]].shape[axis], out_axis)
        lane.makes.add(Slice(node.input[1], axis))
        if len(node.input) > 2 and node.input[2]:
            bias = self._held.get(node.input[2])
            if bias is None or not self._own(node.input[2]) or bias.shape[-1:] != (lane.size,):
                lane.exempt = "its bias isn't its own"
            else:
                lane.shifts.add(Slice(node.input[2], bias.ndim - 1))

    def _conv(self, node: Any) -> None:
        if not self._own(node.input[1]):
            self._stop(node)
            return
        group, weight = int(graphs.attribute(node, "group", 1)), self._held[node.input[1]]
        on = self._at(node.input[0])
        if group == 1:
            self._reading(node, 1)
            self._making(node, 0, 1)
        elif on is not None and group == on.lane.size == weight.shape[0]:
            on.lane.depth.append(node)
            self._carry(node, on, [node.input[1]], [name for name in node.input[2:] if name])
        else:
            self._stop(node)

    def _gemm(self, node: Any) -> None:
        plain = not graphs.attribute(node, "transA", 0)
        plain &= graphs.attribute(node, "alpha", 1.0) == 1.0 == graphs.attribute(node, "beta", 1.0)
        if not plain or not self._own(node.input[1]):
            self._stop(node)
            return
        across = bool(graphs.attribute(node, "transB", 0))
        self._reading(node, 1 if across else 0)
        self._making(node, 0 if across else 1, 1)

    def _matmul(self, node: Any) -> None:
        rank = len(self._shapes.get(node.input[0], ()))
        on = self._at(node.input[0])
        last = on is None or on.axis == rank - 1
        if not self._own(node.input[1]) or self._held[node.input[1]].ndim != 2 or rank < 2 or not last:
            self._stop(node)
            return
        self._reading(node, 0)
        self._making(node, 1, rank - 1)

    def _carry(self, node: Any, on: _On, scales: list[str], shifts: list[str]) -> None:
        """The node's own constants of the channels follow; what comes out is the same lane."""
        if all(self._own(name) and self._held[name].shape[:1] == (on.lane.size,) for name in (*scales, *shifts)):
            on.lane.carries |= {Slice(name, 0) for name in scales}
            on.lane.shifts |= {Slice(name, 0) for name in shifts}
            self._on[node.output[0]] = on
        else:
            self._stop(node)

    def _norm(self, node: Any) -> None:
        on = self._at(node.input[0])
        if on is None or on.block != 1 or on.axis != 1:
            self._stop(node)
            return
        on.lane.keeps_zero = False  # its mean is taken away; folded ones never come here
        self._carry(node, on, list(node.input[1:]), [])

    def _pass(self, node: Any) -> None:
        on = self._at(node.input[0])
        if on is None:
            return
        if node.op_type not in _KEEP_ZERO or (node.op_type == "Clip" and not self._clips_around_zero(node)):
            on.lane.keeps_zero = False
        self._on[node.output[0]] = on

    def _clips_around_zero(self, node: Any) -> bool:
        bounds = [self._held.get(name) if name else None for name in (*node.input[1:], "", "")[:2]]
        low, high = (None if b is None else float(b.ravel()[0]) for b in bounds)
        return (low is None or low <= 0) and (high is None or high >= 0)

    def _pair(self, node: Any) -> None:
        one, other = (self._at(name) for name in node.input)
        constant = next((name for name in node.input if name in self._held), None)
        if constant is not None and (one or other):
            self._with_constant(node, one or other, constant)  # type: ignore[arg-type]  # one of them is there
        elif one and other and (one.axis, one.block, one.lane.size) == (other.axis, other.block, other.lane.size):
            self._join(one, other)
            self._on[node.output[0]] = one
            if node.op_type == "Div":
                one.lane.exempt = one.lane.exempt or "Div"
        else:
            self._stop(node)

    def _with_constant(self, node: Any, on: _On, name: str) -> None:
        array, rank = self._held[name], len(self._shapes.get(node.output[0], ()))
        axis = on.axis - (rank - array.ndim)
        divides = node.op_type == "Div" and node.input[0] == name
        if array.size == 1 and not divides:
            if node.op_type in {"Add", "Sub"}:
                on.lane.keeps_zero &= bool((array == 0).all())
        elif self._own(name) and on.block == 1 and array.size == on.lane.size == array.shape[axis] and not divides:
            (on.lane.shifts if node.op_type in {"Add", "Sub"} else on.lane.carries).add(Slice(name, axis))
        else:
            self._stop(node)
            return
        self._on[node.output[0]] = on

    def _reduce(self, node: Any) -> None:
        on = self._at(node.input[0])
        axes = self._held.get(node.input[1]) if len(node.input) > 1 else graphs.attribute(node, "axes")
        if on is None or axes is None or on.axis != 1 or not all(int(axis) > 1 for axis in axes):
            self._stop(node)
            return
        self._on[node.output[0]] = on

    def _flat(self, node: Any) -> None:
        """[n, c, h, w] → [n, c·h·w]: each channel becomes h·w neighbours."""
        on, before = self._at(node.input[0]), self._shapes.get(node.input[0], ())
        if on is None:
            return
        sides = before[2:]
        inside = int(np.prod([side or 0 for side in sides])) if sides else 1
        wide = inside * on.lane.size
        if on.axis != 1 or on.block != 1 or not inside or not self._flattens(node, on, wide):
            self._stop(node)
            return
        self._on[node.output[0]] = _On(on.lane, 1, inside)

    def _flattens(self, node: Any, on: _On, wide: int) -> bool:
        if node.op_type == "Flatten":
            return int(graphs.attribute(node, "axis", 1)) == 1
        target: Array | None = self._held.get(node.input[1])
        if target is None or target.shape != (2,) or int(target[1]) not in {-1, wide}:
            return False
        if int(target[1]) != -1:
            if not self._own(node.input[1]):
                return False
            on.lane.shapes.append((node, wide // on.lane.size))
        return True


def lanes_of(model: Any) -> list[Lane]:
    """The lanes of a graph whose batch norms are folded, in its order."""
    return Walk(model).lanes()
