"""A model from the one door, as serving sees it; the node has its own, which holds it in the cache."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from holdfast.inference.feeding import Fed, Room
from holdfast.inference.loaded import Model
from holdfast.model.predictions import Predictions

Array = NDArray[Any]


class ModelScorer:
    """A `Scorer` over a loaded `Model`."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.name, self.version, self.width = model.card.model, model.card.version, model.card.width
        self.labels: Sequence[str] = model.card.labels

    def predict(self, values: Array) -> Predictions:
        return self.model.predict(values)

    def prepare(self, parts: Sequence[Array], room: Room) -> Fed:
        return self.model.prepare(parts, room)

    def score(self, prepared: Fed) -> Predictions:
        return self.model.score(prepared)

    def interrupt(self) -> bool:
        return self.model.interrupt()
