"""Whole channels cut out of graphs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.unit.inference.optimising import nets

from holdfast.inference.optimising import channels, graphs
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.lanes import lanes_of

X, PICTURES = nets.rows(64, 6), nets.rows(16, 3, 8, 8)


@pytest.mark.parametrize(
    ("data", "x", "weight", "axis", "left"),
    [
        (nets.dense(dead=[1, 5, 9]), X, "b", 1, 13),
        (nets.products(dead=[0, 15]), X, "b", 0, 14),
        (nets.residual(dead=[2, 3, 4]), PICTURES, "p", 1, 13),
        (nets.flattened(dead=[0, 7]), nets.rows(9, 2, 4, 4), "g", 1, 6 * 16),
        (nets.flattened(by="Reshape", dead=[3]), nets.rows(9, 2, 4, 4), "g", 1, 7 * 16),
    ],
    ids=["Gemm", "MatMul", "depthwise and residual", "Flatten", "Reshape"],
)
def test_exactly_the_dead_channels_go_and_the_results_stay(
    tmp_path: Path, data: bytes, x: nets.Array, weight: str, axis: int, left: int
) -> None:
    before, after = nets.written(tmp_path / "a.onnx", data), tmp_path / "b.onnx"
    channels.remove_dead(before, after)
    assert nets.held(after)[weight].shape[axis] == left
    np.testing.assert_allclose(nets.ran(after, x), nets.ran(before, x), atol=1e-6)


def test_a_network_without_dead_channels_is_left_as_it_is(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual()), tmp_path / "b.onnx"
    assert channels.remove_dead(before, after).startswith("0 of ")
    assert {k: v.shape for k, v in nets.held(after).items()} == {k: v.shape for k, v in nets.held(before).items()}


def test_a_dead_channel_that_an_activation_wakes_stays(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.dense(act="Sigmoid", dead=[1])), tmp_path / "b.onnx"
    channels.remove_dead(before, after)
    assert nets.held(after)["b"].shape == (3, 16)


@pytest.mark.parametrize("data", [nets.dense(32), nets.products(32)], ids=["Gemm", "MatMul"])
def test_layers_are_fitted_to_the_channels_that_are_left(tmp_path: Path, data: bytes) -> None:
    before, after = nets.written(tmp_path / "a.onnx", data), tmp_path / "b.onnx"
    x = nets.rows(400, 6)
    channels.prune(before, after, x, 0.25)
    assert nets.held(after)["b"].size == 0.75 * nets.held(before)["b"].size
    fresh = nets.rows(400, 6, seed=9)
    wanted = nets.ran(before, fresh)
    unfitted = graphs.load(before)
    lanes = lanes_of(unfitted)
    chosen = [
        channels.least_useful(lane, graphs.weights(unfitted), channels.observe(unfitted, lanes, x), 0.25)
        for lane in lanes
    ]
    channels.cut_out(unfitted, lanes, chosen)
    graphs.save(unfitted, tmp_path / "c.onnx")
    error, plain = (np.square(nets.ran(path, fresh) - wanted).mean() for path in (after, tmp_path / "c.onnx"))
    assert error < 0.5 * plain


def test_a_residual_block_loses_the_same_channels_on_both_sides(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual(wide=32)), tmp_path / "b.onnx"
    channels.prune(before, after, PICTURES, 0.5)
    kept = nets.held(after)
    assert kept["s"].shape[0] == kept["p"].shape[0] == kept["e"].shape[1] == kept["f"].shape[1] == 4
    assert kept["e"].shape[0] == kept["d"].shape[0] == kept["p"].shape[1] == 16
    depthwise = next(n for n in onnx.load(str(after)).graph.node if graphs.attribute(n, "group", 1) > 1)
    assert graphs.attribute(depthwise, "group") == 16
    assert nets.ran(after, PICTURES).shape == (16, 4)


def test_channels_strung_together_are_exempt_and_it_says_so(tmp_path: Path) -> None:
    path = nets.written(tmp_path / "a.onnx", nets.joined())
    assert [lane.exempt for lane in lanes_of(graphs.load(path))] == ["Concat", "Concat", "an output of the model"]
    with pytest.raises(NotPossible, match="Concat"):
        channels.prune(path, tmp_path / "b.onnx", nets.rows(4, 2, 4, 4), 0.5)


def test_what_a_model_gives_is_never_pruned(tmp_path: Path) -> None:
    after = tmp_path / "b.onnx"
    channels.prune(nets.written(tmp_path / "a.onnx", nets.products(16)), after, X, 0.5)
    assert nets.ran(after, X).shape == (64, 2)
