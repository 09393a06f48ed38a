"""What an operator may turn about the journal."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from holdfast.journal.opening import KeySettings
from holdfast.kernel.scalars import Duration, Size
from holdfast.model.lane import Lane

Share = Annotated[float, Meta(gt=0, le=1)]
WhenFull = Literal["shed", "summarise", "refuse"]


class LevelSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of the quota at which more and more must go; ascending."""

    yellow: Share = 0.7
    """Drop what the parent safely holds; summarise bulk where asked."""
    orange: Share = 0.85
    """Drop what the parent holds at all; shed bulk."""
    red: Share = 0.95
    """Shed normal rows, too."""


class LaneSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What may become of a lane's rows."""

    max_age: Duration = 0.0
    """Rows older than this go, delivered or not (then as a gap with reason `age`); 0 = never for their age."""
    when_full: WhenFull = "shed"
    """Oldest rows go; bulk may be summarised first; or nothing goes and new data is refused."""
    step: Duration = 60.0
    """Length of a summary's steps."""


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`journal:` in node.yaml."""

    quota: Size = 2_000_000_000
    """Bytes the database file may take; see `levels`."""
    levels: LevelSettings = field(default_factory=LevelSettings)
    normal: LaneSettings = field(default_factory=LaneSettings)
    bulk: LaneSettings = field(default_factory=LaneSettings)
    stay: LaneSettings = field(default_factory=LaneSettings)
    """Rows that a residency rule keeps at the site or in its region; they're never summarised."""
    quarantine_rows: int = 100_000
    """Rejected messages kept with their raw bytes; beyond it the oldest go, counted as quarantine_dropped."""
    ballast: Size = 20_000_000
    """Bytes of disk kept in reserve beside the journal, given up when the disk is full: a full WAL fits in."""
    scrub: Size = 4_000_000
    """Bytes a second of stored groups that are read again and verified, within 3 % of a core; 0 = never."""
    key: KeySettings | None = None
    """Encrypts and authenticates every page (ChaCha20-Poly1305); absent = plain."""
    dedupe_keys: int = 262_144
    """Message ids remembered against duplicates (16 to 32 bytes each in memory); beyond it the oldest are forgotten."""

    @property
    def keys_kept(self) -> int:
        """Message ids kept in the file: at most an eighth of a small quota, which nothing else could take back."""
        return max(1, min(self.dedupe_keys, self.quota // (8 * 8)))

    def lane(self, lane: Lane) -> LaneSettings:
        """The settings of a lane; critical rows are never shed, whatever happens."""
        if lane is Lane.CRITICAL:
            return LaneSettings(when_full="refuse")
        if lane.is_secret:
            return self.stay
        return self.normal if lane is Lane.NORMAL else self.bulk
