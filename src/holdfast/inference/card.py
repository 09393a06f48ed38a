"""A model's card, `model.yaml`: what the model takes and says, what it needs, and what it was trained on.

`load_card(folder)` gives a `Card` or raises `SettingsInvalid` with every problem, each with its line. The format is
written down in `docs/reference/models.md`. Nothing here opens the model's file: `door.open_model` does.
"""

import re
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from holdfast.inference.errors import ModelUnknown
from holdfast.kernel.documents import Document, Problem, SettingsInvalid, guard, parse
from holdfast.kernel.scalars import Duration, Size

CARD = "model.yaml"
FEATURES = "features.yaml"
MOST_CARD_BYTES = 1_000_000

Task = Literal["classification", "regression", "anomaly", "image-classification"]
Runtime = Literal["onnx", "litert"]
Transform = Literal["none", "sigmoid", "softmax", "negate"]
Dtype = Literal["float32", "float64", "float16", "uint8", "int8", "int32", "int64"]
RUNTIMES: dict[str, Runtime] = {".onnx": "onnx", ".ort": "onnx", ".tflite": "litert"}
"""Which runtime a file's ending means."""
_EXPONENT = re.compile(r"expected a number.*, not '[-+]?[\d.]+[eE][-+]?\d+'\Z")


class Image(Struct, frozen=True, forbid_unknown_fields=True):
    """How a picture becomes the model's input: resized, then (pixel / scale - mean) / std for each channel."""

    width: int
    height: int
    channels: Literal[1, 3] = 3
    layout: Literal["nchw", "nhwc"] = "nchw"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    scale: float = 255.0


class Inputs(Struct, frozen=True, forbid_unknown_fields=True):
    """What the model takes.

    features: `name@hash` of its feature set, or `name` (then nothing says that it's the one it was trained on)
    image:    instead: it takes pictures. `Model.predict` is given them resized, normalised and laid out
    name:     of the input tensor; empty = the only one there is
    shape:    of one row; the tensor is [n, *shape]
    mean, std: each value becomes (x - mean) / std; one number for all, for each value, or for each of an axis
    """

    shape: tuple[int, ...]
    features: str = ""
    image: Image | None = None
    name: str = ""
    dtype: Dtype = "float32"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class Tensor(Struct, frozen=True, forbid_unknown_fields=True):
    """An output tensor.

    index:     of its columns; None = the last
    transform: what makes a probability of it; or `negate`, where a lower number is a stranger row
    """

    name: str
    index: int | None = None
    transform: Transform = "none"


class Outputs(Struct, frozen=True, forbid_unknown_fields=True):
    """What the model says.

    score:          the tensor (and its column) that is the number
    classes:        [n, k]: how probable each of `labels` is
    labels_from:    a tensor of the label itself, text or number (scikit-learn's `label`), where there are no `classes`
    reconstruction: [n, *shape]: anomaly = its mean squared difference from the (standardised) input
    labels:         what classes are called, in order; of an anomaly: [normal, anomalous], divided by `threshold`
    """

    score: Tensor | None = None
    classes: Tensor | None = None
    labels_from: Tensor | None = None
    reconstruction: Tensor | None = None
    labels: tuple[str, ...] = ()


class Histogram(Struct, frozen=True, forbid_unknown_fields=True):
    """How values were spread in training.

    edges:  ascending
    shares: of the values between each two edges; or with one more share below the first, and one above the last
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """A model's card. Durations in seconds, sizes in bytes.

    runtime:   what runs it; None = by the file's ending (`kind` says which)
    threshold: of the score: from above it the last label is said; what alerts ship with
    budget:    from a reading's arrival to the published prediction, p99
    memory:    the author's estimate; measured at load
    baseline:  by feature, and `prediction`: what drift is measured against
    optimised: what `holdfast model optimise` made it of, how, and what that cost
    """

    model: str
    version: str
    task: Task
    file: str
    sha256: str
    inputs: Inputs
    outputs: Outputs
    runtime: Runtime | None = None
    description: str = ""
    threshold: float | None = None
    budget: Duration | None = None
    memory: Size | None = None
    metrics: dict[str, Any] = {}
    trained: dict[str, Any] = {}
    baseline: dict[str, Histogram] = {}
    licence: str = ""
    optimised: dict[str, Any] = {}

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.model}@{self.version}"

    @property
    def kind(self) -> Runtime:
        """The runtime that the model needs."""
        return self.runtime or RUNTIMES[Path(self.file).suffix]

    @property
    def labels(self) -> tuple[str, ...]:
        """What `Predictions.label` counts into."""
        return self.outputs.labels

    @property
    def width(self) -> int:
        """How many numbers one row has."""
        return prod(self.inputs.shape)

    @property
    def feature_set(self) -> str:
        """The feature set's name, empty for images."""
        return self.inputs.features.partition("@")[0]

    @property
    def feature_hash(self) -> str:
        """The first 16 hex digits of its hash, empty where the card doesn't say."""
        return self.inputs.features.partition("@")[2]


def load_card(folder: Path) -> Card:
    """The card in a model's folder.

    Raises:
        SettingsInvalid: with every problem of it.
        ModelUnknown: when there is none.
    """
    return read_card(folder).value


def read_card(folder: Path) -> Document[Card]:
    """Like `load_card`, with the lines of what it says.

    Raises:
        SettingsInvalid: with every problem of it.
        ModelUnknown: when there is none.
    """
    path = folder / CARD
    try:
        if path.stat().st_size > MOST_CARD_BYTES:
            raise SettingsInvalid([Problem(str(path), 1, (), f"a card has at most {MOST_CARD_BYTES:,} bytes")])
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelUnknown(f"there is no {path}", f"a model's folder has a card, {CARD}, beside its file") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsInvalid([Problem(str(path), 1, (), f"can't be read: {reason}")]) from None
    return parse_card(text, path)


def parse_card(text: str, path: Path) -> Document[Card]:
    """A card from text; problems are reported under `path`.

    Raises:
        SettingsInvalid: with every problem of it.
    """
    from holdfast.inference.card_rules import problems_of  # noqa: PLC0415  # it knows `Card`, so it stands above

    guard(text, path)
    try:
        document = parse(text, Card, path)
    except SettingsInvalid as invalid:
        raise SettingsInvalid([_explained(one) for one in invalid.problems]) from None
    problems = [document.problem(where, said) for where, said in problems_of(document.value)]
    if problems:
        raise SettingsInvalid(problems)
    return document


def _explained(problem: Problem) -> Problem:
    """What YAML 1.1 makes of what people mean: on, off, yes and no are truth, and 1e-3 is text."""
    if problem.where[:2] == ("outputs", "labels") and problem.message.endswith(("True", "False")):
        return replace(problem, message=f'{problem.message}: write on, off, yes and no in quotes, as in "off"')
    if _EXPONENT.search(problem.message):
        return replace(problem, message=f"{problem.message}: YAML wants a dot and a sign, as in 1.0e-3 or 1.0e+6")
    return problem
