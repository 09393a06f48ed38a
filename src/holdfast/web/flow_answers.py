"""What the API tells of the way to the parent and of the room that rows take. Append only."""

from msgspec import Struct


class LaneFlow(Struct, frozen=True):
    """A lane on its way up. oldest_s: age of the oldest row that waits, by its own time; 0 = none waits.

    batch_rows: rows of the next batch; is_flying: one is under way; gone: rows by why they are gone
    """

    lane: int
    waits: int
    oldest_s: float
    committed: int
    delivered: int
    kept: int
    gone: dict[str, int]
    residual: int
    batch_rows: int = 0
    is_flying: bool = False


class ChildFlow(Struct, frozen=True):
    """A child. heard_ns: when it was heard last since the start, ns UTC, 0 = not yet.

    rows: taken from it; gap_rows: lost or shed there; unseen: it has and this node doesn't, as it said last
    suspect: two machines sync under its name; residual: must be 0
    """

    name: str
    heard_ns: int
    rows: int = 0
    gap_rows: int = 0
    unseen: int = 0
    suspect: bool = False
    residual: int = 0


class Flow(Struct, frozen=True):
    """How rows flow. breaker: `closed`, `open`, `half_open`; empty = there's no parent.

    quiet_for_s: what is left of a pause; credits: batches of lanes 1 and 2 that the parent takes at once
    down_s: for how long the parent hasn't answered, 0 = it does; rows_sent, batches_sent, failures: since the start
    """

    lanes: list[LaneFlow]
    children: list[ChildFlow]
    breaker: str = ""
    quiet_for_s: float = 0.0
    credits: int = 0
    down_s: float = 0.0
    rows_sent: int = 0
    batches_sent: int = 0
    failures: int = 0
    balanced: bool = True


class LaneRoom(Struct, frozen=True):
    """A lane in the journal. rows: in it; oldest_ns: of its first group, ns UTC, 0 = there's none.

    max_age_s: rows older than this go, 0 = never for their age; when_full: `shed`, `summarise` or `refuse`
    dropped: rows that went after the parent had them
    """

    lane: int
    rows: int
    oldest_ns: int
    max_age_s: float
    when_full: str
    dropped: int


class BackupRoom(Struct, frozen=True):
    """Backups. newest_ns: 0 = there's none."""

    newest_ns: int
    every_s: float
    files: int
    bytes: int


class Room(Struct, frozen=True):
    """The room that rows take. used_bytes: counts against the quota; levels: bytes at which each begins.

    disk_free_bytes, disk_bytes: of the file system that the journal lies on
    has_history: `/api/v1/history` tells of files
    """

    used_bytes: int
    quota_bytes: int
    file_bytes: int
    wal_bytes: int
    level: str
    levels: dict[str, int]
    condition: str
    disk_free_bytes: int
    disk_bytes: int
    lanes: list[LaneRoom]
    backup: BackupRoom | None = None
    has_history: bool = False
