"""Who is told of what was decided: on the loop, before its commit."""

from collections.abc import Callable
from dataclasses import replace

from holdfast.intake.prepare import Prepared
from holdfast.model.batch import Batch
from holdfast.model.features import FeatureRows

BatchListener = Callable[[Batch], None]
"""Told of every decided batch, on the loop, before its commit; must be quick and keep no reference to rows."""
FeatureListener = Callable[[FeatureRows], None]
"""Told of rows for models, on the loop, with when their readings came; must be quick. Rows that are read again after a
restart, or made again because the clock was set, aren't told: they were, or came of times that are gone."""


class Listeners:
    """Those who asked."""

    def __init__(self) -> None:
        self._batches: list[BatchListener] = []
        self._features: FeatureListener | None = None

    def on_batch(self, listener: BatchListener) -> None:
        """Tell `listener` of every decided batch."""
        self._batches.append(listener)

    def on_features(self, listener: FeatureListener) -> None:
        """Tell `listener`, and nobody else, of rows for models."""
        self._features = listener

    def tell(self, prepared: Prepared, came: float) -> None:
        """This was decided; came: when its first arrival did, CLOCK_MONOTONIC."""
        for listener in self._batches:
            for batch in (prepared.batch, *prepared.derived):
                listener(batch)
        self.hand_on(prepared, came)

    def hand_on(self, prepared: Prepared, came: float) -> None:
        """Its rows for models alone."""
        if self._features is not None:
            for rows in prepared.features:
                self._features(replace(rows, arrived=came))
        prepared.features = []
