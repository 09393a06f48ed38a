"""The port of plant models."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

from holdfast.sim.ends.port import PointPlan


class Plant(Protocol):
    """All devices of a group. Made by `Model(params, devices, chance)`, in the state at the scenario's start."""

    POINTS: ClassVar[Mapping[str, PointPlan]]
    """What it yields, in this order."""
    LONGEST_S: ClassVar[float]
    """Longest step that keeps it true to its equations; whoever steps it divides longer ones."""

    def step(self, at_s: float, dt_s: float) -> None:
        """Let `dt_s` seconds pass, up to `at_s` (seconds since 1970, UTC)."""
        ...

    def values(self) -> dict[str, NDArray[Any]]:
        """By point, one value a device, rounded as instruments do; whole numbers, flags and texts have their dtypes."""
        ...
