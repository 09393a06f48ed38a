"""What the site's memory says about itself."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level

Doing = Literal["compact", "merge", "retain", "tidy", "upload", "scrub"]


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
    at: Doing
    detail: str
    hint: str


class HistoryTidied(Happening, frozen=True):
    """What an interruption left in the lake was put right."""

    metric = "history_tidies"
    files_removed: int


class HistoryPieceSent(Happening, frozen=True):
    """Files of a finished day are in the cold store, too, verified there."""

    level = Level.DEBUG
    metric = "history_pieces_sent"
    day: str
    files: int
    bytes: int
    seconds: float


class HistoryDamageFound(Happening, frozen=True):
    """A file on local disk isn't what was written; questions pass over what is damaged."""

    level = Level.ERROR
    metric = "history_damaged_files"
    file: str
    detail: str
    rows: int


class HistoryFileHealed(Happening, frozen=True):
    """A damaged file was made again from its copy in the cold store."""

    metric = "history_files_healed"
    file: str
