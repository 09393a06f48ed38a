"""What can go wrong for an application.

SyncError
├── NoTransaction         caller: `put` outside of a transaction
├── NoFile                caller: an outbox over a database in memory
├── NotSettled            caller: a delivery was not left through its `with`
├── MessageTooLarge       caller: more than 1 MB in one message
├── TransactionTooLarge   caller: more changed rows in one transaction than a table's capture carries
├── TableUnfit            caller: a table that the session extension can't capture
├── Refused               operator or caller: the node won't (token, rights, settings, size)
├── Unreachable           world: no node answers, or it's busy; try again
├── SchemaDiffers         operator: the replica's table isn't the source's
├── DocumentBroken        caller: an edit couldn't be kept; open the document again
├── DocumentInUse         caller: another process has the file, or this one was forked with it open
├── CounterInvalid        caller: not a whole number, too large, or the map holds what no counter wrote
├── Retry                 raise it inside a delivery: nothing happened, give it to me again
└── Reject                raise it inside a delivery: nobody should get this again
    └── ConflictFound     a change doesn't fit the replica, and the policy is to refuse
"""

from holdfast.kernel.errors import HoldfastError


class SyncError(HoldfastError):
    """Something between an application and its node."""


class NoTransaction(SyncError):
    """A message was put outside of a transaction."""

    hint = "BEGIN first: a message is sent if, and only if, what it tells is committed"


class NoFile(SyncError):
    """The database is in memory, where no forwarder can reach it."""

    hint = "use a database file: what was put must outlive the process"


class NotSettled(SyncError):
    """A delivery was taken from `consume` and its `with` block not entered."""

    hint = "write `for delivery in queue.consume(…): with delivery as message: …`"


class MessageTooLarge(SyncError):
    """A message's body is too large."""

    hint = "at most 1,000,000 bytes: put large things into files and their names into messages"


class TransactionTooLarge(SyncError):
    """A transaction changed more than a capture carries; it was rolled back."""

    hint = "change fewer rows in one transaction"


class TableUnfit(SyncError):
    """The session extension can't capture this table."""

    hint = "give it a PRIMARY KEY, and let it be no view and no virtual table"


class Refused(SyncError):
    """The node won't. status: HTTP's; 0 = it wasn't asked."""

    def __init__(self, status: int, sentence: str, hint: str) -> None:
        super().__init__(f"the node says: {sentence}")
        self.status, self.hint = status, hint


class Unreachable(SyncError):
    """No node answers, or it can't take anything now."""

    hint = "what was put or edited stays in the application's file; is the node running, and is this its `api:`?"


class SchemaDiffers(SyncError):
    """The replica's table isn't the source's. The message was given back and comes again."""

    hint = "give both the same columns and primary key, then go on"


class Retry(SyncError):
    """Raised inside a delivery: roll back, count an attempt, deliver it again."""


class Reject(SyncError):
    """Raised inside a delivery: roll back, and make it a dead letter at once."""


class ConflictFound(Reject):
    """A change doesn't fit what the replica holds."""

    hint = "holdfast queue dead shows it; mend the replica, then holdfast queue replay"


class DocumentBroken(SyncError):
    """An edit could not be kept. It was neither stored nor sent, and this object takes no more."""

    hint = "close the document and open it again: it's as it was before the edit"


class DocumentInUse(SyncError):
    """One process at a time may have a document's file."""

    hint = "give each process a file of its own: what they edit comes together all the same"


class CounterInvalid(SyncError):
    """A number that a counter can't take, or a map that isn't one."""

    hint = "whole numbers, and below 2**53 for one process's own share"
