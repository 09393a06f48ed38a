"""What can go wrong with a question about the past.

HistoryError
├── QueryInvalid    caller: the question can't be answered as asked; says what's allowed
├── QueryTooLong    caller: it took longer than it may, and was given up
├── PieceDamaged    disk: a file of the lake is not what was written; nothing was read from it
├── PieceLocked     operator: a file is encrypted and there is no key, or another one
├── PieceAway       operator: a file is in a cold store that the settings don't name
├── PieceGone       world: a file went while it was being asked for; plan anew
├── WorkshopDied    world: the process that makes files ended in the middle; it's tried again
└── RowsMoved       world: rows were restamped while they were read (lake/compact.py); do it again
"""

from holdfast.kernel.errors import HoldfastError


class HistoryError(HoldfastError):
    """Something about a question to the past."""


class QueryInvalid(HistoryError):
    """The question can't be answered as asked."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class QueryTooLong(HistoryError):
    """The question took longer than it may. seconds: how long that is."""

    hint = "ask for a shorter time, fewer series or a longer step without percentiles"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the question was given up after {seconds:g} s")


class PieceDamaged(HistoryError):
    """A file of the lake is not what was written."""

    hint = "holdfast history check NODE.YAML lists damaged files; what the parent holds is asked for there"

    def __init__(self, name: str, what: str) -> None:
        self.name, self.what = name, what
        super().__init__(f"{name}: {what}")


class PieceGone(HistoryError):
    """A file isn't where the catalogue says, nor in the trash."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is gone")


class WorkshopDied(HistoryError):
    """The process that makes files ended before it answered. status: its exit status, None = not known."""

    hint = "nothing is lost: what it was making is made again; if it goes on, look for an out-of-memory kill (dmesg)"

    def __init__(self, status: int | None) -> None:
        self.status = status
        super().__init__(f"the process that makes files ended (status {status})")


class PieceLocked(HistoryError):
    """A file is encrypted, and not with the key that is there."""

    hint = "give journal.key the key that was in use when the file was written; a journal key isn't changed later"

    def __init__(self, name: str, what: str) -> None:
        self.name = name
        super().__init__(f"{name} {what}")


class PieceAway(HistoryError):
    """A file is in the cold store only, and none is set."""

    hint = "set history.cold again to the store it was sent to"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is in the cold store, and history.cold names none")
