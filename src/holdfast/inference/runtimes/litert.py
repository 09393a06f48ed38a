"""LiteRT (TensorFlow Lite): `.tflite` files.

An interpreter has one set of tensors, so runs of one model come after each other. Most files are made for a batch of
one: an interpreter is resized to the batch at hand where the file allows it, and fed row by row where it doesn't.
Quantised inputs and outputs are converted by the scale and zero point that the file gives.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from holdfast.inference.errors import ModelRefused, ProviderMissing, RunFailed, RuntimeMissing
from holdfast.inference.runtimes.port import Array, Options, TensorInfo

_FAULTS = (RuntimeError, ValueError, TypeError, MemoryError, OverflowError)  # all that its pybind11 layer raises
_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of the flatbuffer, schema.fbs
_MOST_REASON = 400


def library() -> ModuleType:
    """The library's interpreter module.

    Raises:
        RuntimeMissing: when it isn't installed.
    """
    try:
        from ai_edge_litert import interpreter  # noqa: PLC0415  # a gateway without models does without
    except ImportError:
        raise RuntimeMissing("ai-edge-litert", "litert") from None
    return interpreter  # type: ignore[no-any-return]  # untyped


def version() -> str:
    """What runs models here, for what is remembered of them."""
    from importlib.metadata import version as of  # noqa: PLC0415  # the module doesn't say it itself

    library()
    return f"ai-edge-litert {of('ai-edge-litert')}"


def settle() -> None:
    """See `onnx.settle`: this library keeps nothing worth telling apart beyond being loaded."""
    library()


def open_session(path: Path, data: bytes, options: Options) -> "LiteRtSession":
    """An interpreter of its own over a model's bytes.

    Raises:
        RuntimeMissing, ProviderMissing: see there.
        ModelRefused: when the file isn't a model, or has parts that this library doesn't know.
    """
    interpreter = library()
    if options.provider not in {"auto", "cpu"}:
        raise ProviderMissing(options.provider, ["cpu"])
    if data[4:8] != _IDENTIFIER:
        raise ModelRefused(path, "it isn't a LiteRT file (no TFL3 at its head)", "is it whole?")
    try:
        made = interpreter.Interpreter(model_content=data, num_threads=options.threads)
        made.allocate_tensors()
        return LiteRtSession(made)
    except _FAULTS as error:
        raise ModelRefused(path, f"LiteRT doesn't load it: {_reason(error)}", "is it whole?") from None


class LiteRtSession:
    """See `port.Session`."""

    provider = "cpu"

    def __init__(self, interpreter: Any) -> None:
        self._interpreter = interpreter
        self._lock = threading.Lock()
        self._in = {one["name"]: one for one in interpreter.get_input_details()}
        self._out = {one["name"]: one for one in interpreter.get_output_details()}
        self._alias(interpreter)
        self.inputs = [_info(name, one) for name, one in self._in.items()]
        self.outputs = [_info(name, one) for name, one in self._out.items()]
        self.batch = self._fixed() if len(self._in) == 1 else None
        self._rows = -1

    def run(self, name: str, rows: Array, wanted: Sequence[str]) -> list[Any]:
        """See `port.Session`."""
        given = self._in[name]
        try:
            with self._lock:
                self._resize(given, len(rows))
                self._interpreter.set_tensor(given["index"], _quantised(rows, given))
                self._interpreter.invoke()
                said = [self._out[name] for name in wanted]
                return [_real(self._interpreter.get_tensor(one["index"]), one) for one in said]
        except _FAULTS as error:
            self._rows = -1
            raise RunFailed(f"the model failed: {_reason(error)}") from None

    def interrupt(self) -> bool:
        """See `port.Session`: this library can't."""
        return False

    def _alias(self, interpreter: Any) -> None:
        """Name tensors as the model's signature does, where it has exactly one: `x` for `serving_default_x:0`."""
        signatures = interpreter.get_signature_list()
        if len(signatures) != 1:
            return
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        by_index = {one["index"]: one for one in self._in.values()}
        self._in = {name: by_index[one["index"]] for name, one in runner.get_input_details().items()}
        by_index = {one["index"]: one for one in self._out.values()}
        self._out = {name: by_index[one["index"]] for name, one in runner.get_output_details().items()}

    def _fixed(self) -> int | None:
        """The batch that the file insists on: None when rows scored in a batch of two are what they are alone."""
        (name, given), wanted = next(iter(self._in.items())), list(self._out)
        first = int(given["shape"][0])
        if len(given["shape_signature"]) and given["shape_signature"][0] == -1:
            return None
        row = np.zeros((1, *given["shape"][1:]), np.float64)
        self._rows = -1
        try:
            alone = self.run(name, np.repeat(row, first, axis=0), wanted)
            both = self.run(name, np.repeat(row, first + 1, axis=0), wanted)
        except RunFailed:  # it has the batch written into a reshape
            return first
        grows = all(len(two) == first + 1 and len(one) == first for one, two in zip(alone, both, strict=True))
        return None if grows else first

    def _resize(self, given: Any, rows: int) -> None:
        if rows != self._rows:
            self._interpreter.resize_tensor_input(given["index"], [rows, *map(int, given["shape"][1:])])
            self._interpreter.allocate_tensors()
            self._rows = rows


def _info(name: str, details: Any) -> TensorInfo:
    shape = tuple(int(side) if side > 0 else None for side in details["shape_signature"])
    dtype = np.dtype(details["dtype"])
    return TensorInfo(name, shape, "float32" if _scale(details) else "str" if dtype.kind in "SUO" else dtype.name)


def _scale(details: Any) -> tuple[float, int] | None:
    scale, zero = details["quantization"]
    return (float(scale), int(zero)) if scale else None


def _quantised(rows: Array, details: Any) -> Array:
    quantised = _scale(details)
    if quantised is None:
        return rows.astype(details["dtype"], copy=False)
    scale, zero = quantised
    limits = np.iinfo(details["dtype"])
    given: Array = np.clip(np.rint(rows / scale) + zero, limits.min, limits.max).astype(details["dtype"])
    return given


def _real(said: Array, details: Any) -> Array:
    quantised = _scale(details)
    if quantised is None:
        return said
    real: Array = (said.astype(np.float64) - quantised[1]) * quantised[0]
    return real


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MOST_REASON else text[: _MOST_REASON - 3] + "..."
