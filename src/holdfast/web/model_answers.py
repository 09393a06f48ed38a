"""What the API says of models at work, and what it takes. Times are ns UTC, 0 = not (yet); shares are 0 to 1.

A deployment is a place in node.yaml (`models: deploy:`); a version is a model at work there, by its `ref`
(`pump-anomaly@2.0.0`). `Transition` and `Comparison` have the fields that a deployment's life has them with.
"""

from typing import Any, Literal

from msgspec import Struct, field

ModelState = Literal["starting", "ok", "pressed", "fallback", "stuck", "broken", "off"]
"""pressed: late or skipping to keep its budget; fallback: something else answers; stuck: a run doesn't return."""
DriftState = Literal["ok", "drifting", "unknown"]
RoleTold = Literal["candidate", "shadow", "canary", "active", "retired"]
Deed = Literal["load", "shadow", "canary", "promote", "rollback", "retire"]
Verdict = Literal["better", "worse", "no difference shown", "too few rows"]


class ModelRow(Struct, frozen=True):
    """One deployment as it is now.

    model, version: the active one's, empty = none is active
    words:    why the state isn't `ok`
    budget_ms: from a reading's arrival to the published result, for 99 of 100; None = none is set
    p50_ms, p99_ms: of the last minute; None = nothing was scored in it
    fallback_share: of the results of the last minute those that something else than the model gave
    devices:  that have had a result; rule: whose alerts `open_alerts` are, empty = none is set
    shadows, canaries: refs of the versions that run beside the active one
    """

    deployment: str
    task: str
    model: str
    version: str
    state: ModelState
    words: str
    budget_ms: float | None
    p50_ms: float | None
    p99_ms: float | None
    rows_per_s: float
    devices: int
    fallback_share: float
    drift: DriftState
    drift_words: str
    rule: str
    open_alerts: int
    shadows: list[str] = []
    canaries: list[str] = []


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

    models: list[ModelRow] = []
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


class ModelVersion(Struct, frozen=True):
    """A version of a deployment.

    percent:  of the devices it answers for; mark: why it needs force to act again
    can:      what may be done with it now; those in `asks_force` only with `force`, for the reason `caution`
    scored, skipped, errors: rows since the node started; fallbacks: rows by what answered instead
    batch:    rows in a run, now; queue: rows that wait
    """

    ref: str
    model: str
    version: str
    role: RoleTold
    since_ns: int
    percent: float = 0.0
    state: ModelState = "off"
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
    mark: str = ""
    can: list[Deed] = []
    asks_force: list[Deed] = []
    caution: str = ""


class Drift(Struct, frozen=True):
    """One thing that is watched: a feature, or what `kind` says.

    psi, ks:  now against then; None = there aren't enough rows; limit, ks_limit: above them it's drifting
    trend:    (ts, psi), oldest first, at most 500
    edges:    of the histogram's bins; then, now: shares of rows between each two edges, or with one more share below
              the first edge and one above the last
    device:   empty = all of the deployment together
    """

    name: str
    kind: Literal["feature", "prediction", "quality", "error"]
    state: DriftState
    psi: float | None
    ks: float | None
    limit: float
    ks_limit: float | None
    since_ns: int
    rows: int
    words: str = ""
    device: str = ""
    trend: list[tuple[int, float]] = []
    edges: list[float] = []
    then: list[float] = []
    now: list[float] = []


class DifferenceTold(Struct, frozen=True):
    """How two versions differ in something, with the interval that holds at every look. low, high: None = open."""

    verdict: Verdict
    words: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


class DeviceAgreement(Struct, frozen=True):
    """A device on which two versions agree least."""

    node: str
    device: str
    rows: int
    agreement: float


class Comparison(Struct, frozen=True):
    """A shadow or canary beside the acting version, on the same rows.

    agreement:  share of rows with the same class; None = it tells no classes
    confusion:  rows by [class of the acting one][class of this one]; `labels` names them, the last may be `none`
    quantiles:  of this one's score less the other's: (share, value)
    error_new, error_old: against labels, None = no row is labelled
    latency_ms: p50 and p99 of this one, then of the other; empty = unknown
    worst:      devices on which they agree least
    lost:       rows that one of them never answered
    """

    version: str
    against: str
    rows: int
    agreement: float | None
    labels: list[str]
    confusion: list[list[int]]
    quantiles: list[tuple[float, float]]
    labelled: int
    error_new: float | None
    error_old: float | None
    error: DifferenceTold | None
    failures: DifferenceTold | None
    latency_ms: list[float]
    worst: list[DeviceAgreement]
    verdict: Verdict
    words: str
    lost: int = 0
    since_ns: int = 0


class Transition(Struct, frozen=True):
    """Something that was done. by: `holdfast` = by itself; before, after: of the version, empty = it wasn't there."""

    at_ns: int
    by: str
    do: str
    version: str
    before: str
    after: str
    percent: float = 0.0
    why: str = ""
    forced: bool = False


class LabelCounts(Struct, frozen=True):
    """What people said: of alerts, and of times of a device."""

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


class ModelDetail(Struct, frozen=True):
    """One deployment.

    card, features: of the active version; null = it isn't there or can't be read
    rollback: what a rollback would do, in words; empty = there is nothing to go back to
    devices:  (node, device) that it says something about, at most 1,000
    trend:    the last while, oldest first, at most 500
    results:  the newest, newest first, at most 200
    """

    row: ModelRow
    card: ModelCard | None
    features: FeatureSetTold | None
    versions: list[ModelVersion]
    drift: list[Drift]
    comparisons: list[Comparison]
    history: list[Transition]
    labels: LabelCounts
    devices: list[tuple[str, str]]
    trend: list[Pace]
    results: list[ResultTold]
    rollback: str = ""


class ModelWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be done, and why. model: `name@version`; of a rollback empty = to whatever was before.

    percent: of a canary; force: do it although `caution` speaks against it; by: where nobody logs in
    """

    model: str = ""
    percent: float | None = None
    why: str = ""
    force: bool = False
    by: str = ""


class ModelChanged(Struct, frozen=True):
    """What was done, in words, and the versions after it."""

    deployment: str
    words: str
    versions: list[ModelVersion]


class TruthWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What a device was in a time. label: one of the model's labels, or a number where it tells numbers."""

    device: str
    label: str
    start: str = field(name="from")
    end: str = field(default="now", name="to")
    why: str = ""
    node: str = ""
    by: str = ""


class Truth(Struct, frozen=True):
    """As it's to be kept. node: empty = this one."""

    node: str
    device: str
    from_ns: int
    to_ns: int
    label: str
    why: str
    by: str


class TruthRow(Struct, frozen=True):
    """What somebody said of a device. alert: the alert that was confirmed or rejected, 0 = it was about a time."""

    id: int
    node: str
    device: str
    from_ns: int
    to_ns: int
    label: str
    by: str
    why: str
    at_ns: int
    alert: int = 0
