"""The model as it lies there: its file, its card where it has one, what it takes and gives."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from holdfast.inference.optimising.errors import DataUnusable, LibraryMissing, ModelUnusable

Array = NDArray[Any]
Task = Literal["classification", "regression", "anomaly", "image-classification"]
TASKS = get_args(Task)
CARD = "model.yaml"
MOST_BYTES = 2_000_000_000
"""Of a model's file: protobuf takes no more, and no gateway would."""
_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(bool)": "bool",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output. shape: per row, None = any."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Given:
    """A model to work on.

    folder: where its card lies; None = a bare file
    card:   as it stands in the file; {} = none
    task:   from the card or as told; None = nobody said, `scores.guess` decides by the outputs
    """

    path: Path
    folder: Path | None
    card: Mapping[str, Any]
    input: Port
    outputs: tuple[Port, ...]
    task: Task | None
    sha256: str
    features: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        """As in `occupancy@1.0.0`."""
        return f"{self.card['model']}@{self.card.get('version', '?')}" if "model" in self.card else self.path.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the classes, as the card says them."""
        return tuple(str(label) for label in _mapping(self.card, "outputs").get("labels") or ())


def read_given(where: Path, task: str | None = None) -> Given:
    """A model's file, or the folder of one.

    Raises:
        ModelUnusable: not there, not ONNX, another file than the card's digest says, several inputs, an unknown task.
        LibraryMissing: onnxruntime isn't installed.
    """
    folder = where if where.is_dir() else None
    card = _card(where / CARD) if folder else {}
    path = where / str(card["file"]) if folder else where
    if folder and path.resolve().parent != folder.resolve():
        raise ModelUnusable(f"{where / CARD}: `file` points out of the folder")
    digest = _digest(path)
    if card.get("sha256") not in {None, digest}:
        raise ModelUnusable(f"{path} is not the file its card tells of: SHA-256 {digest[:16]}…", "fetch it again")
    said = task or card.get("task")
    if said is not None and said not in TASKS:
        raise ModelUnusable(f"no task is called {said}", f"there are {', '.join(TASKS)}")
    inputs, outputs = ports(path)
    if len(inputs) != 1:
        names = ", ".join(port.name for port in inputs) or "none"
        raise ModelUnusable(f"{path} has {len(inputs)} inputs ({names}); this works on models with one")
    return Given(path, folder, card, inputs[0], outputs, cast("Task | None", said), digest, _features(folder))


def session(path: Path, threads: int = 1, level: str = "all") -> Any:
    """An ONNX Runtime session on the CPU. level: `all` or `off`, of the optimising it does at load.

    Raises:
        ModelUnusable: ONNX Runtime can't load it.
        LibraryMissing: it isn't installed.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise LibraryMissing("onnxruntime", "ml") from None
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    if level == "off":
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  # its errors are pybind classes that share no base but Exception
        raise ModelUnusable(f"{path} can't be loaded: {_short(error)}", "is it an ONNX model (.onnx, .ort)?") from None


def ports(path: Path) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Inputs and outputs of a model's file."""
    if path.suffix == ".tflite":
        raise ModelUnusable(f"{path}: a LiteRT model can't be optimised here", "export it as ONNX, with tf2onnx say")
    opened = session(path, level="off")  # nothing of it is computed here, not even its constants
    return tuple(map(_port, opened.get_inputs())), tuple(map(_port, opened.get_outputs()))


def as_input(given: Given, x: Array, where: str) -> Array:
    """Rows as the model takes them: standardised as the card says, in the input's shape and type.

    Args:
        given: the model
        x:     (n, …): rows of features in the card's order, pictures, or what the model takes
        where: what they came from, for the error

    Raises:
        DataUnusable: not numbers, none, not finite, or of another shape.
    """
    if x.dtype.kind not in "fiub":
        raise DataUnusable(f"{where}: x is {x.dtype}, not numbers")
    if not len(x):
        raise DataUnusable(f"{where} has no rows")
    image = _mapping(given.card, "inputs").get("image")
    if isinstance(image, Mapping) and x.dtype.kind == "u":
        x = _image(image, x, where)
    elif x.shape[1:] != given.input.shape:
        x = _reshaped(given.input, x, where)
    if not image:
        x = _standardised(_mapping(given.card, "inputs"), x, where)
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        rows = np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))
        raise DataUnusable(
            f"{where}: {len(rows):,} of {len(x):,} rows have NaN or infinite values, the first is row {rows[0]}",
            "leave those rows out, or fill them as the feature set's `missing` does",
        )
    return np.ascontiguousarray(x, dtype=given.input.dtype)


def _reshaped(port: Port, x: Array, where: str) -> Array:
    wanted, flat = port.shape, x.reshape(len(x), -1)
    if x.ndim - 1 == len(wanted) and all(w in {None, s} for w, s in zip(wanted, x.shape[1:], strict=True)):
        return x
    if None not in wanted and flat.shape[1] == int(np.prod([side or 1 for side in wanted])):
        return flat.reshape(len(x), *(side or 1 for side in wanted))
    said = ", ".join("any" if side is None else str(side) for side in wanted)
    raise DataUnusable(
        f"{where}: rows have shape {list(x.shape[1:])}, but the model's input {port.name} takes [{said}]",
        "give the features of the card, in its order",
    )


def _image(image: Mapping[str, Any], x: Array, where: str) -> Array:
    """Pictures as bytes, [n, h, w, c] or [n, c, h, w] → scaled, normalised and in the card's layout."""
    height, width, channels = (int(image.get(key, default)) for key, default in _SIDES)
    if x.ndim == 3 and channels == 1:
        x = x[..., None]
    if x.shape[1:] == (channels, height, width):
        x = x.transpose(0, 2, 3, 1)
    if x.shape[1:] != (height, width, channels):
        raise DataUnusable(
            f"{where}: pictures have shape {list(x.shape[1:])}, not [{height}, {width}, {channels}]",
            "scale them to the card's width and height first",
        )
    scale = float(image.get("scale", 255))
    mean, std = (np.asarray(image.get(key, default), np.float32) for key, default in (("mean", 0.0), ("std", 1.0)))
    scaled = (x.astype(np.float32) / np.float32(scale) - mean) / std
    return scaled.transpose(0, 3, 1, 2) if str(image.get("layout", "nchw")).lower() == "nchw" else scaled


_SIDES = (("height", 0), ("width", 0), ("channels", 3))


def _standardised(inputs: Mapping[str, Any], x: Array, where: str) -> Array:
    if inputs.get("mean") is None and inputs.get("std") is None:
        return x
    flat = x.reshape(len(x), -1).astype(np.float64)
    for key, default in (("mean", 0.0), ("std", 1.0)):
        each = np.atleast_1d(np.asarray(inputs.get(key, default), np.float64))
        if each.size not in {1, flat.shape[1], x.shape[-1], x.shape[1]}:
            raise DataUnusable(f"{where}: the card's {key} has {each.size} numbers for {flat.shape[1]} values a row")
        whole = each
        if each.size not in {1, flat.shape[1]}:  # of one axis of a window
            times = flat.shape[1] // each.size
            whole = np.tile(each, times) if each.size == x.shape[-1] else np.repeat(each, times)
        flat = flat - whole if key == "mean" else flat / whole
    return flat.reshape(x.shape)


def _port(found: Any) -> Port:
    shape = tuple(side if isinstance(side, int) else None for side in found.shape[1:])
    return Port(found.name, shape, _DTYPES.get(found.type, found.type))


def _card(path: Path) -> dict[str, Any]:
    """The card's own keys are kept as they stand, so it is read plainly here; the node's door checks it in full."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelUnusable(f"{path} can't be read: {_short(error)}") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("file"), str):
        raise ModelUnusable(f"{path} is no model's card: it names no `file`")
    return raw


def _features(folder: Path | None) -> tuple[str, ...]:
    """Names of the columns, where the feature set lies beside the card and has one value each."""
    path = folder / "features.yaml" if folder else None
    if path is None or not path.is_file():
        return ()
    try:
        sets = yaml.safe_load(path.read_text(encoding="utf-8"))["features"]
        return tuple(str(name) for name in next(iter(sets.values()))["select"])
    except (OSError, ValueError, TypeError, KeyError, AttributeError, StopIteration, yaml.YAMLError):
        return ()


def _digest(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelUnusable(f"{path} is larger than {MOST_BYTES:,} bytes")
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelUnusable(f"{path} can't be read: {error.strerror}") from None


def _mapping(card: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = card.get(key)
    return found if isinstance(found, Mapping) else {}


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
