"""`parent:` in node.yaml: where this node syncs to, and how."""

from typing import Annotated

from msgspec import Meta, Struct, field

from holdfast.kernel.scalars import Duration, Hours, Rate, Size, Zone
from holdfast.uplink.filtering.settings import SendRule

Rows = Annotated[int, Meta(ge=1, le=1_000_000)]


class AdaptSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the sender adapts to what it measures of the link; `uplink.levels` and `uplink.sizing` say how."""

    narrow_below: Rate = 1e6
    """Below it batches are small and lane 2 waits for lane 1."""
    trickle_below: Rate = 2e4
    """Below it only lane 0 is sent, and a small probe of the other lanes now and then."""
    hysteresis: Annotated[float, Meta(ge=1.0, le=10.0)] = 1.5
    """A level is left upwards only at so many times its threshold."""
    probe_every: Duration = 30.0
    """How often lanes 1 and 2 may send a small probe on a link that goes on trickling."""
    batch_time: Duration = 1.0
    """How long a batch's body should take on the wire."""
    min_body: Size = 16_000
    """The first batch's size, and the smallest aimed at unless even that takes longer than twice `batch_time`."""
    narrow_body: Size = 100_000
    """The largest body aimed at on a narrow link."""

    def __post_init__(self) -> None:
        """Refuse thresholds that contradict each other."""
        if self.trickle_below > self.narrow_below:
            msg = "`trickle_below` must not be above `narrow_below`"
            raise ValueError(msg)


class BudgetSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the link may cost. Days and months are UTC's; `uplink.budget` says what counts."""

    per_day: Size | None = None
    """Bytes a day; then lanes 1 and 2 wait for the next day. Absent = no bound, here and below."""
    per_month: Size | None = None
    critical_per_day: Size | None = None
    """Bytes a day that lane 0 sends whatever the other limits say; beyond it lane 0 is under them too."""
    cost_per_mb: Annotated[float, Meta(ge=0)] = 0.0
    """Money for a million bytes, in any currency: only shown."""
    hours: Hours | None = None
    """When lanes 1 and 2 may be sent, in `timezone`'s time."""
    timezone: Zone = "UTC"


class QuestionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the parent may ask of this node: rows that haven't gone up."""

    per_minute: Annotated[int, Meta(ge=1, le=6_000)] = 60
    """Questions answered; the rest is refused."""
    looks: Annotated[int, Meta(ge=0, le=6_000)] = 300
    """Looks a minute at this node's own pages through the parent; 0 = it may not."""
    per_day: Size = 50_000_000
    """Bytes a UTC day for answers and for waiting to be asked; they count in `budget`, but know no `hours`."""
    within: Duration = 3.0
    """How long this node waits when it asks the parent for what it has no more."""


class ParentSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The parent and the link to it. Files are relative to node.yaml."""

    url: str
    """https://host:port; plain HTTP is refused."""
    ca: str
    """PEM of the CA that signed the parent's certificate; nothing else is trusted."""
    token_file: str
    linger: Duration = 0.5
    """How long bulk rows gather before a batch leaves; critical rows never wait."""
    min_rows: Rows = 10_000
    """Waiting rows that send a bulk batch at once."""
    max_rows: Rows = 20_000
    """Rows in one batch."""
    timeout: Duration = 10.0
    """Longest silence while the parent should answer."""
    check_in: Duration = 900.0
    """A node with nothing to send asks the parent this often whether it still has everything."""
    backoff_min: Duration = 0.2
    backoff_max: Duration = 30.0
    """Bounds of the pause after a failure; jittered in between."""
    remember_every: Duration = 1.0
    """How often the journal is told what the parent has: each is a commit of two or three pages. After a restart the
    parent tells it anyway; until then, delivered rows count as undelivered when space runs out."""
    trip_after: Annotated[int, Meta(ge=1)] = 3
    """Failures in a row that open the breaker: then one probe at a time."""
    adapt: AdaptSettings = field(default_factory=AdaptSettings)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    questions: QuestionSettings | bool = True
    """May the parent ask for rows that haven't gone up? `true` = with the defaults."""

    send: tuple[SendRule, ...] = ()
    """Which series go up as summaries only, or not at all; absent = every reading goes up."""

    @property
    def asking(self) -> QuestionSettings | None:
        """Settings for questions, when they may be asked."""
        if isinstance(self.questions, bool):
            return QuestionSettings() if self.questions else None
        return self.questions
