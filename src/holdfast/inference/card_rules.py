"""What a card must say beyond its types. Pure: a card in, findings out."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import prod
from pathlib import Path

from holdfast.inference.card import RUNTIMES, Card, Histogram, Tensor
from holdfast.kernel.shape import Finding

MOST_VALUES = 4_000_000
"""Of one row: a picture of 1,154 by 1,154 in colour. Beyond it, one batch alone would fill a gateway's memory."""
MOST_AXES = 5
MOST_LABELS = 10_000
MOST_TEXT = 10_000

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?\Z")
_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,40})?\Z")
_FEATURES = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(?:@[0-9a-f]{16})?\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")

Findings = Iterator[Finding]


def problems_of(card: Card) -> list[Finding]:
    """Every place of the card that is wrong, and what to write there."""
    return [*_names(card), *_file(card), *_inputs(card), *_outputs(card), *_numbers(card), *_baseline(card)]


def _names(card: Card) -> Findings:
    if not _NAME.match(card.model):
        yield ("model",), "a model's name has small letters, digits and dashes, at most 64, as in pump-anomaly"
    if not _VERSION.match(card.version):
        yield ("version",), "a version has three numbers, as in 1.0.0 or 1.0.0-rc1"
    for key in ("description", "licence"):
        if len(getattr(card, key)) > MOST_TEXT:
            yield (key,), f"at most {MOST_TEXT:,} characters"


def _file(card: Card) -> Findings:
    ending = Path(card.file).suffix
    if not _FILE.match(card.file):
        yield ("file",), "a plain file name beside the card, as in model.onnx"
    elif ending not in RUNTIMES:
        yield ("file",), f"a model's file ends in {', '.join(RUNTIMES)}"
    elif card.runtime not in {None, RUNTIMES[ending]}:
        yield ("runtime",), f"a file that ends in {ending} is run by {RUNTIMES[ending]}"
    if not _SHA256.match(card.sha256):
        yield ("sha256",), "64 hex digits in small letters, as `sha256sum` prints them"


def _inputs(card: Card) -> Findings:
    given = card.inputs
    if bool(given.features) == (given.image is not None):
        yield ("inputs",), "either `features` (a feature set) or `image`"
    elif given.features and not _FEATURES.match(given.features):
        yield ("inputs", "features"), "name@hash with 16 hex digits, as `holdfast features show` prints it"
    if (given.image is not None) != (card.task == "image-classification"):
        yield ("task",), "`task: image-classification` and `inputs.image` belong together"
    if not given.shape or len(given.shape) > MOST_AXES or min(given.shape) < 1 or prod(given.shape) > MOST_VALUES:
        said = "the shape of one row, without the batch's axis, as in [5] or [60, 8]"
        yield ("inputs", "shape"), f"{said}; at most {MOST_AXES} axes and {MOST_VALUES:,} values"
    elif given.image is not None:
        yield from _image(card)
    else:
        yield from _standardising(given.shape, given.mean, given.std)


def _image(card: Card) -> Findings:
    image, given = card.inputs.image, card.inputs
    assert image is not None  # noqa: S101  # the caller asked
    sides = (image.height, image.width)
    shape = (image.channels, *sides) if image.layout == "nchw" else (*sides, image.channels)
    if given.shape != shape:
        yield ("inputs", "shape"), f"of these images in {image.layout} it is {list(shape)}"
    if given.mean or given.std:
        yield ("inputs",), "of images, `mean` and `std` stand in `image`, one number for each channel"
    for key, values in (("mean", image.mean), ("std", image.std)):
        if values and len(values) not in {1, image.channels}:
            yield ("inputs", "image", key), f"one number, or one for each of {image.channels} channels"
    yield from _finite(("inputs", "image"), image.mean, image.std)
    if not (math.isfinite(image.scale) and image.scale > 0):
        yield ("inputs", "image", "scale"), "a number above 0"


def _standardising(shape: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> Findings:
    for key, values in (("mean", mean), ("std", std)):
        if values and len(values) not in {1, prod(shape), shape[0], shape[-1]}:
            said = f"{len(values)} numbers, and a row has {prod(shape)}"
            yield ("inputs", key), f"{said}: give one for all, or one for each"
        elif len(shape) > 1 and shape[0] == shape[-1] == len(values) > 1:
            yield ("inputs", key), f"both axes are {shape[0]} long, so nobody knows which is meant: give {prod(shape)}"
    yield from _finite(("inputs",), mean, std)


def _finite(where: tuple[str, ...], mean: Sequence[float], std: Sequence[float]) -> Findings:
    if not all(map(math.isfinite, mean)):
        yield (*where, "mean"), "not all of them are finite numbers"
    if not all(math.isfinite(one) and one > 0 for one in std):
        yield (*where, "std"), "numbers above 0: a feature that never changes is no feature (or give it 1)"


def _outputs(card: Card) -> Findings:
    says = card.outputs
    for key in ("score", "classes", "labels_from", "reconstruction"):
        tensor: Tensor | None = getattr(says, key)
        if tensor is not None and not tensor.name:
            yield ("outputs", key, "name"), "the output tensor's name"
        if tensor is not None and tensor.index is not None and key != "score":
            yield ("outputs", key, "index"), "only `score` takes one column of a tensor"
    if card.task == "regression" and (says.score is None or says.classes or says.reconstruction or says.labels):
        yield ("outputs",), "a regression has `score` and nothing else"
    elif card.task == "anomaly":
        yield from _anomaly(card)
    elif card.task != "regression":
        yield from _classification(card)
    if len(set(says.labels)) != len(says.labels) or not all(says.labels) or len(says.labels) > MOST_LABELS:
        yield ("outputs", "labels"), f"different names, none empty, at most {MOST_LABELS:,}"


def _anomaly(card: Card) -> Findings:
    says = card.outputs
    if (says.score is None) == (says.reconstruction is None) or says.classes or says.labels_from:
        yield ("outputs",), "an anomaly has either `score` or `reconstruction`"
    if says.labels and (len(says.labels) != 2 or card.threshold is None):  # normal, anomalous
        yield ("outputs", "labels"), "of an anomaly: [normal, anomalous], and a `threshold` that divides them"


def _classification(card: Card) -> Findings:
    says = card.outputs
    if says.reconstruction is not None:
        yield ("outputs", "reconstruction"), "is for `task: anomaly`"
    if says.classes is None and says.labels_from is None and says.score is None:
        yield ("outputs",), "say where classes are: `classes` ([n, k] probabilities), or `labels_from`, or `score`"
    if says.classes is None and says.labels_from is None and says.score and len(says.labels) > 2:
        yield ("outputs", "score"), "one score divides two labels; for more give `classes`"
    if len(says.labels) < 2:  # with fewer there's nothing to tell apart
        yield ("outputs", "labels"), "what the classes are called, in order, at least two"


def _numbers(card: Card) -> Findings:
    if card.threshold is not None and not math.isfinite(card.threshold):
        yield ("threshold",), "a finite number"
    if card.budget is not None and not 0 < card.budget <= 3600:  # an hour is no budget
        yield ("budget",), "above 0 and at most 1h, as in 50ms"


def _baseline(card: Card) -> Findings:
    for name, spread in card.baseline.items():
        if not _sound(spread):
            said = "ascending edges, and shares from 0 to 1 that add up to 1, one for each space between two edges"
            yield ("baseline", name), f"{said} (or one more at each end)"


def _sound(spread: Histogram) -> bool:
    edges, shares = spread.edges, spread.shares
    rising = all(low < high for low, high in pairwise(edges))
    fits = len(shares) in {len(edges) - 1, len(edges) + 1} and len(shares) > 0
    numbers = all(map(math.isfinite, (*edges, *shares))) and all(share >= 0 for share in shares)
    return rising and fits and numbers and abs(sum(shares) - 1) < 0.02  # cards round their shares
