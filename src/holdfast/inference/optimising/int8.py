"""INT8: weights as bytes for each output channel; dynamic (activations scaled at each call) or static (calibrated)."""

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising import graphs
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.given import Array

QUANTISABLE = ("Conv", "Gemm", "MatMul")
_METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
_MOST_BYTES = 500_000_000
"""Of activations held at once while histograms are gathered."""


def has_dot_products(flags: str | None = None) -> bool:
    """Does this CPU multiply bytes in one instruction (VNNI, AMX, Arm's dot product)? flags: of /proc/cpuinfo."""
    if flags is None:
        with contextlib.suppress(OSError):
            flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    words = set((flags or "").split())
    return bool(words & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"})


def dynamic(model: Path, out: Path) -> None:
    """Weights as INT8, activations scaled anew at each call: needs no calibration."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    found = {node.op_type for node in graphs.load(model).graph.node}  # a Gemm becomes a MatMul on the way
    kinds = sorted(found & {*QUANTISABLE, "LSTM", "GRU", "Attention", "EmbedLayerNormalization", "Gather"} | {"MatMul"})
    if not found & {*QUANTISABLE, "LSTM", "GRU"}:
        raise NotPossible(_nothing(found))
    with _quiet():
        quantize_dynamic(
            str(model), str(out), op_types_to_quantize=kinds, per_channel=True, weight_type=QuantType.QInt8,
            reduce_range=not has_dot_products(), extra_options={"DefaultTensorType": 1},
        )  # fmt: skip


def static(
    model: Path, out: Path, x: Array, method: str = "minmax", *, sensitive: bool = False, layers: bool = False
) -> str:
    """QDQ with weights per channel and activations in the ranges that the rows show.

    Args:
        model:     prepared: shapes known, batch norms folded
        out:       where to
        x:         rows to calibrate with, as the model takes them
        method:    minmax, entropy or percentile: how a range follows from what was seen
        sensitive: leave the first and the last layer in float32
        layers:    quantise convolutions and matrix products only; whatever is between them stays float32

    Returns:
        What the reader should know.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    loaded = graphs.load(model)
    inside = [node for node in loaded.graph.node if node.op_type in QUANTISABLE]
    if not inside:
        raise NotPossible(_nothing({node.op_type for node in loaded.graph.node}))
    if sensitive and len(inside) < 4:
        raise NotPossible("with fewer than 4 layers nothing would be left to quantise")
    kept = [inside[0].name, inside[-1].name] if sensitive else []
    rows = x if method == "minmax" else x[: _affordable(loaded, x)]
    with _quiet():
        quantize_static(
            str(model), str(out), _Rows(loaded.graph.input[0].name, rows), quant_format=QuantFormat.QDQ,
            per_channel=True, reduce_range=not has_dot_products(), activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8, nodes_to_exclude=kept, calibrate_method=CalibrationMethod[_METHODS[method]],
            op_types_to_quantize=list(QUANTISABLE) if layers else None, extra_options={"CalibPercentile": 99.99},
        )  # fmt: skip
    return f"{len(rows):,} rows" + (f"; float32: {', '.join(kept)}" if kept else "")


def _affordable(model: Any, x: Array) -> int:
    """So many rows that all their activations together stay within bounds: histograms are made at the end."""
    per_row = sum(
        4 * int(np.prod([side or 1 for side in shape[1:]])) for name, shape in graphs.shapes(model).items() if shape
    )
    return max(16, min(len(x), _MOST_BYTES // max(per_row, 1)))


class _Rows:
    """A `CalibrationDataReader`: batches of rows, once; all of one size, as the histograms want them."""

    def __init__(self, name: str, x: Array, batch: int = 16) -> None:
        batch = min(batch, len(x))
        x = x[: len(x) // batch * batch]
        self._left: Iterator[Mapping[str, Array]] = iter([{name: x[at : at + batch]} for at in range(0, len(x), batch)])

    def get_next(self) -> Mapping[str, Array] | None:
        """The next batch; None at the end."""
        return next(self._left, None)

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> Mapping[str, Array]:
        return next(self._left)


def _nothing(found: set[str]) -> str:
    return f"nothing in it can be quantised: its operators are {', '.join(sorted(found)[:6])}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library prints and warns of what doesn't concern an operator."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
