"""What can go wrong in the journal.

JournalError
├── GroupCorrupt      disk: a stored group is not what was written
├── JournalClosed     caller: submitted after close
├── JournalPoisoned   disk: a commit failed and its outcome is unknown; the node must stop acking and exit
└── JournalTooNew     operator: the file was written by a newer Holdfast
"""

from holdfast.kernel.errors import HoldfastError


class JournalError(HoldfastError):
    """Something the journal can name."""


class GroupCorrupt(JournalError):
    """A stored group is not what was written; its rows can't be trusted. place: of its row, 0 = not known."""

    hint = "holdfast journal scan NODE.YAML --repair isolates damaged groups and asks the parent for them"

    def __init__(self, sentence: str, place: int = 0) -> None:
        super().__init__(sentence)
        self.place = place


class JournalClosed(JournalError):
    """The journal takes no more writes."""


class JournalPoisoned(JournalError):
    """A commit failed below SQLite, so whether its rows are on disk is unknown. Nothing may be acked any more."""

    hint = "the node stops by itself; check the disk, then start it again"


class JournalTooNew(JournalError):
    """The file's schema is newer than this program."""

    hint = "upgrade Holdfast; the file is left untouched"
