"""What lives are kept with. The composition root hands in the journal and a look at it."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from holdfast.journal.transaction import Transaction
from holdfast.storage.sqlite import Connection

R = TypeVar("R")


class Books(Protocol):
    """Where books and labels are kept: the node's journal and a reader of it."""

    def submit(self, write: Callable[[Transaction], R]) -> Awaitable[R]:
        """Write in the next commit; resolves once it's on disk. `write` must be repeatable. On the loop."""
        ...

    def look(self, read: Callable[[Connection], R]) -> R:
        """Read what is committed. Blocking; called on worker threads."""
        ...


Known = Callable[[str], bool]
"""Whether the models' store has this version (`name@version`), so that it may be run. Called on the loop; quick."""
