"""What a node's models tell the log and the metrics, beside what serving tells."""

from typing import ClassVar

from holdfast.telemetry.happenings import Happening, Level


class ModelAtWork(Happening, frozen=True):
    """A model was loaded for a deployment."""

    deployment: str
    model: str
    version: str
    role: str
    provider: str
    memory_bytes: int
    load_ms: float


class ModelUnusable(Happening, frozen=True):
    """A model can't be loaded: its deployment has its fallbacks, and loading is tried again."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "models_unusable"
    deployment: str
    model: str
    error: str
    hint: str = ""


class ModelsFailed(Happening, frozen=True):
    """The node's own fault, to be reported: models are put to work anew in a minute; readings go on."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "models_failed"
    error: str


class CamerasFailed(Happening, frozen=True):
    """A deployment's pictures can't be taken: it's tried again; readings and other deployments go on."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "cameras_failed"
    deployment: str
    error: str
