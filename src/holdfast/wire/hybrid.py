"""What a node and one above it say to each other about a row that a local model is unsure of. Append only.

Up it's an event in lane 1 (`KIND`), a `Wanted` in its `why`: journalled, delivered once, within the link's budget.
Down it's a command to the node itself (`wire.commands`): `device` is a place that no device has, `params` is an
`Answered`. The command's id is made of the event's, so a question that is heard twice is answered once.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.wire.errors import WireError

KIND = "inference.asked"
PLACE = "@models/"
NAME = "inference.answer"
MOST_VALUES = 8_192
"""Numbers of one row."""
EXACT_VALUES = 256
"""Up to so many go as float64, more as float32, as which models take them anyway."""
MOST_LABELS, MOST_LABEL = 1_000, 100
Text = Annotated[str, Meta(max_length=200)]
Labels = Annotated[tuple[Annotated[str, Meta(max_length=MOST_LABEL)], ...], Meta(max_length=MOST_LABELS)]
Array = NDArray[Any]


class Said(Struct, frozen=True, omit_defaults=True):
    """What the local model said. label: empty = none; confidence: absent = it says none."""

    model: Text = ""
    version: Text = ""
    label: Annotated[str, Meta(max_length=100)] = ""
    score: float | None = None
    confidence: float | None = None


class Wanted(Struct, frozen=True, omit_defaults=True):
    """A row to be scored.

    model:    the one that is wanted above, as its parent's store knows it
    features: name@hash of the feature set
    values:   base64 of the numbers, little endian; kind: of which type
    until_ns: after it an answer is of no use, ns UTC by the asking node's clock; within_s: how long that was
    asker:    the node that asks; the row may be of one below it
    """

    asker: Annotated[str, Meta(min_length=1, max_length=128)]
    deployment: Text
    model: Text
    features: Text
    values: Annotated[str, Meta(max_length=12 * MOST_VALUES)]
    kind: Literal["f4", "f8"]
    until_ns: Annotated[int, Meta(ge=0, lt=2**62)]
    within_s: Annotated[float, Meta(ge=0, le=86_400)]
    said: Said = Said()


class Answered(Struct, frozen=True, omit_defaults=True):
    """What the model above says.

    id:     of the event that asked; deployment, node, device, ts: the row
    labels, label: as in `model.predictions`; score, confidence: absent = none
    failed: why there's no answer; then nothing else counts
    """

    id: Annotated[str, Meta(max_length=64)]
    deployment: Text
    node: Annotated[str, Meta(max_length=128)]
    device: Annotated[str, Meta(max_length=256)]
    ts: Annotated[int, Meta(gt=-(2**62), lt=2**62)]
    model: Text = ""
    version: Text = ""
    labels: Labels = ()
    label: Annotated[int, Meta(ge=-1, lt=MOST_LABELS)] = -1
    score: float | None = None
    confidence: float | None = None
    took_s: float = 0.0
    failed: Text = ""


_answers = msgspec.json.Decoder(Answered)


def values_of(wanted: Wanted) -> Array:
    """The numbers of a row, float64.

    Raises:
        WireError: when they make no sense.
    """
    try:
        raw = base64.b64decode(wanted.values, validate=True)
        found = np.frombuffer(raw, f"<{wanted.kind}").astype(np.float64)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"the row's values can't be read: {error}") from error
    if not 0 < len(found) <= MOST_VALUES:
        raise WireError(f"a row of {len(found)} values")
    return found


def pack_values(values: Array) -> tuple[str, Literal["f4", "f8"]]:
    """A row's numbers for `Wanted`. values: shape (f,), at most MOST_VALUES."""
    kind: Literal["f4", "f8"] = "f8" if len(values) <= EXACT_VALUES else "f4"
    return base64.b64encode(np.asarray(values, f"<{kind}").tobytes()).decode(), kind


def wanted_of(why: Mapping[str, object]) -> Wanted | None:
    """What an event asks for; None = this version can't tell."""
    try:
        return msgspec.convert(why.get("wanted"), Wanted)
    except msgspec.ValidationError:
        return None


def encode_answer(answer: Answered) -> bytes:
    """As a command's parameters."""
    return msgspec.json.encode(answer, order="deterministic")


def decode_answer(params: bytes) -> Answered | None:
    """An answer that came from above; None = this version doesn't know it."""
    try:
        found = _answers.decode(params)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.label < len(found.labels) else None


def is_answer(device: str) -> bool:
    """Is a command the answer to such a question?"""
    return device.startswith(PLACE)
