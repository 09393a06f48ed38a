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


class JournalRelieved(Happening, frozen=True):
    """Rows made room: dropped ones are at the parent, shed ones are gone and counted."""

    level = Level.WARNING
    metric = "journal_reliefs"
    dropped_rows: int
    shed_rows: int
    used_bytes: int


class JournalLevelChanged(Happening, frozen=True):
    """Space in the journal got scarcer or plentier (docs/concepts.md)."""

    metric = "journal_level_changes"
    now: Literal["green", "yellow", "orange", "red"]


class JournalDamageFound(Happening, frozen=True):
    """What the disk gave back was not what was written; the rows are a gap now, or lost with the WAL."""

    level = Level.ERROR
    metric = "journal_damages"
    detail: str
    rows: int


class JournalRescued(Happening, frozen=True):
    """A sync had failed before: the file was copied to fresh blocks before it was believed."""

    level = Level.WARNING
    metric = "journal_rescues"


class JournalRekeyed(Happening, frozen=True):
    """The file was rewritten under the key that the settings name."""

    metric = "journal_rekeys"


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


class BackupMade(Happening, frozen=True):
    """The journal was copied; children may forget what is in the copy.

    left_out: small files beside it for which there was no room, the oldest of the rules' histories
    """

    metric = "backups"
    file: str
    bytes: int
    seconds: float
    left_out: int = 0


class BackupFailed(Happening, frozen=True):
    """The journal could not be copied. Children keep their rows meanwhile."""

    level = Level.ERROR
    metric = "backup_failures"
    detail: str


class JournalWalLarge(Happening, frozen=True):
    """The write-ahead log is over twice its bound: a reader (a long query, a scan, a backup) holds a snapshot."""

    level = Level.WARNING
    metric = "journal_wal_alarms"
    wal_bytes: int


class ParentAsked(Happening, frozen=True):
    """The parent was asked for readings that this node has let go. Quiet: somebody may ask often."""

    level = Level.DEBUG
    metric = "parent_questions"
    outcome: Literal["answered", "unanswered"]
    note: str


class RulesChanged(Happening, frozen=True):
    """Edited rules are in force. What an edit left alone goes on; `ended`: alerts that ended because of it."""

    metric = "rules_changes"
    unchanged: int
    kept: int
    new_window: int
    new_alarm: int
    emptied: int
    new: int
    removed: int
    ended: int
    detail: str


class RuleEdited(Happening, frozen=True):
    """Somebody changed a rule through the API."""

    metric = "rule_edits"
    rule: str
    did: Literal["made", "changed", "switched on", "switched off", "removed", "undone"]
    by: str


class RulesRefused(Happening, frozen=True):
    """Edited rules can't be used, none of them; the former ones stay in force."""

    level = Level.ERROR
    metric = "rules_refusals"
    problems: int
    detail: str
