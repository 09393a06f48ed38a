"""What the API answers with. Append only: fields keep name, type and meaning."""

from msgspec import Struct

from holdfast.history.answers import Value
from holdfast.intake.replay import Verdict


class BudgetStatus(Struct, frozen=True):
    """What the link has cost since the UTC day's and month's begin. left: bytes, null = unbound; cost: your money."""

    day_bytes: int
    month_bytes: int
    critical_bytes: int
    day_left: int | None
    month_left: int | None
    day_cost: float
    month_cost: float


class LinkStatus(Struct, frozen=True):
    """The way to the parent. state: `up` or `down`; detail: why, in plain words.

    pace:        `wide`, `narrow` or `trickle`: how much is sent at once, by what was measured
    goodput_bps: bits per second, null until measured; rtt_s: of small calls
    window_in_s: seconds until bulk may be sent by budget and hours; 0 = now
    """

    state: str
    url: str
    detail: str = ""
    sent_bytes: int = 0
    received_bytes: int = 0
    pace: str = "wide"
    goodput_bps: float | None = None
    rtt_s: float | None = None
    window_in_s: float = 0.0
    budget: BudgetStatus | None = None


class JournalStatus(Struct, frozen=True):
    """The journal. condition: `ok`, `full`, `poisoned` or `closed`; level: how scarce space is, `green` to `red`.

    bytes: of the files on disk, WAL and free pages included; used_bytes: what counts against the quota
    """

    condition: str
    bytes: int
    quota_bytes: int
    heads: list[int]
    level: str = "green"
    used_bytes: int = 0


class DocumentsStatus(Struct, frozen=True):
    """Shared documents. bytes: stored for them.

    link:    `up`, `down`, or `none`: there is no parent to exchange any with; detail: why it's down
    waiting: documents with edits that the parent doesn't have yet; stuck: why one can't be exchanged, by name
    """

    count: int
    bytes: int
    link: str = "none"
    detail: str = ""
    waiting: int = 0
    stuck: dict[str, str] = {}


class BrokerStatus(Struct, frozen=True):
    """A foreign broker that this node subscribes to. state: `up` or `down`; detail: why, or what it granted less.

    unsettled: messages that wait for their commit, and so for their acknowledgement
    """

    name: str
    url: str
    state: str
    detail: str = ""
    received: int = 0
    unsettled: int = 0


class RouteStatus(Struct, frozen=True):
    """What leaves for a foreign broker. state: `up` or `down`; detail: why. delivered, in_flight: messages.

    lag_rows, lag_s: rows that wait, and the age of the oldest of them by its own time
    missed:          rows that the journal let go before they were delivered; left_out: messages that were too large
    """

    name: str
    url: str
    state: str
    detail: str = ""
    delivered: int = 0
    in_flight: int = 0
    lag_rows: int = 0
    lag_s: float = 0.0
    missed: int = 0
    left_out: int = 0


class RulesStatus(Struct, frozen=True):
    """The rules at work. throttled: their names; problems: why the files as they are now aren't in force.

    off: the names of those that are switched off, or read from such a one
    """

    rules: int
    raised: int
    throttled: list[str]
    problems: list[str]
    off: list[str] = []


class Status(Struct, frozen=True):
    """A node at a glance. backlog: rows of each lane that wait for the parent; empty without a parent."""

    node: str
    version: str
    incarnation: str
    started_ns: int
    now_ns: int
    uptime_s: float
    link: LinkStatus | None
    backlog: list[int]
    journal: JournalStatus
    series: int
    children: list[str]
    counters: dict[str, int]
    documents: DocumentsStatus | None = None
    brokers: list[BrokerStatus] = []
    routes: list[RouteStatus] = []
    rules: RulesStatus | None = None


class ClockStep(Struct, frozen=True):
    """The wall clock was set. before_ns: what it would have said. rows: moved to the right time, by lane."""

    was: str
    trust: str
    step_s: float
    before_ns: int
    after_ns: int
    rows: dict[str, int]
    left_alone: dict[str, str]


class ClockSkew(Struct, frozen=True):
    """A device's clock against the node's: positive = it is ahead. messages: looked at since the start."""

    node: str
    device: str
    skew_s: float
    messages: int


class ClockStatus(Struct, frozen=True):
    """The wall clock. trust: `trusted`, `free-running` or `unset`; synchronised: what the kernel says, null = nothing.

    floor_ns: an earlier time is no time; holds_sync: rows stay here until the clock is set
    estimated: devices that tell a time; devices: those farthest from our clock, farthest first
    """

    trust: str
    synchronised: bool | None
    now_ns: int
    boot_id: str
    floor_ns: int
    holds_sync: bool
    steps: int
    last_step: ClockStep | None
    estimated: int
    devices: list[ClockSkew]


class SeriesRow(Struct, frozen=True, gc=False):
    """A series and its newest reading since the node started; ts None = none yet. rows: how many since then."""

    name: str
    node: str
    device: str
    metric: str
    unit: str
    kind: str
    ts: int | None = None
    value: Value = None
    quality: str | None = None
    reason: str | None = None
    rows: int = 0


class SeriesList(Struct, frozen=True):
    """One page of series, by name. total: how many match."""

    total: int
    series: list[SeriesRow]


class LastRow(Struct, frozen=True, gc=False):
    """A series' newest reading at or before the asked time; ts None = there is none.

    tier: where it was found: memory, journal, warm, cold
    """

    series: str
    unit: str
    kind: str
    ts: int | None = None
    value: Value = None
    quality: str | None = None
    reason: str | None = None
    tier: str = ""


class LastList(Struct, frozen=True):
    """Newest readings by name of the series. total: how many match."""

    as_of_ns: int
    total: int
    series: list[LastRow]


class QuarantinedMessage(Struct, frozen=True):
    """A message that could not become readings. payload: the raw bytes, base64."""

    id: int
    received_ns: int
    source: str
    topic: str
    reason: str
    detail: str
    payload: bytes


class QuarantinedDetail(Struct, frozen=True):
    """One refused message, and what the profiles that this node has loaded say about it."""

    message: QuarantinedMessage
    verdict: Verdict


class ReplayRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Which refused messages to decode again; an empty field means all of them. since_ns: received since, ns UTC."""

    ids: tuple[int, ...] = ()
    reason: str = ""
    source: str = ""
    topic: str = ""
    since_ns: int = 0
    dry_run: bool = False


class Readiness(Struct, frozen=True):
    """May traffic be sent here? reasons: what stands against it."""

    ready: bool
    reasons: list[str]


class LastAbout(Struct, frozen=True):
    """What is to be said about newest readings that come as Arrow; as in `LastList`."""

    as_of_ns: int
    total: int


class Failure(Struct, frozen=True):
    """Every error's body."""

    error: str
    hint: str
