"""Pictures that came as messages: each a file on disk before it's acknowledged, until its result is stored. Bounded.

A file's name says when the picture came and whose it is; it's written beside its place, synced and renamed, so that
what stands there after a crash is whole. When there's no room, new ones are refused: who sent them can keep them.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

from holdfast.inference.serving.images.errors import ImageRefused
from holdfast.inference.serving.images.watching import Found, Watch
from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import make_directory, write_atomic

KEPT_REFUSED = 100
"""Files in `refused/`, of together at most a quarter of the spool's bytes."""
MOST_WRITING = 64 << 20
"""Bytes of pictures in memory that are on their way to the disk."""
LONGEST_NAME = 200
"""Bytes of a camera's name in a file's."""
_HEADS = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"), (b"BM", ".bmp"))


class Spool:
    """One deployment's. Loop thread, except for what is called blocking."""

    def __init__(self, root: Path, most: int, most_bytes: int, largest: int) -> None:
        """most, most_bytes: of all that wait; largest: bytes of one."""
        self.root, self.largest = root, largest
        self.on_kept: Callable[[], None] = lambda: None
        """Told when there's one more to take."""
        self.waiting = self.waiting_bytes = self.refused = 0
        self.last_error = ""
        self._most, self._most_bytes = most, most_bytes
        self._watch = Watch(root, deletes=True, keep=KEPT_REFUSED, keep_bytes=most_bytes // 4)
        self._ready: deque[Found] = deque()
        self._newest_ns = self._writing = 0
        self._turn = asyncio.Lock()

    def recall(self) -> None:
        """Take up what an earlier life left. Blocking, before anything else is called.

        Raises:
            OSError: when the folder can't be made or read.
        """
        make_directory(self.root)
        found = list[Found]()
        for path in self.root.iterdir():
            if path.name.startswith(".") and path.name.endswith(".new"):  # never acknowledged
                path.unlink(missing_ok=True)
            elif path.is_file() and (one := _found(path)) is not None:
                found.append(one)
        self._ready.extend(sorted(found, key=lambda one: one.modified_ns))
        self.waiting, self.waiting_bytes = len(found), sum(one.size for one in found)
        self._newest_ns = max((one.modified_ns for one in found), default=0)

    def admit(self, camera: str, data: bytes) -> None:
        """Reserve room for a picture; `keep` or `drop` must follow.

        Raises:
            ImageRefused: why it isn't taken.
        """
        size = len(data)
        if size > self.largest:
            raise ImageRefused("too_large", f"{size:,} bytes; {self.largest:,} are taken", "raise `most_bytes`")
        if not ending_of(data):
            raise ImageRefused("unreadable", "it's no picture", "JPEG, PNG, WebP and BMP are taken")
        if len(_quoted(camera)) > LONGEST_NAME:
            raise ImageRefused("name", f"the camera's name {camera[:40]!r}… is too long", "give it a shorter one")
        if self.waiting >= self._most or self.waiting_bytes + size > self._most_bytes:
            said = f"{self.waiting:,} pictures of {self.waiting_bytes:,} bytes wait for the model"
            raise ImageRefused("busy", said, "send it again later, or raise `waiting` and `waiting_bytes`")
        if self._writing and self._writing + size > MOST_WRITING:
            raise ImageRefused("busy", "pictures come quicker than the disk takes them", "send it again later")
        self.waiting += 1
        self.waiting_bytes += size
        self._writing += size

    def drop(self, size: int) -> None:
        """An admitted picture isn't to be kept after all."""
        self._writing -= size
        self.release(size)

    def release(self, size: int) -> None:
        """A picture is done with."""
        self.waiting -= 1
        self.waiting_bytes -= size

    async def keep(self, camera: str, data: bytes, ts_ns: int) -> None:
        """Have an admitted picture on disk. ts_ns: when it came, UTC; two of one moment are a nanosecond apart.

        Raises:
            ImageRefused: the disk takes nothing; its room is released.
        """
        async with self._turn:
            self._newest_ns = ts_ns = max(ts_ns, self._newest_ns + 1)
            path = self.root / f"{ts_ns:020d}-{_quoted(camera)}{ending_of(data)}"
            try:
                await asyncio.to_thread(write_atomic, path, data)
            except StorageUnusable as error:
                self.drop(len(data))
                raise ImageRefused("busy", str(error), "is the disk full?") from None
        self._writing -= len(data)
        self._ready.append(Found(str(path), camera, len(data), ts_ns))
        self.on_kept()

    def take(self) -> Found | None:
        """The oldest that waits; `put_back` or `settle` must follow."""
        return self._ready.popleft() if self._ready else None

    def put_back(self, found: Found) -> None:
        """It's tried again later."""
        self._ready.appendleft(found)

    def read(self, found: Found) -> bytes:
        """Its bytes. Blocking.

        Raises:
            OSError: when it can't be read.
        """
        return self._watch.read(found, self.largest)

    async def settle(self, found: Found, *, refused: bool) -> None:
        """It's done with: deleted, or in `refused/`.

        Raises:
            OSError: when it can't be moved or deleted.
        """
        with suppress(FileNotFoundError):  # somebody has deleted it
            nameless = replace(found, folder="")  # its name says the camera already
            await asyncio.to_thread(self._watch.settle, nameless, refused=refused)
        self.release(found.size)


def ending_of(data: bytes) -> str:
    """What a picture's file is called at its end, by its first bytes; empty = it's none that is taken."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((ending for head, ending in _HEADS if data.startswith(head)), "")


def _quoted(camera: str) -> str:
    return quote(camera, safe=" ")


def _found(path: Path) -> Found | None:
    """None: it isn't of ours."""
    stamp, _, camera = path.stem.partition("-")
    if not stamp.isdigit() or not camera:
        return None
    return Found(str(path), unquote(camera), path.stat().st_size, int(stamp))
