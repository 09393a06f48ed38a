"""Models as serving wants them: one that is loaded, and one that can't be."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from holdfast.inference.cache import Held
from holdfast.inference.feeding import Fed, Room
from holdfast.model.predictions import Predictions

Array = NDArray[Any]


class Loaded:
    """A model in memory, for as long as it's served."""

    def __init__(self, held: Held) -> None:
        self._held, self._card = held, held.model.card
        self.name, self.version = self._card.model, self._card.version
        self.labels: Sequence[str] = self._card.labels
        self.width = self._card.width
        self.model = held.model

    def predict(self, values: Array) -> Predictions:
        """See `Scorer`."""
        return self.model.predict(values)

    def prepare(self, parts: Sequence[Array], room: Room) -> Fed:
        """See `Staged`."""
        return self.model.prepare(parts, room)

    def score(self, prepared: Fed) -> Predictions:
        """See `Staged`."""
        return self.model.score(prepared)

    def interrupt(self) -> bool:
        """See `Interruptible`."""
        return self.model.interrupt()

    def release(self) -> None:
        """Not served any more."""
        self._held.release()


class Unloaded:
    """A model that couldn't be loaded: its deployments have their fallbacks until it can."""

    width = 0

    def __init__(self, ref: str, labels: Sequence[str], error: Exception) -> None:
        """ref: `name@version`; labels: of the deployment, in which its fallbacks speak."""
        self.name, _, self.version = ref.partition("@")
        self.labels, self.error = labels, error

    def predict(self, _values: Array) -> Predictions:
        """Tell why not."""
        raise self.error

    def release(self) -> None:
        """Nothing is held."""
