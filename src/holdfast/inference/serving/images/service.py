"""Pictures at work: a folder's files and messages' bytes, decoded in a thread, one at a time, as rows to serving.

One picture of a deployment is under way at a time: the next is decoded when the last one's result is stored, so that
none is passed over for a newer one and memory is bounded. A file leaves its place when its result is stored; one that
gets none (its model is broken and nothing else answers) stays, and is tried again later.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from msgspec import Struct

from holdfast.inference.card import Image
from holdfast.inference.serving.images.decoding import Limits, row_of
from holdfast.inference.serving.images.errors import ImageRefused, Reason
from holdfast.inference.serving.images.settings import ImageSettings
from holdfast.inference.serving.images.watching import Found, Watch
from holdfast.inference.serving.schedule import Emit
from holdfast.kernel.clock import Clock
from holdfast.model.features import FeatureRows, no_flags
from holdfast.model.predictions import Results
from holdfast.telemetry.happenings import Happening, Level

PATIENCE_S = 30.0
"""A picture without a result after that gets none."""
REST_S = 60.0
"""After one without a result, files wait for so long."""
MOST_CAMERAS = 1000


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


class ImageStatus(Struct, frozen=True):
    """How it goes with a deployment's pictures, since the start. unanswered: no result came; waiting: messages."""

    deployment: str
    state: Literal["ok", "resting", "folder_unusable"]
    taken: int
    refused: int
    unanswered: int
    waiting: int
    last_error: str


@dataclass(slots=True)
class _Picture:
    camera: str
    ts_ns: int
    data: bytes | None = None
    file: Found | None = None


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
    ) -> None:
        """offer: rows for the deployment's models. The owner calls `stored` when their results are."""
        self._name, self._settings, self._want, self._node = deployment, settings, want, node
        self._clock, self._offer, self._emit = clock, offer, emit
        self._limits = Limits(settings.most_pixels, settings.most_bytes)
        deletes = settings.then == "delete"
        self._watch = Watch(Path(settings.folder), deletes=deletes, keep=settings.keep) if settings.folder else None
        self._messages: deque[_Picture] = deque()
        self._files: deque[_Picture] = deque()
        self._places: list[tuple[str, str]] = []
        self._keys: dict[str, int] = {}
        self._newest: dict[int, int] = {}
        self._bell = asyncio.Event()
        self._under_way: tuple[int, int] | None = None
        self._answered = asyncio.Event()
        self._look_at, self._rests_until = 0.0, 0.0
        self._taken, self._refused, self._unanswered, self._error, self._is_unusable = 0, 0, 0, "", False

    def submit(self, camera: str, data: bytes, ts_ns: int | None = None) -> None:
        """A picture that came as a message. ts_ns: when it was taken, UTC; None = now.

        Raises:
            ImageRefused: when it's too large, or too many wait.
        """
        if len(data) > self._settings.most_bytes:
            raise self._refuse(camera, ImageRefused("too_large", f"{len(data):,} bytes", "raise `most_bytes`"))
        if len(self._messages) >= self._settings.waiting:
            raise self._refuse(camera, ImageRefused("busy", f"{len(self._messages)} pictures wait", "send it later"))
        self._messages.append(_Picture(camera, self._clock.wall_ns() if ts_ns is None else ts_ns, data))
        self._bell.set()

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
            waiting=len(self._messages),
            last_error=self._error,
        )

    async def run(self) -> None:
        """Take pictures, for ever."""
        while True:
            if (picture := await self._next()) is not None:
                await self._take(picture)

    async def _next(self) -> _Picture | None:
        """Messages first: they can't wait on a disk."""
        if self._messages:
            return self._messages.popleft()
        now = self._clock.monotonic()
        if self._files and now >= self._rests_until:
            return self._files.popleft()
        if self._watch is not None and now >= max(self._look_at, self._rests_until):
            self._look_at = now + self._settings.every
            await self._look(self._watch)
            return None
        due = max(self._look_at, self._rests_until) - now if self._watch is not None else None
        self._bell.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), due)
        return None

    async def _look(self, watch: Watch) -> None:
        try:
            found = await asyncio.to_thread(watch.look)
        except OSError as error:
            self._unusable(error)
            return
        self._is_unusable = False
        whose = self._settings.camera
        self._files.extend(_Picture(whose or one.folder or self._name, one.modified_ns, file=one) for one in found)

    async def _take(self, picture: _Picture) -> None:
        try:
            values = await asyncio.to_thread(self._decoded, picture)
        except ImageRefused as refused:
            self._refuse(picture.camera, refused)
            await self._settle(picture, refused=True)
            return
        except OSError as error:  # it went, or can't be read
            self._error = f"{picture.camera}: {error.strerror}"
            return
        if await self._ask(picture, values):
            self._taken += 1
            await self._settle(picture, refused=False)
            return
        self._unanswered += 1
        self._files.clear()
        self._rests_until = self._clock.monotonic() + (REST_S if picture.file is not None else 0.0)

    def _decoded(self, picture: _Picture) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        data = picture.data
        if data is None:
            assert picture.file is not None and self._watch is not None  # noqa: S101, PT018  # one of the two
            data = self._watch.read(picture.file, self._limits.most_bytes)
        return row_of(data, self._want, self._settings.fit, self._limits)

    async def _ask(self, picture: _Picture, values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bool:
        key = self._key(picture.camera)
        if self._newest.get(key) == picture.ts_ns:  # two files of one moment are two readings
            picture.ts_ns += 1
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
            return False
        finally:
            self._under_way = None
        return True

    def _key(self, camera: str) -> int:
        if camera not in self._keys:
            if len(self._keys) >= MOST_CAMERAS:
                camera = self._places[-1][1]
            else:
                self._keys[camera] = len(self._places)
                self._places.append((self._node, camera))
        return self._keys[camera]

    async def _settle(self, picture: _Picture, *, refused: bool) -> None:
        if picture.file is None or self._watch is None:
            return
        try:
            await asyncio.to_thread(self._watch.settle, picture.file, refused=refused)
        except OSError as error:
            self._unusable(error)
            self._rests_until = self._clock.monotonic() + REST_S

    def _refuse(self, camera: str, refused: ImageRefused) -> ImageRefused:
        self._refused, self._error = self._refused + 1, f"{camera}: {refused}"
        self._emit(ImageTurnedAway(self._name, camera, refused.reason, str(refused)))
        return refused

    def _unusable(self, error: OSError) -> None:
        self._error = f"{self._settings.folder}: {error.strerror}"
        if not self._is_unusable:
            self._is_unusable = True
            self._emit(ImageFolderUnusable(self._name, self._settings.folder, str(error.strerror)))
