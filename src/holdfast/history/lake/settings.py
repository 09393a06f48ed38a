"""What an operator may turn about the site's memory."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from holdfast.journal.pieces import STAYS
from holdfast.kernel.scalars import Duration, Hours, Percent, Rate, Size, Zone

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


class S3Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """A bucket that speaks S3; needs the extra `s3`."""

    bucket: str
    endpoint: str = ""
    """https://host:port of a store of your own; empty = AWS."""
    region: str = "us-east-1"
    key_file: str = ""
    """An AWS credentials file, chmod 600; empty = AWS_… in the environment, or the machine's role."""


class ColdSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where finished days go before the local disk is full. One of `folder` and `s3`."""

    folder: str = ""
    """A folder that is there, as on a mounted NAS."""
    s3: S3Settings | None = None
    prefix: str | None = None
    """Path inside it, so that nodes can share it; absent = the node's name."""
    after: Duration = 0.0
    """A day goes this long after its end at the earliest."""
    when: Percent | None = None
    """Files go once they take this share of `history.quota` here; absent (and no `at`) = as soon as they may."""
    at: Hours | None = None
    """Files go in these hours, however much room there is."""
    timezone: Zone = "UTC"
    rate: Rate = 0.0
    """Bits a second sent at most; 0 = as fast as it goes."""
    timeout: Duration = 10.0
    """For one request; a store that doesn't answer is left alone for 15 s."""
    cache: Size = 8_000_000
    """Bytes of memory for parts of files that were read from there."""

    def __post_init__(self) -> None:
        """Refuse what names no store, or two."""
        if bool(self.folder) == (self.s3 is not None):
            msg = "`cold` needs either `folder` or `s3`"
            raise ValueError(msg)

    def resolved(self, node: str, path: Callable[[str], Path]) -> "ColdSettings":
        """With absolute paths and its prefix. path: makes a path of node.yaml absolute."""
        s3, prefix = self.s3, node if self.prefix is None else self.prefix.strip("/")
        if s3 is not None and s3.key_file:
            s3 = replace(s3, key_file=str(path(s3.key_file)))
        return replace(self, folder=str(path(self.folder)) if self.folder else "", s3=s3, prefix=prefix)


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
    cold: ColdSettings | None = None
    scrub: Size = 4_000_000
    """Bytes a second of files that are read again and verified; 0 = never."""

    def rule(self, pattern: str) -> KeepSettings:
        """The rule that bears this pattern; for one that is no more, what applies to everything."""
        pattern = pattern.removesuffix(STAYS)
        rules = [*self.keep, KeepSettings()]
        by_name = next((rule for rule in rules if rule.series == pattern), None)
        return by_name or next(rule for rule in rules if rule.series == "*")
