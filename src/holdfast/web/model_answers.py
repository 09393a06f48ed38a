"""What the API says of models at work: a deployment's life (`inference.lifecycle.status`), and how its models run.

A deployment is a place in node.yaml (`models: deploy:`); a version is a model that has to do with it, by its `ref`
(`pump-anomaly@2.0.0`). Times are ns UTC, 0 = not (yet); shares are 0 to 1. Append only.
"""

from typing import Any, Literal

from msgspec import Struct, field

from holdfast.inference.lifecycle.drift.shapes import Shape
from holdfast.inference.lifecycle.states import Do
from holdfast.inference.lifecycle.status import DeploymentRow, DeploymentStatus
from holdfast.inference.serving.images.status import ImageStatus

Health = Literal["starting", "ok", "pressed", "fallback", "stuck", "broken", "off", "waiting"]
"""waiting: its model isn't on the node yet; pressed: late or skipping to keep its budget; fallback: something else
answers; stuck: a run doesn't return."""
DriftState = Literal["ok", "drifting", "unknown"]
Deed = Literal["load", "shadow", "canary", "promote", "rollback", "retire", "relearn"]


class ModelRow(DeploymentRow, frozen=True, kw_only=True):
    """One deployment as it is now. Of `DeploymentRow`: `active` is a ref, empty = none; `canaries` have their percent.

    words:    why the health isn't `ok`; of one that is, what else is to be known, as that its features are dear
    budget_ms: from a reading's arrival to the published result, for 99 of 100; None = none is set
    p50_ms, p99_ms: of the last minute; None = nothing was scored in it
    fallback_share: of the active version's results of the last ten minutes those that something else gave
    devices:  that have had a result; rule: whose alerts `open_alerts` are, empty = none is set
    """

    task: str
    health: Health
    words: str = ""
    budget_ms: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    rows_per_s: float = 0.0
    devices: int = 0
    fallback_share: float = 0.0
    drift: DriftState = "unknown"
    drift_words: str = ""
    rule: str = ""
    open_alerts: int = 0


class LoadedModel(Struct, frozen=True):
    """A model in memory. pinned: a version at work needs it, so that it doesn't give way."""

    ref: str
    bytes: int
    pinned: bool
    used_ns: int


class ModelCache(Struct, frozen=True):
    """Loaded models. hits, misses, evictions: since the node started."""

    used_bytes: int
    allowed_bytes: int
    hits: int
    misses: int
    evictions: int
    loaded: list[LoadedModel] = []


class ModelList(Struct, frozen=True):
    """Every deployment by name. cache: null where node.yaml has no `models`."""

    deployments: list[ModelRow] = []
    cache: ModelCache | None = None


class ModelCard(Struct, frozen=True):
    """The active version's card, as its author wrote it, and what was found when it was loaded.

    inputs: in words, as `60, 8 float32`; digest: SHA-256 of the model's file; bytes: of the file
    memory_bytes, provider: as measured and used; 0 and empty = it isn't loaded
    """

    ref: str
    description: str
    task: str
    runtime: str
    provider: str
    inputs: str
    labels: list[str]
    threshold: float | None
    metrics: dict[str, Any]
    trained: dict[str, Any]
    licence: str
    digest: str
    bytes: int
    memory_bytes: int


class FeatureTold(Struct, frozen=True):
    """One feature. text: how it's computed; width: how many numbers it is."""

    name: str
    text: str
    width: int = 1


class FeatureSetTold(Struct, frozen=True):
    """What the model is given. name: with its hash; source: which devices; missing, quality: what happens to those."""

    name: str
    source: str
    window: str
    missing: str
    quality: str
    features: list[FeatureTold]


class Running(Struct, frozen=True, kw_only=True):
    """How a version runs.

    scored, skipped, errors: rows since the node started; fallbacks: rows by what answered instead
    batch:    rows in a run, now; queue: rows that wait; bytes: of memory
    """

    health: Health = "off"
    p50_ms: float | None = None
    p99_ms: float | None = None
    rows_per_s: float = 0.0
    scored: int = 0
    skipped: int = 0
    errors: int = 0
    last_error: str = ""
    last_error_ns: int = 0
    batch: int = 0
    queue: int = 0
    fallbacks: dict[str, int] = {}
    bytes: int = 0


class Offer(Struct, frozen=True):
    """What may be done with a version now; those in `asks_force` only with `force`, for the reason `caution`."""

    can: list[Do]
    asks_force: list[Do] = []
    caution: str = ""


class LabelCounts(Struct, frozen=True):
    """Labels: of alerts, as people confirmed or rejected them (the last word counts), and given of a time."""

    confirmed: int = 0
    rejected: int = 0
    given: int = 0


class ResultTold(Struct, frozen=True):
    """A result. how: `model`, or what answered instead: `smaller`, `rule`, `last`, `parent`; None = not told."""

    node: str
    device: str
    ts: int
    score: float | None
    label: str
    confidence: float | None
    how: str
    version: str
    ms: float | None = None


class Pace(Struct, frozen=True):
    """How it went over some seconds up to a time."""

    ts: int
    p50_ms: float | None
    p99_ms: float | None
    rows_per_s: float


class ModelDetail(DeploymentStatus, frozen=True, kw_only=True):
    """One deployment: its life, and how it runs.

    card, features: of the active version; null = it isn't there or can't be read
    running:  by ref, of versions that run
    offers:   by ref; the route fills it in
    shapes:   by column of `drift`: `inference.lifecycle.drift.shapes`
    devices:  (node, device) that it says something about, at most 1,000
    trend:    the last while, oldest first, at most 500
    results:  the newest, newest first, at most 200
    former:   the ref that a rollback returns to where there is no canary; empty = none
    pictures: how it goes with them; null = it takes none
    """

    row: ModelRow
    card: ModelCard | None = None
    features: FeatureSetTold | None = None
    running: dict[str, Running]
    offers: dict[str, Offer] = field(default_factory=dict)
    shapes: dict[str, Shape]
    labels: LabelCounts = LabelCounts()
    devices: list[tuple[str, str]]
    trend: list[Pace]
    results: list[ResultTold]
    former: str = ""
    pictures: ImageStatus | None = None
