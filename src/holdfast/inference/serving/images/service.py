"""Pictures at work: files of a folder and those that came as messages, decoded in a thread, as rows to serving.

One picture of a deployment is under way at a time: the next is decoded when the last one's result is stored, so that
none is passed over for a newer one and memory is bounded. A file leaves its place when its result is stored; one that
gets none (its model is broken and nothing else answers) stays, and is tried again later. Which one is under way is
noted on disk first, so that a result that a crash left stored isn't made and published once more.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from holdfast.inference.card import Image
from holdfast.inference.serving.images.decoding import Limits, library, row_of
from holdfast.inference.serving.images.errors import ImageRefused, Reason
from holdfast.inference.serving.images.settings import ImageSettings
from holdfast.inference.serving.images.spool import Spool
from holdfast.inference.serving.images.status import ImageStatus
from holdfast.inference.serving.images.under_way import Noted, Notes
from holdfast.inference.serving.images.watching import Found, Watch
from holdfast.inference.serving.schedule import Emit
from holdfast.kernel.clock import Clock
from holdfast.model.features import FeatureRows, no_flags
from holdfast.model.predictions import Results
from holdfast.storage.errors import StorageUnusable
from holdfast.telemetry.happenings import Happening, Level

PATIENCE_S = 30.0
"""A picture without a result after that gets none."""
REST_S = 60.0
"""After one without a result, files wait for so long."""
MOST_CAMERAS = 1000
NEAR_NS = 1000
"""Times as near as this are of files of one moment."""


class ImageTurnedAway(Happening, frozen=True):
    """A picture was refused; files are in `refused/`."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "images_refused"
    deployment: str
    camera: str
    reason: Reason
    error: str


class ImageFolderUnusable(Happening, frozen=True):
    """A folder of pictures can't be read, or its files can't be moved."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "image_folders_unusable"
    deployment: str
    folder: str
    error: str


Stored = Callable[[str, int], Awaitable[bool]]
"""Whether a camera's result of a time (ns UTC) is in the journal."""


@dataclass(slots=True)
class _Picture:
    camera: str
    ts_ns: int
    file: Found
    is_message: bool


class Images:
    """One deployment's pictures. Loop thread only."""

    def __init__(
        self,
        deployment: str,
        settings: ImageSettings,
        want: Image,
        *,
        node: str,
        clock: Clock,
        offer: Callable[[FeatureRows], None],
        emit: Emit,
        notes: Notes,
        is_stored: Stored,
        spool: Spool | None = None,
    ) -> None:
        """offer: rows for the deployment's models. The owner calls `stored` when their results are.

        spool: of pictures that come as messages, recalled
        """
        self._name, self._settings, self._want, self._node = deployment, settings, want, node
        self._clock, self._offer, self._emit = clock, offer, emit
        self._notes, self._is_stored, self._spool = notes, is_stored, spool
        self._limits = Limits(settings.most_pixels, settings.most_bytes)
        deletes = settings.then == "delete"
        self._watch = Watch(Path(settings.folder), deletes=deletes, keep=settings.keep) if settings.folder else None
        self._files: deque[_Picture] = deque()
        self._places: list[tuple[str, str]] = []
        self._keys: dict[str, int] = {}
        self._newest: dict[int, int] = {}
        self._noted: Noted | None = None
        self._bell = asyncio.Event()
        self._under_way: tuple[int, int] | None = None
        self._answered = asyncio.Event()
        self._look_at, self._rests_until = 0.0, 0.0
        self._taken, self._refused, self._unanswered, self._error, self._is_unusable = 0, 0, 0, "", False
        if spool is not None:
            spool.on_kept = self._bell.set

    def stored(self, results: Results) -> None:
        """These results are safe: call it once what was told is committed."""
        if self._under_way is not None and results.role != "shadow":
            key, ts = self._under_way
            if bool(((results.key == key) & (results.ts == ts)).any()):
                self._answered.set()

    def status(self) -> ImageStatus:
        """How it goes."""
        resting = self._clock.monotonic() < self._rests_until
        return ImageStatus(
            deployment=self._name,
            state="folder_unusable" if self._is_unusable else "resting" if resting else "ok",
            taken=self._taken,
            refused=self._refused,
            unanswered=self._unanswered,
            last_error=self._error,
        )

    async def run(self) -> None:
        """Take pictures, for ever.

        Raises:
            VisionMissing: when Pillow isn't installed.
        """
        await asyncio.to_thread(library)
        self._noted = noted = await asyncio.to_thread(self._notes.read)
        if noted is not None:
            self._newest[self._key(noted.camera)] = noted.ts_ns
        while True:
            if (picture := await self._next()) is None:
                continue
            try:
                await self._take(picture)
            except BaseException:  # stopped, for a while perhaps
                self._put_back(picture)
                raise

    async def _next(self) -> _Picture | None:
        """Messages first: the room for them is bounded."""
        now = self._clock.monotonic()
        if now >= self._rests_until:
            if self._spool is not None and (found := self._spool.take()) is not None:
                return _Picture(found.folder, found.modified_ns, found, is_message=True)
            if self._files:
                return self._files.popleft()
            if self._watch is not None and now >= self._look_at:
                self._look_at = now + self._settings.every
                await self._look(self._watch)
                return None
        due = max(self._look_at, self._rests_until) if self._watch is not None else self._rests_until
        self._bell.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), due - now if due > now else None)
        return None

    async def _look(self, watch: Watch) -> None:
        try:
            found = await asyncio.to_thread(watch.look)
        except OSError as error:
            self._unusable(error)
            return
        self._is_unusable = False
        whose = self._settings.camera
        self._files.extend(
            _Picture(whose or one.folder or self._name, one.modified_ns, one, is_message=False) for one in found
        )

    async def _take(self, picture: _Picture) -> None:
        try:
            if await self._was_taken(picture):
                await self._settle(picture, refused=False)
                return
            values = await asyncio.to_thread(self._decoded, picture)
            key = self._key(picture.camera)
        except ImageRefused as refused:
            await self._settle(picture, refused=True)
            self._refuse(picture.camera, refused)  # counted once it has left its place
            return
        except OSError as error:  # it went, or can't be read
            self._error = f"{picture.camera}: {error.strerror}"
            if picture.is_message:
                await self._settle(picture, refused=True)
            return
        if await self._ask(picture, key, values):
            await self._settle(picture, refused=False)
            self._taken += 1
            return
        self._unanswered += 1
        self._files.clear()
        self._put_back(picture)
        self._rests_until = self._clock.monotonic() + REST_S

    def _put_back(self, picture: _Picture) -> None:
        if picture.is_message and self._spool is not None:  # a file of the folder is found again
            self._spool.put_back(picture.file)

    async def _was_taken(self, picture: _Picture) -> bool:
        """Has it been asked for before, without an answer in time or in an earlier life, and the result is stored?

        Where it isn't, it's asked for with the same time again.
        """
        noted, file = self._noted, picture.file
        if noted is None or (noted.path, noted.size, noted.modified_ns) != (file.path, file.size, file.modified_ns):
            return False
        self._noted = None
        if await self._is_stored(noted.camera, noted.ts_ns):
            return True
        picture.camera, picture.ts_ns = noted.camera, noted.ts_ns
        self._newest.pop(self._key(noted.camera), None)
        return False

    def _decoded(self, picture: _Picture) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        if picture.is_message and self._spool is not None:
            data = self._spool.read(picture.file)
        else:
            assert self._watch is not None  # noqa: S101  # where else is it from?
            data = self._watch.read(picture.file, self._limits.most_bytes)
        return row_of(data, self._want, self._settings.fit, self._limits)

    async def _ask(self, picture: _Picture, key: int, values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bool:
        newest, file = self._newest.get(key), picture.file
        if newest is not None and 0 <= newest - picture.ts_ns < NEAR_NS:  # files of one moment are several readings
            picture.ts_ns = newest + 1
        noted = Noted(file.path, file.size, file.modified_ns, picture.camera, picture.ts_ns)
        try:
            await asyncio.to_thread(self._notes.write, noted)
        except StorageUnusable as error:
            self._error = str(error)
            return False
        self._newest[key] = picture.ts_ns
        self._under_way = (key, picture.ts_ns)
        self._answered.clear()
        self._offer(
            FeatureRows(
                features=f"image-{self._want.width}x{self._want.height}x{self._want.channels}",
                deployment=self._name,
                places=self._places,
                key=np.array([key], np.int32),
                ts=np.array([picture.ts_ns], np.int64),
                values=values.reshape(1, -1),
                flags=no_flags(1),
                arrived=self._clock.monotonic(),
            )
        )
        try:
            await asyncio.wait_for(self._answered.wait(), PATIENCE_S)
        except TimeoutError:
            self._noted = noted
            return False
        finally:
            self._under_way = None
        return True

    def _key(self, camera: str) -> int:
        """Its number.

        Raises:
            ImageRefused: when there are too many.
        """
        if camera not in self._keys:
            if len(self._keys) >= MOST_CAMERAS:
                raise ImageRefused("name", f"{MOST_CAMERAS:,} cameras are known", "give others their own deployment")
            self._keys[camera] = len(self._places)
            self._places.append((self._node, camera))
        return self._keys[camera]

    async def _settle(self, picture: _Picture, *, refused: bool) -> None:
        try:
            if picture.is_message and self._spool is not None:
                await self._spool.settle(picture.file, refused=refused)
            elif self._watch is not None:
                await asyncio.to_thread(self._watch.settle, picture.file, refused=refused)
        except OSError as error:
            self._unusable(error)
            self._rests_until = self._clock.monotonic() + REST_S

    def _refuse(self, camera: str, refused: ImageRefused) -> None:
        self._refused, self._error = self._refused + 1, f"{camera}: {refused}"
        self._emit(ImageTurnedAway(self._name, camera, refused.reason, str(refused)))

    def _unusable(self, error: OSError) -> None:
        folder = str(error.filename or self._settings.folder)
        self._error = f"{folder}: {error.strerror}"
        if not self._is_unusable:
            self._is_unusable = True
            self._emit(ImageFolderUnusable(self._name, folder, str(error.strerror)))
