"""What the uplink says; on change only."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class UplinkConnected(Happening, frozen=True):
    """The parent welcomed this node."""

    metric = "uplink_connects"
    parent: str
    session: int
    backlog_rows: int


class UplinkLost(Happening, frozen=True):
    """The parent can't be reached or refuses; rows wait in the journal."""

    level = Level.WARNING
    metric = "uplink_losses"
    parent: str
    cause: str


class UplinkDiverged(Happening, frozen=True):
    """A batch did not fit what the parent holds: was a disk image restored or cloned? A new hello sorts it out."""

    level = Level.WARNING
    metric = "uplink_divergences"
    parent: str
    detail: str


class UplinkLaneWaits(Happening, frozen=True):
    """The parent is too old for a lane's next rows: the lane waits until it's upgraded, the others go on."""

    level = Level.WARNING
    metric = "uplink_lanes_waiting"
    parent: str
    lane: int
    detail: str


class UplinkForbidden(Happening, frozen=True):
    """The parent refused rows that stay somewhere: it isn't of this node's region. They stay here."""

    level = Level.ERROR
    metric = "uplink_forbidden"
    parent: str
    rows: int
    detail: str


class UplinkBranched(Happening, frozen=True):
    """The parent put this node on another branch: it holds rows that this journal doesn't."""

    level = Level.ERROR
    metric = "uplink_branches"
    parent: str
    branch: int


class UplinkMinted(Happening, frozen=True):
    """Another machine runs this node's incarnation, so this one took a new one."""

    level = Level.ERROR
    metric = "uplink_mints"
    incarnation: str
    detail: str


class UplinkRewound(Happening, frozen=True):
    """The parent has less than it once said: it came back from a backup. What it lacks is sent again."""

    level = Level.WARNING
    metric = "uplink_rewinds"
    parent: str
    rows: int


class UplinkRowsLost(Happening, frozen=True):
    """Rows could not be read or are not held any more; a gap stands for them."""

    level = Level.ERROR
    metric = "uplink_rows_lost"
    detail: str
    rows: int
    reason: str


class UplinkStumbled(Happening, frozen=True):
    """A fault in this program stopped a call to the parent; it is tried again. Please report it."""

    level = Level.ERROR
    metric = "uplink_faults"
    detail: str


class UplinkPaced(Happening, frozen=True):
    """The link got better or worse by measure; less or more is sent at once."""

    level = Level.INFO
    metric = "uplink_pace_changes"
    pace: str
    goodput_bps: float


class UplinkBudgetForgotten(Happening, frozen=True):
    """The stored state of the link's budget could not be read: today's and this month's bytes count from 0."""

    level = Level.ERROR
    metric = "uplink_budget_faults"
    detail: str


class UplinkRepaired(Happening, frozen=True):
    """Rows that the own disk had damaged came back from the parent, and hash to the chain kept here."""

    metric = "uplink_repairs"
    lane: int
    first: int
    rows: int


class UplinkQuestionAnswered(Happening, frozen=True):
    """The parent asked this node for rows that hadn't gone up. Quiet: somebody may ask often."""

    level = Level.DEBUG
    metric = "uplink_questions"
    outcome: Literal["answered", "refused", "late"]
    bytes: int


class UplinkQuestionsFailed(Happening, frozen=True):
    """The parent can't ask this node, or its answer didn't get through; tried again."""

    level = Level.WARNING
    metric = "uplink_question_faults"
    detail: str
