"""What the API says of sites. Append only: fields keep name, type and meaning."""

import msgspec
from msgspec import Struct


class LaneLag(Struct, frozen=True):
    """What waits at a site for its parent: rows of a lane, and how old the oldest is, s."""

    lane: int
    rows: int
    seconds: int


class SiteRow(Struct, frozen=True):
    """A node below, and the place it stands at. Times in ns UTC, 0 = never.

    via:       nodes between this one and it, from the top; empty = a child
    site:      what people call the place, or the node's name
    state:     `online`, `late`, `silent`, `never`; `unknown` = the node above it isn't heard
    heard_ns:  when it was last heard, by this node or by the one above it
    told_ns:   when it last told how it is: what follows is as of then
    reachable: can it be asked now? looks: does it show its pages through this node?
    lag, pace, kbps, clock, level, condition, disk_percent, rate, trouble: as it told of itself
    alerts:    open ones that have come here, by severity; devices: told of here, by state
    """

    node: str
    via: list[str]
    site: str
    latitude: float | None = None
    longitude: float | None = None
    zone: str = ""
    note: str = ""
    version: str = ""
    started_ns: int = 0
    state: str = "never"
    heard_ns: int = 0
    told_ns: int = 0
    reachable: bool = False
    looks: bool = False
    lag: list[LaneLag] = []
    pace: str = ""
    kbps: int = 0
    clock: str = ""
    level: str = ""
    condition: str = ""
    disk_percent: int = 0
    rate: float = 0.0
    trouble: list[str] = []
    alerts: dict[str, int] = {}
    devices: dict[str, int] = {}
    acts: bool = False
    """Does it take what people do about its alerts here?"""


class SiteList(Struct, frozen=True):
    """Sites by node. here: this node itself; total: how many match."""

    now_ns: int
    total: int
    here: SiteRow
    sites: list[SiteRow]


class SiteAway(Struct, frozen=True):
    """A site that can't be looked at now. held: what this node itself would say to that question; null = nothing."""

    error: str
    hint: str
    site: SiteRow
    age_s: float | None
    held: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
