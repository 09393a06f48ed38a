"""What a model's output tensors say: predictions, by the card's task. Pure arithmetic on whole batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.card import Card, Tensor
from holdfast.model.predictions import Predictions

Array = NDArray[Any]
HALF = 0.5

Part = Callable[["Answer"], tuple[Array, Array, Array]]
"""Score, label and confidence of an answer."""


class AnswerInvalid(ValueError):
    """The outputs aren't what the card says. The sentence says how; the door or a run puts the model's name to it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a session gave for n rows. given: the rows as it was fed, shape (n, f)."""

    outputs: Mapping[str, Any]
    given: Array

    def __len__(self) -> int:
        return len(self.given)


class Reader:
    """Reads a card's answers. `wanted`: the tensors it needs, in order."""

    def __init__(self, card: Card) -> None:
        says = card.outputs
        self._classes, self._labels = says.classes, says.labels
        tensors = (says.score, says.classes, says.labels_from, says.reconstruction)
        self.wanted = tuple(dict.fromkeys(tensor.name for tensor in tensors if tensor is not None))
        self._part = _part(card)

    def read(self, said: Sequence[Any], given: Array) -> Predictions:
        """Predictions of a batch; rows whose numbers aren't finite have none. Numpy would warn of such: see `Model`.

        Raises:
            AnswerInvalid: when an output hasn't the shape that the card says.
        """
        answer = Answer(dict(zip(self.wanted, said, strict=True)), given)
        score, label, confidence = self._part(answer)
        finite = np.isfinite(score)
        if not finite.all():
            score, label = np.where(finite, score, np.nan), np.where(finite, label, -1)
            confidence = np.where(finite, confidence, np.nan)
        return Predictions(score, label.astype(np.int32, copy=False), confidence)

    def shares(self, said: Sequence[Any], given: Array) -> Array:
        """How probable each label is, (n, k).

        Raises:
            AnswerInvalid: when the card has no `classes`, or the output hasn't their shape.
        """
        if self._classes is None:
            raise AnswerInvalid("the card says no `classes`")
        return _shares(Answer(dict(zip(self.wanted, said, strict=True)), given), self._classes, self._labels)


def _part(card: Card) -> Part:
    says = card.outputs
    if card.task == "anomaly":
        return _anomaly(card)
    if card.task == "regression":
        assert says.score is not None  # noqa: S101  # `card_rules` saw to it
        score = says.score
        return lambda answer: (_column(answer, score), _no_label(len(answer)), _no_number(len(answer)))
    if says.classes is not None:
        return _classes(card, says.classes)
    if says.labels_from is not None:
        return _labels_only(card, says.labels_from)
    assert says.score is not None  # noqa: S101  # `card_rules` saw to it
    return _one_score(card, says.score)


def _anomaly(card: Card) -> Part:
    says, threshold = card.outputs, card.threshold

    def part(answer: Answer) -> tuple[Array, Array, Array]:
        score = _column(answer, says.score) if says.score else _rebuilt(answer, says.reconstruction)
        label = (score > threshold).astype(np.int32) if says.labels else _no_label(len(answer))
        return score, label, _no_number(len(answer))

    return part


def _rebuilt(answer: Answer, tensor: Tensor | None) -> Array:
    assert tensor is not None  # noqa: S101  # `card_rules` saw to it
    rebuilt = _of_rows(answer, tensor)
    if rebuilt.size != answer.given.size:
        raise AnswerInvalid(f"`{tensor.name}` has {rebuilt.shape}, and what it rebuilds {answer.given.shape}")
    off = (rebuilt.reshape(answer.given.shape) - answer.given).astype(np.float64)
    score: Array = np.einsum("ij,ij->i", off, off)
    score /= off.shape[1]
    return score


def _one_score(card: Card, tensor: Tensor) -> Part:
    threshold = HALF if card.threshold is None else card.threshold

    def part(answer: Answer) -> tuple[Array, Array, Array]:
        score = _column(answer, tensor)
        label = score > threshold
        inside = ((score >= 0) & (score <= 1)).all()
        return score, label.astype(np.int32), np.where(label, score, 1 - score) if inside else _no_number(len(answer))

    return part


def _classes(card: Card, tensor: Tensor) -> Part:
    k, says = len(card.labels), card.outputs
    threshold = HALF if card.threshold is None else card.threshold

    def part(answer: Answer) -> tuple[Array, Array, Array]:
        shares = _shares(answer, tensor, card.labels)
        if says.labels_from is not None:
            label = _label(answer, says.labels_from, card.labels)
        else:
            label = (shares[:, 1] > threshold).astype(np.int32) if k == 2 else shares.argmax(axis=1).astype(np.int32)
        confidence = np.where(label < 0, np.nan, shares[np.arange(len(answer)), np.maximum(label, 0)])
        score = _column(answer, says.score) if says.score else shares[:, 1] if k == 2 else confidence
        return np.where(np.isfinite(shares).all(axis=1), score, np.nan), label, confidence

    return part


def _labels_only(card: Card, tensor: Tensor) -> Part:
    score_of = card.outputs.score

    def part(answer: Answer) -> tuple[Array, Array, Array]:
        label = _label(answer, tensor, card.labels)
        score = _column(answer, score_of) if score_of else label.astype(np.float64)
        return np.where(label < 0, np.nan, score), label, _no_number(len(answer))

    return part


def _shares(answer: Answer, tensor: Tensor, labels: Sequence[str]) -> Array:
    """Probabilities, (n, k) float64, of a tensor, or of a list of mappings from label to probability (ZipMap)."""
    said = answer.outputs[tensor.name]
    if isinstance(said, list):
        shares = _unzipped(said, labels)
    else:
        shares = _of_rows(answer, tensor).astype(np.float64).reshape(len(answer), -1)
    if shares.shape[1] == 1 and len(labels) == 2 and tensor.transform != "softmax":
        second = _transformed(shares, tensor)
        return np.concatenate([1 - second, second], axis=1)
    if shares.shape[1] != len(labels):
        raise AnswerInvalid(f"`{tensor.name}` has {shares.shape[1]} classes, and the card {len(labels)} labels")
    return _transformed(shares, tensor)


def _unzipped(said: Sequence[Mapping[Any, float]], labels: Sequence[str]) -> Array:
    keys = list(said[0])
    by_name = {str(key): key for key in keys}
    order = [by_name[label] for label in labels] if set(labels) == set(by_name) else sorted(keys)
    return np.array([[row[key] for key in order] for row in said], np.float64)


def _label(answer: Answer, tensor: Tensor, labels: Sequence[str]) -> Array:
    """Positions in `labels` of what the model calls classes: their names, or else their numbers; -1 = unheard of."""
    said = _of_rows(answer, tensor).reshape(-1)
    if len(said) != len(answer):
        raise AnswerInvalid(f"`{tensor.name}` has {len(said)} labels for {len(answer)} rows")
    names = {label: place for place, label in enumerate(labels)}
    found, which = np.unique(said, return_inverse=True)
    places = [names.get(str(one), _place(one, len(labels))) for one in found.tolist()]
    return np.array(places, np.int32)[which]


def _place(said: Any, k: int) -> int:
    return int(said) if isinstance(said, int | float) and said in range(k) else -1


def _column(answer: Answer, tensor: Tensor | None) -> Array:
    """One column as float64, shape (n,), after its transform."""
    assert tensor is not None  # noqa: S101  # the caller asked
    said = _of_rows(answer, tensor).astype(np.float64).reshape(len(answer), -1)
    index = -1 if tensor.index is None else tensor.index
    if not -said.shape[1] <= index < said.shape[1]:
        raise AnswerInvalid(f"`{tensor.name}` has {said.shape[1]} columns, so none at {index}")
    if tensor.transform == "softmax":
        return _transformed(said, tensor)[:, index]
    return _transformed(said[:, index], tensor)


def _of_rows(answer: Answer, tensor: Tensor) -> Array:
    said = np.asarray(answer.outputs[tensor.name])
    if said.ndim == 0 or len(said) != len(answer):
        raise AnswerInvalid(f"`{tensor.name}` has the shape {list(said.shape)} for {len(answer)} rows: one for each?")
    return said


def _transformed(said: Array, tensor: Tensor) -> Array:
    if tensor.transform == "sigmoid":
        probable: Array = 1 / (1 + np.exp(-said))
        return probable
    if tensor.transform == "negate":
        return -said
    if tensor.transform == "softmax":
        risen = np.exp(said - said.max(axis=1, keepdims=True))
        shares: Array = risen / risen.sum(axis=1, keepdims=True)
        return shares
    return said


def _no_label(n: int) -> Array:
    return np.full(n, -1, np.int32)


def _no_number(n: int) -> Array:
    return np.full(n, np.nan)
