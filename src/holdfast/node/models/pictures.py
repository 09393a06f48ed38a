"""A node's pictures: messages on topics of cameras are kept on disk, then acknowledged; cameras follow their models.

    message ──admit──▶ spool (fsync) ──▶ receipt      camera: spool, folder ──▶ rows ──▶ serving ──▶ results stored

A deployment's spool takes pictures whether or not its model is here; its camera works while the model is: it begins
when the model comes and rests when it's removed. Loop thread only.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from holdfast.adapters.port import Arrival, TellingReceipt, Unwanted
from holdfast.codecs.topics import DEVICE, TopicPattern, compile_pattern, name_fault
from holdfast.history.gathering import Points
from holdfast.history.question import Question
from holdfast.history.rows import Texts
from holdfast.history.tiers import Asked
from holdfast.inference.errors import ModelUnknown
from holdfast.inference.serving.images.errors import ImageRefused
from holdfast.inference.serving.images.service import Images, ImageTurnedAway
from holdfast.inference.serving.images.settings import ImageSettings
from holdfast.inference.serving.images.spool import Spool
from holdfast.inference.serving.images.status import ImageStatus
from holdfast.inference.serving.images.under_way import Notes
from holdfast.journal.writer import Condition
from holdfast.kernel.errors import HoldfastError
from holdfast.model.predictions import Results, metric_of
from holdfast.model.series import Kind, Series
from holdfast.node.models.happenings import CamerasFailed
from holdfast.node.models.planning import Work
from holdfast.storage.errors import StorageUnusable

if TYPE_CHECKING:
    from holdfast.node.models.service import Models
    from holdfast.node.node import Node

FOLDER = "pictures"
"""Of the data folder: a folder for each deployment that takes pictures."""
LOOK_S = 1.0
REST_S = 30.0
"""Between tries of a camera that failed."""
_KNOWN_TOPICS = 20_000


@dataclass(frozen=True, slots=True)
class _Door:
    """One deployment's way in for messages."""

    deployment: str
    camera: str
    pattern: TopicPattern
    spool: Spool


class Pictures:
    """See the module. Implements `intake.taps.Diversion`."""

    def __init__(self, models: "Models", node: "Node") -> None:
        """Take over the topics; what earlier lives left is taken up by `run`.

        Raises:
            StorageUnusable: when a spool can't be made or read.
        """
        self._models, self._node = models, node
        self.cameras: dict[str, Images] = {}
        """By deployment, since their models came."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, tuple[str, float]] = {}
        self._keeping: set[asyncio.Task[None]] = set()
        self._known: dict[str, tuple[tuple[_Door, str], ...]] = {}
        self._doors = tuple(self._door(name, one) for name, one in self._settings() if one.topic)
        if self._doors:
            node.commands.taps.divert(self)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs with the node, by name."""
        if any(True for _ in self._settings()):
            yield "pictures", self.run()

    def stored(self, results: Results) -> None:
        """These results are safe."""
        if results.deployment in self.cameras:
            self.cameras[results.deployment].stored(results)

    def largest(self, topic: str) -> int:
        """Bytes of the largest picture that is taken on a topic; 0 = none is."""
        return min((door.spool.largest for door, _ in self._of(topic)), default=0)

    def status(self, deployment: str) -> ImageStatus | None:
        """How it goes; None = it takes no pictures."""
        settings = dict(self._settings()).get(deployment)
        if settings is None:
            return None
        camera = self.cameras.get(deployment)
        told = ImageStatus(deployment, "no_model") if camera is None else camera.status()
        if deployment not in self._tasks:
            told = msgspec.structs.replace(told, state="no_model")
        if deployment in self._failed:
            told = msgspec.structs.replace(told, last_error=self._failed[deployment][0])
        spool = next((door.spool for door in self._doors if door.deployment == deployment), None)
        if spool is None:
            return told
        return msgspec.structs.replace(
            told,
            refused=told.refused + spool.refused,
            waiting=spool.waiting,
            waiting_bytes=spool.waiting_bytes,
            last_error=told.last_error or spool.last_error,
        )

    def statuses(self) -> list[ImageStatus]:
        """Of all deployments that take pictures."""
        return [one for name, _ in self._settings() if (one := self.status(name)) is not None]

    # Cameras

    async def run(self) -> None:
        """Have cameras at work for models that are here, for ever."""
        try:
            while True:
                if self._models.is_up:
                    await self._follow()
                await asyncio.sleep(LOOK_S)
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        now = self._models.clock.monotonic()
        for name, settings in self._settings():
            is_wanted = await asyncio.to_thread(self._is_here, name)
            task = self._tasks.get(name)
            if task is not None and (task.done() or not is_wanted):
                del self._tasks[name]
                task.cancel()
                (found,) = await asyncio.gather(task, return_exceptions=True)
                if isinstance(found, Exception):
                    self._tell(name, f"{found}" or type(found).__name__, now)
            elif task is None and is_wanted and now >= self._failed.get(name, ("", 0.0))[1]:
                self._failed.pop(name, None)
                self._tasks[name] = asyncio.ensure_future(self._camera(name, settings).run())

    def _tell(self, name: str, error: str, now: float) -> None:
        self._failed[name] = error, now + REST_S
        self._models.telemetry.emit(CamerasFailed(deployment=name, error=error[:500]))

    def _is_here(self, name: str) -> bool:
        """Is the active version's folder there? Blocking."""
        work, life = self._models.works[name], self._models.lives.lives.get(name)
        if life is None or work.card is None or work.card.inputs.image is None:
            return False
        try:
            return self._models.shelves.entry(life.book.active).folder.is_dir()
        except ModelUnknown:
            return False

    def _camera(self, name: str, settings: ImageSettings) -> Images:
        """The one there was, or a new one."""
        if name not in self.cameras:
            models, work = self._models, self._models.works[name]
            assert work.card is not None  # noqa: S101  # looked at before
            assert work.card.inputs.image is not None  # noqa: S101  # likewise
            folder = str(self._node.plan.path(settings.folder)) if settings.folder else ""
            self.cameras[name] = Images(
                name,
                msgspec.structs.replace(settings, folder=folder),
                work.card.inputs.image,
                node=models.node,
                clock=models.clock,
                offer=models.rows,
                emit=models.telemetry.emit,
                notes=Notes(self._folder(name)),
                is_stored=partial(self._is_stored, work),
                spool=next((door.spool for door in self._doors if door.deployment == name), None),
            )
        return self.cameras[name]

    async def _is_stored(self, work: Work, camera: str, ts_ns: int) -> bool:
        """Is there a result of this camera and time?"""
        parts = (("score", Kind.FLOAT), ("label", Kind.TEXT))
        catalogue, node = self._node.journal.catalogue, self._models.node
        series = [Series(node, camera, metric_of(work.name, part), "", kind) for part, kind in parts]
        ids = [one for one in map(catalogue.find, series) if one is not None]
        if not ids:
            return False
        texts = Texts()
        question = Question(np.array(sorted(ids), np.int32), ts_ns, ts_ns + 1)
        asked = Asked(question, texts, (), 1, sites=False, parent=False)
        tiers = self._node.history.tiers
        points, _ = await asyncio.to_thread(tiers.gather, lambda: Points(question, texts, 1), asked)
        return len(points.rows) > 0

    # Messages

    def claims(self, topic: str) -> bool:
        """See `Diversion`."""
        return bool(self._of(topic))

    def take(self, arrival: Arrival) -> None:
        """See `Diversion`."""
        task = asyncio.ensure_future(self._keep(arrival, self._admitted(arrival)))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def _of(self, topic: str) -> tuple[tuple[_Door, str], ...]:
        """Who takes a topic's pictures, and whose they are."""
        found = self._known.get(topic)
        if found is None:
            if len(self._known) >= _KNOWN_TOPICS:
                self._known.clear()
            held = [(door, door.pattern.device(topic)) for door in self._doors]
            found = self._known[topic] = tuple(
                (door, name if DEVICE in door.pattern.captures else door.camera)
                for door, name in held
                if name is not None
            )
        return found

    def _admitted(self, arrival: Arrival) -> dict[int, Unwanted]:
        """Reserve room for all that can be taken; by place, why others can't. A picture is taken everywhere or not."""
        unwanted = dict[int, Unwanted]()
        for place, payload in enumerate(arrival.payloads):
            reserved = list[Spool]()
            for door, camera in self._of(arrival.topic):
                try:
                    self._admit(door, camera, payload)
                except ImageRefused as refused:
                    self._refused(door, camera, refused)
                    unwanted[place] = Unwanted(refused.reason, str(refused), refused.hint)
                    for spool in reserved:
                        spool.drop(len(payload))
                    break
                reserved.append(door.spool)
        return unwanted

    def _admit(self, door: _Door, camera: str, payload: bytes) -> None:
        if DEVICE in door.pattern.captures and (fault := name_fault(camera)):
            raise ImageRefused("name", fault, "the topic's level that is `{device}` names the camera")
        if self._node.journal.condition is not Condition.OK:
            said = f"the journal is {self._node.journal.condition.value}"
            raise ImageRefused("busy", said, "see the node's status")
        door.spool.admit(camera, payload)

    async def _keep(self, arrival: Arrival, unwanted: dict[int, Unwanted]) -> None:
        """Write them, then say so."""
        for place, payload in enumerate(arrival.payloads):
            for door, camera in () if place in unwanted else self._of(arrival.topic):
                try:
                    await door.spool.keep(camera, bytes(payload), arrival.received_ns)
                except ImageRefused as refused:
                    self._refused(door, camera, refused)
                    unwanted[place] = Unwanted(refused.reason, str(refused), refused.hint)
        if isinstance(arrival.receipt, TellingReceipt) and unwanted:
            arrival.receipt.turn_away(unwanted)
        elif any(one.reason == "busy" for one in unwanted.values()):
            arrival.receipt.refuse()
        else:
            await self._settle(arrival, unwanted)

    async def _settle(self, arrival: Arrival, unwanted: dict[int, Unwanted]) -> None:
        """All that will ever be taken is on disk."""
        if arrival.annex is not None:  # the packet identifiers of QoS 2, what local subscribers are owed
            try:
                await self._node.journal.submit(arrival.annex.writing())
            except HoldfastError:
                arrival.receipt.refuse()
                return
        if arrival.verdicts is not None:
            for place, one in unwanted.items():
                arrival.verdicts.refused(place, one.reason, one.sentence)
        arrival.receipt.settle()

    def _refused(self, door: _Door, camera: str, refused: ImageRefused) -> None:
        door.spool.refused += 1
        door.spool.last_error = f"{camera}: {refused}"
        self._models.telemetry.emit(ImageTurnedAway(door.deployment, camera, refused.reason, str(refused)))

    # Settings

    def _settings(self) -> Iterator[tuple[str, ImageSettings]]:
        for name, work in self._models.works.items():
            if work.settings.images is not None:
                yield name, work.settings.images

    def _folder(self, deployment: str) -> Path:
        return self._node.plan.data / FOLDER / deployment

    def _door(self, name: str, one: ImageSettings) -> _Door:
        spool = Spool(self._folder(name) / "waiting", one.waiting, one.waiting_bytes, one.most_bytes)
        try:
            spool.recall()
        except OSError as error:
            raise StorageUnusable(f"{spool.root} can't be used: {error.strerror}") from error
        return _Door(name, one.camera or name, compile_pattern(one.topic), spool)
