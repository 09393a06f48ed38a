"""What the site's memory says about itself."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class HistoryRowsMoved(Happening, frozen=True):
    """Readings left the journal's groups for files."""

    level = Level.DEBUG
    metric = "history_compactions"
    rows: int
    pieces: int
    bytes: int
    seconds: float


class HistoryPiecesMerged(Happening, frozen=True):
    """Files of a day became fewer."""

    level = Level.DEBUG
    metric = "history_merges"
    day: str
    pieces: int
    rows: int
    bytes: int
    seconds: float


class HistoryPieceLeft(Happening, frozen=True):
    """Readings went by age or quota, or left the local disk for the cold store."""

    metric = "history_pieces_left"
    deed: Literal["drop", "coarsen", "evict"]
    reason: Literal["age", "disk"]
    day: str
    rows: int
    bytes: int


class HistoryFailed(Happening, frozen=True):
    """Something about the files failed; it is tried again, and the readings stay where they are."""

    level = Level.WARNING
    metric = "history_failures"
    at: Literal["compact", "merge", "retain", "tidy", "upload"]
    detail: str
    hint: str


class HistoryTidied(Happening, frozen=True):
    """What an interruption left in the lake was put right."""

    metric = "history_tidies"
    files_removed: int
