"""What can go wrong for an application.

SyncError
├── Unreachable        world: no node answers, or it's busy; try again
├── DocumentRefused    operator or caller: the node won't (token, rights, size)
├── DocumentBroken     caller: an edit couldn't be kept; open the document again
├── DocumentInUse      caller: another process has the file, or this one was forked with it open
└── CounterInvalid     caller: not a whole number, too large, or the map holds what no counter wrote
"""

from holdfast.kernel.errors import HoldfastError


class SyncError(HoldfastError):
    """Something between an application and its node."""


class Unreachable(SyncError):
    """No node answers, or it can't take anything now."""

    recoverable = True
    hint = "edits stay in the application's file; is the node running, and is this its `api:`?"


class DocumentRefused(SyncError):
    """The node refuses. status: HTTP's."""

    def __init__(self, status: int, sentence: str, hint: str) -> None:
        super().__init__(f"the node says: {sentence}")
        self.status, self.hint = status, hint


class DocumentBroken(SyncError):
    """An edit could not be kept. It was neither stored nor sent, and this object takes no more."""

    hint = "close the document and open it again: it's as it was before the edit"


class DocumentInUse(SyncError):
    """One process at a time may have a document's file."""

    hint = "give each process a file of its own: what they edit comes together all the same"


class CounterInvalid(SyncError):
    """A number that a counter can't take, or a map that isn't one."""

    hint = "whole numbers, and below 2**53 for one process's own share"
