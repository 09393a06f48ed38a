"""A node's artifacts on disk: files named by their SHA-256, bounded in size, the longest unused let go first.

    artifacts/<digest>              whole and verified; never changed in place
    artifacts/notes/<digest>.json   its name, whether it's pinned; the file's mtime is when it was last used
    artifacts/parts/                what hasn't come whole yet (`parts.py`)
    artifacts/new/                  what is being put; emptied at the start
    artifacts/bad/                  the last few that were found damaged

A file gets its good name by a rename after it was hashed and synced, so a crash leaves no half file under one. Bytes at
rest are hashed again when a file is opened, unless that was done LOOK_S ago and the file is the same by its inode,
size and times. Blocking; any thread: the lock is held for names and notes, never while a file is hashed.
"""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import msgspec

from holdfast.artifacts.bundles import unpack
from holdfast.artifacts.digests import hashed, is_digest
from holdfast.artifacts.entries import Entry, Note, Opened, Seen, changed_ns, disk, seen_of, size_of
from holdfast.artifacts.errors import ArtifactAbsent, ArtifactPinned, ArtifactsFull, ArtifactTooLarge, ArtifactWrong
from holdfast.artifacts.happenings import ArtifactDamaged, ArtifactKept, ArtifactLeft
from holdfast.artifacts.parts import ENDING, Part
from holdfast.artifacts.putting import Putting
from holdfast.artifacts.settings import ArtifactSettings
from holdfast.kernel.clock import Clock
from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import make_directory, sync_directory, write_atomic
from holdfast.telemetry.happenings import Happening

LOOK_S = 600.0
KEPT_BAD = 2
MOST_NAME = 120


class ArtifactStore:
    """One folder."""

    def __init__(
        self, root: Path, settings: ArtifactSettings, clock: Clock, tell: Callable[[Happening], None] = lambda _: None
    ) -> None:
        """Tidy what a crash left; the folder is made with the first artifact. tell: hears of it, from any thread.

        Raises:
            StorageUnusable: when it can't be read.
        """
        self.root, self.settings, self._clock, self._tell = root, settings, clock, tell
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._held: Counter[str] = Counter()
        self._looked: dict[str, tuple[Seen, float]] = {}
        try:
            self._tidy()
        except OSError as error:
            raise StorageUnusable(f"{root} can't be read: {error.strerror}") from error

    @property
    def size(self) -> int:
        """Bytes of all whole files."""
        with self._lock:
            return sum(one.bytes for one in self._entries.values())

    def entries(self) -> list[Entry]:
        """All, the ones used last first."""
        with self._lock:
            return sorted(self._entries.values(), key=lambda one: -one.used_ns)

    def entry(self, digest: str) -> Entry | None:
        """One of them; None = it isn't here."""
        with self._lock:
            return self._entries.get(digest)

    def open(self, digest: str) -> Opened:
        """A file whose bytes are what its name says; counts as a use.

        Raises:
            ArtifactAbsent: it isn't here, or was found damaged just now.
        """
        path, file = self.root / digest, None
        try:
            file = path.open("rb")
            seen = seen_of(file)
        except OSError as error:
            if file is not None:
                file.close()
            self._forget(digest)
            raise ArtifactAbsent(f"{digest[:12]}… isn't here") from error
        if not self._is_fresh(digest, seen):
            if not self._is_right(digest, file):
                file.close()
                self._set_aside(digest)
                raise ArtifactAbsent(f"{digest[:12]}… was damaged here, and set aside")
            with self._lock:
                self._looked[digest] = seen, self._clock.monotonic()
        self._used(digest)
        entry = self.entry(digest)
        return Opened(file, seen[1], "" if entry is None else entry.name)

    def path(self, digest: str) -> Path:
        """Where a verified file lies; hold it (`holding`) for as long as it's needed. Raises like `open`."""
        self.open(digest).close()
        return self.root / digest

    @contextmanager
    def unpacked(self, digest: str) -> Iterator[Path]:
        """A bundle as a folder, gone again afterwards; it isn't let go meanwhile. Blocking.

        Raises:
            ArtifactAbsent: see `open`.
            BundleInvalid, StorageUnusable: it can't be unpacked.
        """
        with self.holding(digest):
            folder = self.root / "new" / f"{uuid4().hex}.folder"
            try:
                unpack(self.path(digest), folder)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def holding(self, digest: str) -> Iterator[None]:
        """Don't let it go meanwhile."""
        with self._lock:
            self._held[digest] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[digest] -= 1
                self._held += Counter()  # only what is held

    def put(self, file: BinaryIO, name: str = "", *, pinned: bool = True) -> Entry:
        """Keep what is left to be read of a file. Raises like `Putting`'s methods."""
        with self.putting(None, name, pinned=pinned) as putting:
            while piece := file.read(1 << 18):
                putting.write(piece)
            return putting.keep()

    def putting(self, size: int | None, name: str = "", *, pinned: bool = True) -> Putting:
        """Begin a put; whoever puts something has it pinned unless they say otherwise. size: where it's known.

        Raises:
            ArtifactTooLarge, ArtifactsFull: when there's no room for it.
            StorageUnusable, DiskFull: when the disk refuses.
        """
        if size is not None and size > self.settings.largest:
            raise self.too_large(size)
        return Putting(self, name[:MOST_NAME], pinned=pinned)

    def pin(self, digest: str, *, on: bool) -> Entry:
        """Keep it whatever else comes, or don't.

        Raises:
            ArtifactAbsent: it isn't here.
            StorageUnusable: it can't be noted.
        """
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                raise ArtifactAbsent(f"{digest[:12]}… isn't here")
            changed = msgspec.structs.replace(entry, pinned=on)
            self._note(changed)
            self._entries[digest] = changed
        return changed

    def remove(self, digest: str) -> Entry:
        """Remove it.

        Raises:
            ArtifactAbsent: it isn't here.
            ArtifactPinned: it's pinned, or in use.
        """
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                raise ArtifactAbsent(f"{digest[:12]}… isn't here")
            if entry.pinned or self._held[digest]:
                raise ArtifactPinned(f"{digest[:12]}… is {'pinned' if entry.pinned else 'in use'}")
            self._drop(digest)
        self._tell(ArtifactLeft(why="removed", digest=digest, bytes=entry.bytes))
        return entry

    def make_room(self, size: int, but: str = "") -> None:
        """Let the longest unused go until so many bytes more fit.

        Raises:
            ArtifactTooLarge, ArtifactsFull: they don't.
        """
        if size > self.settings.largest:
            raise self.too_large(size)
        gone = list[Entry]()
        with self._lock:
            parts = sum(size_of(one) for one in self._parts().values() if one.name != but)
            free = self.settings.max_bytes - parts - sum(one.bytes for one in self._entries.values())
            for entry in sorted(self._entries.values(), key=lambda one: one.used_ns):
                if free >= size:
                    break
                if not entry.pinned and not self._held[entry.digest]:
                    self._drop(entry.digest)
                    gone.append(entry)
                    free += entry.bytes
        for entry in gone:
            self._tell(ArtifactLeft(why="room", digest=entry.digest, bytes=entry.bytes))
        if free < size:
            raise ArtifactsFull(f"{size:,} bytes don't fit into `artifacts.max_bytes` = {self.settings.max_bytes:,}")

    def too_large(self, size: int) -> ArtifactTooLarge:
        """The refusal of something so large."""
        return ArtifactTooLarge(f"{size:,} bytes are more than `artifacts.largest` = {self.settings.largest:,}")

    def part(self, digest: str) -> Part | None:
        """What came of it before; None = nothing that can be used."""
        found = Part.reopen(self.root / "parts" / digest)
        if found is None:
            self.drop_parts([digest])
        return found

    def drop_parts(self, digests: Iterable[str]) -> None:
        """Forget what was begun. Raises OSError."""
        for digest in digests:
            path = self.root / "parts" / digest
            path.unlink(missing_ok=True)
            path.with_name(path.name + ENDING).unlink(missing_ok=True)

    def begin_part(self, digest: str, size: int) -> Part:
        """A new part, once there's room. Raises like `make_room`, or StorageUnusable, DiskFull."""
        self.make_room(size, but=digest)
        path = self.root / "parts" / digest
        try:
            return Part.begin(path, size)
        except OSError as error:
            raise disk(path, error) from error

    def parts(self) -> list[str]:
        """Digests of what was begun, the latest first."""
        found = self._parts()
        return sorted(found, key=lambda digest: -changed_ns(found[digest]))

    def adopt(self, digest: str, part: Part, name: str = "") -> Entry:
        """A part that is whole becomes an artifact, if it's the one.

        Raises:
            ArtifactWrong: it isn't; the part is gone.
            StorageUnusable, DiskFull: it can't be kept; the part is there still.
        """
        try:
            with part.path.open("rb") as file:
                found = hashed(file)
            if found != digest:
                part.drop()
                raise ArtifactWrong(f"{digest[:12]}… came as {found[:12]}…")
            part.sync()
            entry = self.keep(part.path, digest, part.size, Note(name[:MOST_NAME], how="fetched"))
            part.forget_ranges()
        except OSError as error:
            raise disk(part.path, error) from error
        return entry

    def keep(self, path: Path, digest: str, size: int, note: Note) -> Entry:
        """Give a verified and synced file its good name. Raises OSError, StorageUnusable."""
        now = self._clock.wall_ns()
        entry = Entry(digest, size, note.name, note.pinned, note.how, now, now)
        with self._lock:
            before = self._entries.get(digest)
            if before is not None:
                name, pinned = entry.name or before.name, before.pinned or entry.pinned
                entry = msgspec.structs.replace(entry, name=name, pinned=pinned, stored_ns=before.stored_ns)
            self._note(entry)
            path.replace(self.root / digest)
            sync_directory(self.root)
            self._entries[digest] = entry
            self._looked.pop(digest, None)
        self._used(digest)
        self._tell(ArtifactKept(how=note.how, digest=digest, bytes=size, name=note.name))
        return entry

    def _note(self, entry: Entry) -> None:
        note = Note(entry.name, entry.pinned, entry.how, entry.stored_ns)
        write_atomic(self._note_path(entry.digest), msgspec.json.encode(note))

    def _note_path(self, digest: str) -> Path:
        return self.root / "notes" / f"{digest}.json"

    def _used(self, digest: str) -> None:
        with self._lock:
            entry = self._entries.get(digest)
            if entry is None:
                return
            newest = max((one.used_ns for one in self._entries.values()), default=0)
            now = max(self._clock.wall_ns(), newest + 1)  # in order, whatever the clock does
            self._entries[digest] = msgspec.structs.replace(entry, used_ns=now)
            with suppress(OSError):  # only the order of going hangs on it
                os.utime(self._note_path(digest), ns=(now, now))

    def _is_fresh(self, digest: str, seen: Seen) -> bool:
        with self._lock:
            before = self._looked.get(digest)
        return before is not None and before[0] == seen and self._clock.monotonic() - before[1] < LOOK_S

    def _is_right(self, digest: str, file: BinaryIO) -> bool:
        try:
            return hashed(file) == digest
        except OSError:  # EIO: the disk itself says so
            return False

    def _set_aside(self, digest: str) -> None:
        aside = self.root / "bad" / f"{digest}.{self._clock.wall_ns()}"
        with self._lock, suppress(OSError):
            make_directory(aside.parent)
            (self.root / digest).replace(aside)
            for old in sorted(aside.parent.iterdir(), key=lambda path: path.stat().st_mtime_ns)[:-KEPT_BAD]:
                old.unlink()
        self._tell(ArtifactDamaged(digest=digest, aside=str(aside)))
        self._forget(digest)

    def _forget(self, digest: str) -> None:
        with self._lock:
            self._entries.pop(digest, None)
            self._looked.pop(digest, None)

    def _drop(self, digest: str) -> None:
        """With the lock held."""
        (self.root / digest).unlink(missing_ok=True)
        self._note_path(digest).unlink(missing_ok=True)
        self._entries.pop(digest, None)
        self._looked.pop(digest, None)

    def _parts(self) -> dict[str, Path]:
        folder = self.root / "parts"
        return {path.name: path for path in folder.iterdir() if is_digest(path.name)} if folder.is_dir() else {}

    def _tidy(self) -> None:
        if not self.root.is_dir():
            return
        shutil.rmtree(self.root / "new", ignore_errors=True)
        for path in self.root.iterdir():
            if is_digest(path.name) and path.is_file():
                note, used_ns = self._noted(path.name)
                size = path.stat().st_size
                self._entries[path.name] = Entry(
                    path.name, size, note.name, note.pinned, note.how, note.stored_ns, used_ns
                )
        for path in (self.root / "notes").glob("*.json"):
            if path.stem not in self._entries and path.stem not in self._parts():
                path.unlink()

    def _noted(self, digest: str) -> tuple[Note, int]:
        path = self._note_path(digest)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Note), path.stat().st_mtime_ns
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return Note(pinned=True), self._clock.wall_ns()  # nobody knows whether it may go
