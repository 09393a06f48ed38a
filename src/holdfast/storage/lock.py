"""Who may write to a database: one process at a time, by an advisory lock on a file beside it (flock(2)).

SQLite lets several processes write in turn, but a journal's writer keeps heads and chains in memory. The kernel lets go
of the lock when its process ends, however it ends, so a killed node never stands in its own way. The lock file stays.
"""

import fcntl
import os
import weakref
from pathlib import Path

from holdfast.storage.errors import InUse, StorageUnusable
from holdfast.storage.files import make_directory

_PID_BYTES = 20


class FileLock:
    """The right to write to `path`, held until `release` or until the object is gone."""

    def __init__(self, path: Path) -> None:
        """Take the lock at once or not at all.

        Raises:
            InUse: when another one has it.
            StorageUnusable: when the lock file can't be made.
        """
        beside = _beside(path)
        try:
            make_directory(path.parent)
            handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            _give_to_owner(handle, path)
        except OSError as error:
            raise StorageUnusable(f"{beside} can't be made: {error.strerror}") from error
        self._release = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.pwrite(handle, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            owner = os.pread(handle, _PID_BYTES, 0).decode("ascii", "replace").strip()
            self._release()
            raise InUse(f"{path} is in use by process {owner or '(unknown)'}") from None
        except OSError as error:  # a full disk doesn't take the number, and needs the lock no less
            if not self._is_held(handle):
                self._release()
                raise StorageUnusable(f"{beside} can't be locked: {error.strerror}") from error

    def release(self) -> None:
        """Let go; again is fine."""
        self._release()

    @staticmethod
    def _is_held(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def is_locked(path: Path) -> bool:
    """Does somebody hold the lock of `path` right now? Takes nothing and makes no file.

    Raises:
        StorageUnusable: when that can't be known: the file belongs to another user.
    """
    try:
        handle = os.open(_beside(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageUnusable(f"{_beside(path)} can't be read: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _give_to_owner(handle: int, path: Path) -> None:
    """What root makes here belongs to the folder's owner, as SQLite does it: a node may run as another user."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")
