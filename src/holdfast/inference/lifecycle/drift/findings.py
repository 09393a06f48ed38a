"""What monitors find, for people: like an event, with the numbers behind it."""

from typing import Literal

from msgspec import Struct

from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Severity

Kind = Literal[
    "drift", "prediction-drift", "error-drift", "data-quality", "fallback", "fallback-over", "canary-aborted"
]


class Finding(Struct, frozen=True, kw_only=True):
    """Something about a deployment that an operator would want to know.

    node, device: empty = the deployment as a whole; feature: empty = it's about none
    statistic:    what was measured, as in `PSI over 24 h`; limit: that it passed
    since_ns:     begin of the first window in which it was so; at_ns: end of the one that decided
    state:        `raised`, or `cleared`: then it's over
    """

    kind: Kind
    deployment: str
    version: str = ""
    node: str = ""
    device: str = ""
    feature: str = ""
    statistic: str = ""
    value: float = 0.0
    limit: float = 0.0
    since_ns: int = 0
    at_ns: int = 0
    state: Literal["raised", "cleared"] = "raised"
    severity: Severity = "warning"
    message: str = ""

    @property
    def about(self) -> tuple[str, str, str, str]:
        """What it's about: while one is raised, another about the same isn't."""
        return self.kind, self.node, self.device, self.feature


def span_of(seconds: float) -> str:
    """A window's length in words."""
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= size and seconds % size == 0 and not (unit == "d" and seconds == size):
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"


def hours(ns: int) -> str:
    """A duration in words."""
    seconds = ns / NS_PER_S
    return f"{seconds / 3600:.3g} h" if seconds >= 3600 else f"{seconds / 60:.3g} min"
