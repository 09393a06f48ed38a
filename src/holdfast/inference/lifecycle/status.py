"""What the API, the command line and the page say of deployments. Append only: fields keep name, type and meaning."""

from typing import Literal

from msgspec import Struct

from holdfast.inference.lifecycle.comparing import ComparisonStatus
from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.inference.lifecycle.judging import ArmStatus
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.states import Act

Phase = Literal["laying bins", "learning", "watching", "settled"]


class VersionStatus(Struct, frozen=True):
    """A version. share: percent of the devices; verdict: against the active one, empty = it's not compared."""

    ref: str
    state: str
    since_ns: int
    share: float
    shadowed: bool
    mark: str
    verdict: str
    words: str


class ColumnStatus(Struct, frozen=True):
    """One feature (or `prediction`, `label`) of the deployment as a whole.

    psi, ks: over the long window; limits beside them, None = not known yet; psi_short, ks_short: over the short one
    spark:   PSI over the long window by short window, oldest first, None = not judged
    devices: how many of those watched one by one are alarmed for it; worst: the one farthest beyond
    """

    name: str
    kind: Literal["input", "prediction"]
    phase: Phase
    psi: float | None
    psi_limit: float | None
    ks: float | None
    ks_limit: float | None
    psi_short: float | None
    ks_short: float | None
    alarmed: bool
    spark: list[float | None]
    devices: int
    worst: str = ""


class DriftStatus(Struct, frozen=True):
    """All that is watched. late: rows that came after their window; unwatched: devices beyond those watched singly.

    rows, bad, filled, uncertain: of the last season; error: against labels lately, None = nobody gave any
    """

    columns: list[ColumnStatus]
    devices: int
    unwatched: int
    late: int
    rows: int
    bad: int
    filled: int
    uncertain: int
    labelled: int
    error: float | None
    error_usual: float | None
    error_alarmed: bool
    bytes: int
    window_s: float = 3_600.0
    season_s: float = 86_400.0


class DeploymentStatus(Struct, frozen=True):
    """One deployment. fallen: its chain of fallbacks answers; hold_ns: nothing is done by itself before then."""

    name: str
    active: str
    fallen: bool
    hold_ns: int
    versions: list[VersionStatus]
    alarms: list[Finding]
    history: list[Act]
    drift: DriftStatus
    comparisons: list[ComparisonStatus]
    split: list[ArmStatus]
    classes: list[str] = []


class DeploymentRow(Struct, frozen=True):
    """One deployment in a list."""

    name: str
    active: str
    fallen: bool
    shadows: list[str]
    canaries: dict[str, float]
    alarms: int
    labelled: int


class ModelList(Struct, frozen=True):
    """Every deployment, by name."""

    deployments: list[DeploymentRow]


class ActBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is wanted of a deployment. version: `name@version`; by: where nobody logs in; percent: of a canary."""

    version: str = ""
    percent: float = 0.0
    why: str = ""
    by: str = ""
    force: bool = False


class ActDone(Struct, frozen=True):
    """What was done: the new lines of its history, and who acts now."""

    deployment: str
    active: str
    done: list[Act]
    versions: list[VersionStatus]


class LabelBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A label. start, end: times, as in -1h or 2026-05-01T12:00Z; end empty = the same as start."""

    device: str
    label: str
    start: str
    end: str = ""
    node: str = ""
    comment: str = ""
    by: str = ""


class LabelList(Struct, frozen=True):
    """Labels, newest first. more: the id to ask on below, 0 = that's all."""

    labels: list[Label]
    more: int = 0
