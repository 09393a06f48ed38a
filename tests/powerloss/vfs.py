"""A SQLite VFS that passes everything through and writes down what reached the "disk", in order.

    log = Log()
    with RecordingVfs(log) as vfs:
        db = open_writer(path, vfs=vfs.plain_name)               # or: key=KEY, vfs=vfs.cipher_name
        db.execute(...)                                          # a commit
        log.mark(what_was_acked)                                 # only after the commit returned

then `tests.powerloss.images` rebuilds the disk as a power cut at any event may leave it.

What a "sync" makes safe is the model's one assumption, and it is POSIX plus what SQLite's unix VFS does: fsync of a
file saves its bytes, its size and its own name; fsync of a directory saves all names in it, and no others. SQLite
syncs the directory after the first sync of a new WAL or rollback journal, and after a deletion when it asks for that.
The -shm file is memory and never survives. With encryption the recorder sits below the cipher and sees what the disk
sees.

A sync that fails (`vfs.fail_next_sync`) does what Linux does: the writes stay readable, are never on disk, and no
later sync brings them there.
"""

from dataclasses import dataclass
from enum import Enum
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

_NAMES_SYNCED = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL
_BASE = "unix"
_numbers = count()
_kept_alive: list[apsw.VFS] = []


class Kind(Enum):
    """What happened. PRESENT: a file was there before the recording, wholly on disk."""

    PRESENT = "present"
    CREATE = "create"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    SYNC_FAILED = "sync failed"
    DELETE = "delete"
    SYNC_NAMES = "sync names"
    MARK = "mark"
    LINK = "link"
    """A second name for synced bytes; lost or kept as a name is."""
    SWAP = "swap"
    """Pairs of names change places in one step that survives: `value` holds them."""


@dataclass(frozen=True, slots=True)
class Event:
    """One step. `at` is the offset of a write or the new size of a truncation, in bytes."""

    kind: Kind
    file: str = ""
    at: int = 0
    data: bytes = b""
    value: Any = None


class Log:
    """Everything that happened to the files of one directory, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.known: set[str] = set()

    def add(self, kind: Kind, file: str = "", at: int = 0, data: bytes = b"") -> None:
        self.events.append(Event(kind, file, at, data))

    def mark(self, value: Any) -> None:
        """Note that the outside world was told something: it must be true after every later power cut."""
        self.events.append(Event(Kind.MARK, value=value))

    def names_synced(self, directory: str = "") -> None:
        """Note an fsync of a directory (see `images.directory_of`) that went past SQLite (`sync_directory`)."""
        self.add(Kind.SYNC_NAMES, directory)

    def before(self, event: int) -> list[Any]:
        """The marks among the first `event` events."""
        return [e.value for e in self.events[:event] if e.kind is Kind.MARK]


class RecordingVfs(apsw.VFS):
    """Registered while the context is open; close every connection before it ends. Names are used once only.

    The cipher's own VFS stays registered on top of it for the life of the process, hence `_kept_alive`.
    Setting `log` to another one lets the process die as far as the first log is concerned.
    """

    def __init__(self, log: Log) -> None:
        self.plain_name = f"powerloss{next(_numbers)}"
        self.cipher_name = f"multipleciphers-{self.plain_name}"
        self.log = log
        self.fail_next_sync = False
        _kept_alive.append(self)
        super().__init__(self.plain_name, _BASE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if name is None:  # a temporary file, gone with the process
            return apsw.VFSFile(_BASE, None, flags)
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        was_there = path.exists()
        wanted = flags[0]
        opened = _RecordingFile(self, name, path.name, flags)
        if not was_there:
            self.log.add(Kind.CREATE, path.name)
            opened.syncs_names = bool(wanted & _NAMES_SYNCED)
        elif path.name not in self.log.known:
            self.log.add(Kind.PRESENT, path.name, data=path.read_bytes())
        self.log.known.add(path.name)
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001
        super().xDelete(filename, syncdir)
        self.log.add(Kind.DELETE, Path(filename).name)
        if syncdir:
            self.log.names_synced()


class _RecordingFile(apsw.VFSFile):
    def __init__(self, vfs: RecordingVfs, name: str | apsw.URIFilename, short: str, flags: list[int]) -> None:
        self.vfs = vfs
        self.file = short
        self.syncs_names = False
        super().__init__(_BASE, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self.vfs.log.add(Kind.WRITE, self.file, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self.vfs.log.add(Kind.TRUNCATE, self.file, newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self.vfs.fail_next_sync:
            self.vfs.fail_next_sync = False
            self.vfs.log.add(Kind.SYNC_FAILED, self.file)
            raise apsw.IOError("fsync: input/output error")
        super().xSync(flags)
        self.vfs.log.add(Kind.SYNC, self.file)
        if self.syncs_names:
            self.syncs_names = False
            self.vfs.log.add(Kind.SYNC_NAMES)
