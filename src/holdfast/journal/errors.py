"""What can go wrong in the journal.

JournalError
├── GroupCorrupt      disk: a stored group is not what was written
├── CatalogueCorrupt  disk: a row of the memory's catalogue is not what was written
├── JournalClosed     caller: submitted after close
├── JournalPoisoned   disk: a commit failed and its outcome is unknown; the node must stop acking and exit
├── JournalReplaced   operator: the file was removed or replaced while the node ran
├── JournalTooNew     operator: the file was written by a newer Holdfast
└── JournalTooOld     operator: the file was last written by an older Holdfast, and is only to be read
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


class CatalogueCorrupt(JournalError):
    """A row about the site's memory is not what was written. what: the piece or file it is about."""

    hint = "holdfast history check NODE.YAML says what is damaged; restore the journal from its backup"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"the catalogue's row of {what} is not what was written")


class JournalClosed(JournalError):
    """The journal takes no more writes."""


class JournalPoisoned(JournalError):
    """A commit failed below SQLite, so whether its rows are on disk is unknown. Nothing may be acked any more."""

    hint = "the node stops by itself; check the disk, then start it again"


class JournalReplaced(JournalError):
    """The file under the journal's name is another one, or none."""

    hint = "stop the node before you touch its data folder; what it took since is lost"


class JournalTooNew(JournalError):
    """The file's schema is newer than this program."""

    hint = "upgrade Holdfast; the file is left untouched"


class JournalTooOld(JournalError):
    """The file's schema is older than this program, and reading changes nothing."""

    hint = "start the node once with this version: it brings the file to the newest layout"
