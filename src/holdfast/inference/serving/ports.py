"""What serving needs of a model and of whoever compiles a deployment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.feeding import Room
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import Predictions, Role

Array = NDArray[Any]
Rule = Callable[[FeatureRows], Predictions]
"""Says of rows what a model can't just now; a score of NaN = nothing. On the loop's thread: columns, never long."""


class Scorer(Protocol):
    """A loaded model, as serving sees it."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """What `Predictions.label` indexes."""
        ...

    @property
    def width(self) -> int:
        """How many numbers a row has; for the warm-up."""
        ...

    def predict(self, values: Array) -> Predictions:
        """Score rows, shape (n, width), float64. Blocks; from any thread; may raise anything."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """A scorer whose run can be ended from outside, as ONNX Runtime's can (`RunOptions.terminate`)."""

    def interrupt(self) -> bool:
        """Make what runs now raise soon; what's started later runs. Never blocks; any thread. False: it can't."""
        ...


@runtime_checkable
class Staged(Protocol):
    """A scorer whose `predict` can be had in two steps: while the second runs, the loop has the GIL to itself."""

    def prepare(self, parts: Sequence[Array], room: Room) -> Any:
        """What `score` takes, of rows in parts (n, width), float64; quick. Good until `room` is used again."""
        ...

    def score(self, prepared: Any) -> Predictions:
        """Score them; as `Scorer.predict`."""
        ...


class Nothing:
    """The scorer where there's none: a deployment whose fallbacks answer for every row (its key is empty)."""

    name, version, width = "", "", 0
    labels: Sequence[str] = ()

    def predict(self, values: Array) -> Predictions:
        """Nothing of each row."""
        return Predictions.none(len(values))


@dataclass(frozen=True, slots=True)
class Smaller:
    """Fall back on another model, by its key in `adopt`'s models; it takes the same features."""

    model: str


@dataclass(frozen=True, slots=True)
class ByRule:
    """Fall back on a rule."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Last:
    """Fall back on the device's last value, unless it's older than this."""

    within_s: float = 3600.0


Step = Smaller | ByRule | Last


@dataclass(frozen=True, slots=True)
class Deployment:
    """Models at work for one purpose.

    serves:   which roles there are, with the models' keys; a key "" = no model, the fallbacks answer
    budget_s: from the readings' arrival to the result, p99
    fallback: tried in this order for each row that the model can't answer in time, or at all
    skipped:  what rows get that are passed over for a newer one of their device
    unusable: what rows get that mustn't be scored
    """

    name: str
    serves: Sequence[tuple[Role, str]]
    budget_s: float = 0.05
    fallback: Sequence[Step] = ()
    skipped: Literal["drop", "fallback"] = "drop"
    unusable: Literal["none", "last"] = "none"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which of the rows offered go to which model. rows: mask or positions, None = all."""

    deployment: str
    role: Role
    model: str
    rows: Array | None = None


def zeros(n: int, width: int) -> Array:
    """Rows to warm a model up with."""
    return np.zeros((n, width))
