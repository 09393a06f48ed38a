"""float16, magnitude pruning, INT8 and graph optimisation keep results as near as they promise."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.unit.inference.making import saved, tensor
from tests.unit.inference.optimising import nets

from holdfast.inference.optimising import graphs, halves, int8, sparse
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.jobs import Make
from holdfast.inference.optimising.recipes import make

PICTURES = nets.rows(64, 3, 8, 8)


def test_float16_keeps_inputs_and_outputs_float32_and_halves_the_weights(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual(wide=64)), tmp_path / "b.onnx"
    halves.whole(before, after)
    ends = onnx.load(str(after)).graph
    assert {p.type.tensor_type.elem_type for p in (*ends.input, *ends.output)} == {onnx.TensorProto.FLOAT}
    assert nets.held(after)["e"].dtype == np.float16
    np.testing.assert_allclose(nets.ran(after, PICTURES), nets.ran(before, PICTURES), atol=5e-3)


def test_weights_alone_as_float16_say_what_rounded_weights_say(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual(wide=64)), tmp_path / "b.onnx"
    halves.weights_only(before, after)
    assert after.stat().st_size < 0.7 * before.stat().st_size
    rounded = graphs.load(before)
    for name in ("s", "e", "d", "p"):
        graphs.put(rounded, name, nets.held(before)[name].astype(np.float16).astype(np.float32))
    graphs.save(rounded, tmp_path / "c.onnx")
    np.testing.assert_allclose(nets.ran(after, PICTURES), nets.ran(tmp_path / "c.onnx", PICTURES), atol=1e-6)


def test_weights_beyond_float16_are_refused(tmp_path: Path) -> None:
    model = graphs.load(nets.written(tmp_path / "a.onnx", nets.dense()))
    graphs.put(model, "a", np.full((16, 6), 1e6, "f"))
    graphs.save(model, tmp_path / "b.onnx")
    with pytest.raises(NotPossible, match="65,504"):
        halves.whole(tmp_path / "b.onnx", tmp_path / "c.onnx")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_smallest_weights_go_to_zero_and_no_others_change(share: float) -> None:
    weight = nets.rows(20, 10)
    pruned = sparse.smallest_zeroed(weight, share)
    assert (pruned == 0).sum() == int(200 * share)
    kept = pruned != 0
    assert (pruned[kept] == weight[kept]).all()
    assert kept.all() or not kept.any() or np.abs(weight[~kept]).max() <= np.abs(weight[kept]).min()


def test_depthwise_kernels_are_left_whole(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual()), tmp_path / "b.onnx"
    sparse.magnitude(before, after, 0.5)
    assert (nets.held(after)["d"] != 0).all()
    assert (nets.held(after)["e"] == 0).sum() == nets.held(before)["e"].size // 2


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_static_int8_is_within_a_few_steps_of_the_original(tmp_path: Path, method: str) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual(wide=64)), tmp_path / "b.onnx"
    int8.static(before, after, PICTURES, method)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {n.op_type for n in onnx.load(str(after)).graph.node}
    np.testing.assert_allclose(nets.ran(after, PICTURES), nets.ran(before, PICTURES), atol=0.06)
    scales = [v for k, v in nets.held(after).items() if k.startswith("e_") and k.endswith("scale")]
    assert [len(scale) for scale in scales] == [64]  # one for each output channel


def test_what_is_between_the_layers_can_stay_float32(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.residual(wide=64)), tmp_path / "b.onnx"
    for layers in (False, True):
        int8.static(before, after, PICTURES, "minmax", layers=layers)
        assert ("sum_scale" in nets.held(after)) is not layers  # the residual block's Add
    np.testing.assert_allclose(nets.ran(after, PICTURES), nets.ran(before, PICTURES), atol=0.06)


def test_calibration_takes_any_number_of_rows(tmp_path: Path) -> None:
    before = nets.written(tmp_path / "a.onnx", nets.dense())
    for count in (1, 17):
        assert int8.static(before, tmp_path / "b.onnx", nets.rows(count, 6), "entropy")


def test_dynamic_int8_is_near_and_its_weights_are_bytes(tmp_path: Path) -> None:
    before, after = nets.written(tmp_path / "a.onnx", nets.dense(512)), tmp_path / "b.onnx"
    int8.dynamic(before, after)
    assert {v.dtype.str for k, v in nets.held(after).items() if k.endswith("_quantized")} == {"|i1"}
    x = nets.rows(64, 6)
    np.testing.assert_allclose(nets.ran(after, x), nets.ran(before, x), atol=0.05)


def test_a_model_without_layers_to_quantise_says_so(tmp_path: Path) -> None:
    data = saved([nets.node("Relu", ["x"], ["y"])], [tensor("x", "n", 2)], [tensor("y", "n", 2)], {})
    path = nets.written(tmp_path / "a.onnx", data)
    for attempt in (
        lambda: int8.dynamic(path, tmp_path / "b.onnx"),
        lambda: int8.static(path, tmp_path / "b.onnx", nets.rows(4, 2), "minmax"),
        lambda: sparse.magnitude(path, tmp_path / "b.onnx", 0.5),
        lambda: halves.whole(path, tmp_path / "b.onnx"),
    ):
        with pytest.raises(NotPossible):
            attempt()


def test_cpus_with_int8_dot_products_are_known_by_their_flags() -> None:
    assert int8.has_dot_products("flags : fpu avx2 avx512_vnni")
    assert int8.has_dot_products("Features : fp asimddp")
    assert not int8.has_dot_products("flags : fpu avx2 avx512f")


def made(folder: Path, recipe: str, data: bytes, x: nets.Array, **options: float | str) -> Path:
    (folder / "a.onnx").write_bytes(data)
    np.save(folder / "x.npy", x)
    from holdfast.inference.optimising.recipes import BY_NAME

    out = folder / f"{recipe}{BY_NAME[recipe].ending}"
    make(Make(recipe, str(folder / "a.onnx"), str(folder / "x.npy"), str(out), {**BY_NAME[recipe].options, **options}))
    return out


def test_the_graph_is_folded_and_says_the_same(tmp_path: Path) -> None:
    out = made(tmp_path, "graph", nets.residual(norm=True), PICTURES)
    assert "BatchNormalization" not in {n.op_type for n in onnx.load(str(out)).graph.node}
    np.testing.assert_allclose(nets.ran(out, PICTURES), nets.ran(tmp_path / "a.onnx", PICTURES), atol=1e-5)


@pytest.mark.parametrize("recipe", ["graph-fused", "ort", "ort-here", "float16-weights"])
def test_other_formats_say_the_same(tmp_path: Path, recipe: str) -> None:
    out = made(tmp_path, recipe, nets.residual(), PICTURES)
    np.testing.assert_allclose(nets.ran(out, PICTURES), nets.ran(tmp_path / "a.onnx", PICTURES), atol=2e-3)


def test_a_slim_file_says_the_same_and_keeps_the_names_at_its_ends(tmp_path: Path) -> None:
    out = made(tmp_path, "int8-minmax", nets.residual(wide=32), PICTURES)
    int8.static(tmp_path / "a.onnx", tmp_path / "b.onnx", PICTURES, "minmax")
    assert out.stat().st_size < (tmp_path / "b.onnx").stat().st_size
    graph = onnx.load(str(out)).graph
    assert (graph.input[0].name, graph.output[0].name) == ("x", "y")
    assert (nets.ran(out, PICTURES) == nets.ran(tmp_path / "b.onnx", PICTURES)).all()


def test_a_file_that_is_no_onnx_is_a_row_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="can't be read as ONNX"):
        graphs.load(nets.written(tmp_path / "a.onnx", b"\x00\xffnot a model"))
