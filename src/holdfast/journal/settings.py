"""What an operator may turn about the journal."""

from msgspec import Struct

from holdfast.kernel.scalars import Size


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`journal:` in node.yaml."""

    quota: Size = 2_000_000_000
    """Bytes the database file may take. At `drop_delivered_at` of it, what the parent holds is dropped first."""
    drop_delivered_at: float = 0.7
    quarantine_rows: int = 100_000
    """Rejected messages kept with their raw bytes; beyond it the oldest go, counted as quarantine_dropped."""
    dedupe_keys: int = 262_144
    """Message ids remembered against duplicates (16 to 32 bytes each in memory); beyond it the oldest are forgotten."""
