"""What ingest says."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class IngestSessionOpened(Happening, frozen=True):
    """A child opened a session; any older one of its branch is fenced."""

    metric = "ingest_sessions"
    child: str
    branch: int
    session: int
    incarnation: str


class IngestBranched(Happening, frozen=True):
    """A child came back with another history: restored, cloned or on a new disk. Nothing was overwritten."""

    level = Level.ERROR
    metric = "ingest_branches"
    child: str
    branch: int
    reason: str
    held_rows: int
    unseen_rows: int


class IngestSuspect(Happening, frozen=True):
    """Two machines sync under one child's name."""

    level = Level.ERROR
    metric = "ingest_suspects"
    child: str
    detail: str


class IngestHistoryDiverged(Happening, frozen=True):
    """A batch's history doesn't contain what this node holds; nothing was overwritten, the child must say hello."""

    level = Level.WARNING
    metric = "ingest_divergences"
    child: str
    detail: str


class IngestGapTaken(Happening, frozen=True):
    """A child has lost or shed rows, and said which."""

    level = Level.WARNING
    metric = "ingest_gaps"
    child: str
    lane: int
    rows: int
    reason: str


class IngestForbidden(Happening, frozen=True):
    """A child offered rows that stay in another region, or at its site. They were refused; look at `region` there."""

    level = Level.ERROR
    metric = "ingest_forbidden"
    child: str
    lane: int
    rows: int


class IngestChildAsked(Happening, frozen=True):
    """A child was asked for rows that hadn't come up. Quiet: somebody may ask often."""

    level = Level.DEBUG
    metric = "ingest_questions"
    child: str
    outcome: Literal["answered", "stale", "refused", "malformed", "unanswered"]
    seconds: float


class IngestChildLookedAt(Happening, frozen=True):
    """Somebody looked at a site's own pages through this node. Quiet: a page asks every few seconds."""

    level = Level.DEBUG
    metric = "ingest_looks"
    child: str
    path: str
    outcome: Literal["answered", "malformed", "unanswered"]
    seconds: float


class IngestChildAnswered(Happening, frozen=True):
    """A child asked for what it has let go."""

    level = Level.DEBUG
    metric = "ingest_answers"
    child: str
    bytes: int
