"""A loaded model: numbers in, predictions out. Made by `door.open_model` only."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.answers import AnswerInvalid, Reader
from holdfast.inference.card import Card
from holdfast.inference.errors import InputInvalid, RunFailed
from holdfast.inference.feeding import Fed, Room, feeder, spread
from holdfast.inference.runtimes.port import Options, Session
from holdfast.model.predictions import Predictions

Array = NDArray[Any]
MOST_ROWS = 16_384
"""Of one run; more are run one after the other, so that a run's memory is bounded."""


class Model:
    """A model at hand.

    card, folder: whose it is, and where it came from
    digest:       SHA-256 of the file that was loaded, hex
    memory_bytes: what it takes in memory, measured; never less than its file
    provider:     what runs it: cpu, cuda, …
    load_s:       how long it took to load and try
    mixing:       how far scores of the rows it was tried with differ in a batch from what they are alone: nothing but
                  rounding, unless the model looks at the whole batch, as dynamic quantisation does
    """

    def __init__(
        self,
        card: Card,
        folder: Path,
        session: Session,
        *,
        name: str,
        options: Options,
        memory_bytes: int,
        load_s: float,
        mixing: float = 0.0,
    ) -> None:
        self.card, self.folder, self.options = card, folder, options
        self.digest, self.memory_bytes, self.load_s = card.sha256, memory_bytes, load_s
        self.mixing = mixing
        self.provider = session.provider
        self._session, self._name = session, name
        self._reader = Reader(card)
        self._feed = feeder(card.inputs)
        self._width, self._shape = card.width, card.inputs.shape

    def predict(self, values: Array) -> Predictions:
        """What the model says of each row.

        Blocking; any thread, several at once; the same rows give the same predictions, whoever shares their batch
        (except what dynamic quantisation makes of it). Rows with a number that isn't finite, and rows of which the
        model says nothing finite, get no prediction: score NaN, label -1; others in the batch don't notice.

        Args:
            values: (n, f) numbers, as the feature set gives them; of images as the model takes them, flattened.

        Raises:
            InputInvalid: when f isn't the card's.
            RunFailed: when the model fails, or answers in another shape than the card says.
            RunInterrupted: when `interrupt` was called meanwhile.
        """
        return self.score(self.prepare([values], Room()))

    def prepare(self, parts: Sequence[Array], room: Room) -> Fed:
        """What `score` takes, of rows in one part or more; needs no model. Good until `room` is used again.

        Raises:
            InputInvalid: as of `predict`.
        """
        with np.errstate(all="ignore"):  # what isn't finite is looked for, before the model and after it
            return self._feed([self._rows(part) for part in parts], room)

    def score(self, prepared: Fed) -> Predictions:
        """What the model says of each row that was prepared; see `predict`.

        Raises:
            RunFailed, RunInterrupted: as of `predict`.
        """
        fed, good = prepared
        with np.errstate(all="ignore"):
            if good is None:
                return self._scored(fed)
            scored, at = Predictions.none(len(fed)), np.flatnonzero(good)
            if len(at):
                some = self._scored(fed[at])
                scored.score[at], scored.label[at], scored.confidence[at] = some.score, some.label, some.confidence
            return scored

    def interrupt(self) -> bool:
        """Stop runs that are under way; they raise `RunInterrupted`. False: this runtime can't be stopped."""
        return self._session.interrupt()

    def warm(self, rows: int = 1) -> None:
        """Run once on rows like the average one, so that the first real ones don't wait for pages and threads.

        Raises:
            RunFailed: when the model fails.
        """
        self._scored(self._feed([np.repeat(usual(self.card)[:1], rows, axis=0)], Room())[0])

    def shares(self, values: Array) -> Array:
        """How probable each label is, (n, k) float64, as the model says it; of models with `outputs.classes`.

        Raises:
            InputInvalid, RunFailed: as of `predict`; a row that isn't finite is the caller's to see.
        """
        fed, _ = self._feed([self._rows(values)], Room())
        try:
            return np.concatenate([self._reader.shares(said, part)[:n] for said, part, n in self._parts(fed)])
        except AnswerInvalid as invalid:
            raise RunFailed(f"{self.card.ref}: {invalid}") from None

    def _rows(self, values: Array) -> Array:
        values = np.asarray(values)
        if values.dtype.kind not in "fiub":
            raise InputInvalid(f"{self.card.ref} takes numbers, and was given {values.dtype}")
        if values.ndim != 2 or values.shape[1] != self._width:  # rows and columns
            raise InputInvalid(f"{self.card.ref} takes rows of {self._width} numbers, and was given {values.shape}")
        return values

    def _scored(self, fed: Array) -> Predictions:
        try:
            if self._session.batch is None and 0 < len(fed) <= MOST_ROWS:  # as nearly always
                said = self._session.run(self._name, fed.reshape(len(fed), *self._shape), self._reader.wanted)
                return self._reader.read(said, fed)
            parts = [(self._reader.read(said, part), n) for said, part, n in self._parts(fed)]
        except AnswerInvalid as invalid:
            raise RunFailed(f"{self.card.ref}: {invalid}") from None
        return Predictions(
            np.concatenate([part.score[:n] for part, n in parts] or [np.empty(0)]),
            np.concatenate([part.label[:n] for part, n in parts] or [np.empty(0, np.int32)]),
            np.concatenate([part.confidence[:n] for part, n in parts] or [np.empty(0)]),
        )

    def _parts(self, fed: Array) -> Iterator[tuple[list[Any], Array, int]]:
        """Runs of as many rows as the model takes at once: outputs, the rows fed, how many of those were asked for."""
        batch = self._session.batch
        step = batch or MOST_ROWS
        for at in range(0, len(fed), step):
            part = fed[at : at + step]
            n = len(part)
            if batch and n < batch:  # the last row again, to fill the only batch that it takes
                part = np.concatenate([part, np.repeat(part[-1:], batch - n, axis=0)])
            yield self._session.run(self._name, part.reshape(len(part), *self._shape), self._reader.wanted), part, n


def usual(card: Card) -> Array:
    """Rows that any model must answer, (3, f): its average input, zeros, and one spread above the average."""
    inputs = card.inputs
    mean, std = spread(inputs, inputs.mean, 0.0), spread(inputs, inputs.std, 1.0)
    rows = np.stack([mean, np.zeros(card.width), mean + std])
    return rows if inputs.image is None else np.stack([np.zeros(card.width)] * 2 + [np.ones(card.width)])
