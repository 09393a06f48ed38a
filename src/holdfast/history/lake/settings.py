"""What an operator may turn about the site's memory."""

from msgspec import Struct

from holdfast.kernel.scalars import Duration, Size

YEAR_S = 365 * 86_400.0


class KeepSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How long readings are kept, and how fine; ages count from the readings' own day. 0 = for ever."""

    series: str = "*"
    """A pattern: node/device/metric or device/metric, `*` for any text. The first rule that matches counts."""
    raw: Duration = 90 * 86_400.0
    """As they came."""
    minutes: Duration = 2 * YEAR_S
    """One row a minute, where that is a twentieth of the readings or fewer."""
    hours: Duration = 10 * YEAR_S
    """One row an hour."""


class HistorySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`history:` in node.yaml."""

    lake: str = "lake"
    """Folder of the Parquet files, under `data`."""
    every: Duration = 600.0
    """Readings become files at least this often; sooner when `rows` wait."""
    rows: int = 500_000
    """Readings taken at once: bounds the memory that it takes."""
    quota: Size = 10_000_000_000
    """Bytes of files on the local disk. At 80 % what is in the cold store leaves; then the oldest becomes coarser."""
    keep: tuple[KeepSettings, ...] = ()
    around_alerts: Duration = 600.0
    """Readings of a device within this time of one of its alerts stay as they came until `hours` is over; 0 = off."""
    settle: Duration = 3 * 3600.0
    """A day is merged into few files this long after its end."""

    def rule(self, pattern: str) -> KeepSettings:
        """The rule that bears this pattern; for one that is no more, what applies to everything."""
        rules = [*self.keep, KeepSettings()]
        by_name = next((rule for rule in rules if rule.series == pattern), None)
        return by_name or next(rule for rule in rules if rule.series == "*")
