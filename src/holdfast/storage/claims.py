"""Who uses a folder: any number of users, and nobody who removes it meanwhile (flock(2) on the folder itself).

The kernel lets go when a process ends, however it ends. Nothing is written: a read-only disk's folders can be claimed.
"""

import fcntl
import os
import weakref
from pathlib import Path

from holdfast.storage.errors import InUse, StorageUnusable


class Claim:
    """A folder in use, until `release` or until the object is gone."""

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        """Take it at once or not at all. alone: nobody else may use it meanwhile.

        Raises:
            InUse: when somebody else has it, in the way that stands against this one.
            StorageUnusable: when there is no such folder, or it can't be opened.
        """
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise StorageUnusable(f"{folder} can't be used: {error.strerror}") from error
        self._release = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            self._release()
            raise InUse(f"{folder} is in use") from None
        except OSError as error:
            self._release()
            raise StorageUnusable(f"{folder} can't be locked: {error.strerror}") from error

    def release(self) -> None:
        """Let go; again is fine."""
        self._release()
