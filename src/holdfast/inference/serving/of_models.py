"""A model from the one door (`inference.door`), as serving sees it."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from holdfast.model.predictions import Predictions

Array = NDArray[Any]


class _Card(Protocol):
    @property
    def model(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def width(self) -> int: ...


class _Model(Protocol):
    def predict(self, values: Array) -> Predictions: ...
    def interrupt(self) -> bool: ...


class ModelScorer:
    """A `Scorer` over a loaded `Model`. Keep it as long as the model: serving tells models apart by the object."""

    def __init__(self, model: _Model, card: _Card, labels: Sequence[str]) -> None:
        self.model = model
        self.name, self.version, self.width = card.model, card.version, card.width
        self.labels: Sequence[str] = tuple(labels)

    def predict(self, values: Array) -> Predictions:
        """See `Model.predict`."""
        return self.model.predict(values)

    def interrupt(self) -> bool:
        """See `Model.interrupt`."""
        return self.model.interrupt()
