"""What ingest says."""

from holdfast.telemetry.happenings import Happening, Level


class IngestSessionOpened(Happening, frozen=True):
    """A child opened a session; any older one of it is fenced."""

    metric = "ingest_sessions"
    child: str
    session: int
    incarnation: str


class IngestHistoryDiverged(Happening, frozen=True):
    """A child's history doesn't contain what this node holds of it; nothing was overwritten."""

    level = Level.ERROR
    metric = "ingest_divergences"
    child: str
    detail: str
