"""What the hybrid part tells the log and the metrics."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class HybridAlone(Happening, frozen=True):
    """Nobody above answers a deployment's questions: local results stand, uncertain ones too, until somebody does."""

    level = Level.WARNING
    metric = "hybrid_alone"
    deployment: str
    detail: str


class HybridHeard(Happening, frozen=True):
    """Somebody above answers a deployment's questions again."""

    deployment: str


class HybridUnanswerable(Happening, frozen=True):
    """A node below asked what can't be answered here. Quiet in the log: it goes on asking."""

    level = Level.DEBUG
    metric = "hybrid_unanswerable"
    why: Literal["malformed", "expired", "busy", "no_model", "failed", "unreachable"]
    child: str
    detail: str
