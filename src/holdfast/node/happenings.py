"""What a node says about itself."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class NodeStarted(Happening, frozen=True):
    """The node is ready."""

    metric = "node_starts"
    node: str
    incarnation: str
    mqtt: str
    api: str
    replayed_rows: int


class NodeStopping(Happening, frozen=True):
    """The node drains before it ends."""

    reason: str


class NodeStopped(Happening, frozen=True):
    """The node has ended."""

    drained: bool


class JournalConditionChanged(Happening, frozen=True):
    """The journal became full, poisoned or well again."""

    level = Level.WARNING
    metric = "journal_condition_changes"
    condition: Literal["ok", "full", "poisoned", "closed"]
    detail: str
    hint: str


class JournalDeliveredDropped(Happening, frozen=True):
    """Rows that the parent holds made room for new ones."""

    metric = "journal_delivered_drops"
    rows: int
    used_bytes: int


class ClockStepped(Happening, frozen=True):
    """Somebody set the wall clock."""

    level = Level.WARNING
    metric = "clock_steps"
    step_s: float
    was: Literal["trusted", "free-running", "unset"]
    trust: Literal["trusted", "free-running", "unset"]


class ClockRestamped(Happening, frozen=True):
    """Rows were moved to the right time."""

    metric = "clock_restamps"
    rows: int
    left_alone: str
