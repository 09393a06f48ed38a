"""What serving tells the log and the metrics."""

from typing import ClassVar

from holdfast.telemetry.happenings import Happening, Level


class ModelStuck(Happening, frozen=True):
    """A run of a model didn't return: its thread is given up, and its deployments have their fallbacks."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "models_stuck"
    model: str
    version: str
    waited_s: float
    again_in_s: float
    threads_lost: int


class ModelBroken(Happening, frozen=True):
    """A model raised too often, or in its warm-up: its deployments have their fallbacks."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "models_broken"
    model: str
    version: str
    error: str
    again_in_s: float


class ModelRecovered(Happening, frozen=True):
    """A model that was stuck or broken runs again."""

    model: str
    version: str


class DeploymentFellBack(Happening, frozen=True):
    """A deployment's model can't keep its latency budget: its fallback answers until it can."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "deployments_fell_back"
    deployment: str
    model: str
    version: str
    budget_ms: float
    p99_ms: float


class DeploymentCameBack(Happening, frozen=True):
    """A deployment's model keeps its budget again."""

    deployment: str
    model: str
    version: str


class ResultsUntold(Happening, frozen=True):
    """Results couldn't be handed over: the node's own fault, to be reported."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "model_results_untold"
    deployment: str
    error: str
