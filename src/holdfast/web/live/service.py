"""The live channel's door: takes viewers, turns four times a second while there are any, and sends them frames."""

import asyncio
import contextlib
from collections import Counter
from functools import partial

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from holdfast.kernel.errors import HoldfastError
from holdfast.web.answers import Failure
from holdfast.web.deps import WebDeps
from holdfast.web.devices import Devices
from holdfast.web.gate import Gate
from holdfast.web.live.messages import Topic, Trouble, Unwatch, Watch, asked
from holdfast.web.live.sources import Sources
from holdfast.web.live.viewer import Viewer
from holdfast.web.live.watches import (
    LastWatch,
    LogsWatch,
    ReadingsWatch,
    StatusWatch,
    Watching,
    alert_watch,
    device_watch,
    event_watch,
)
from holdfast.web.responses import answer
from holdfast.web.series import Series

MOST_VIEWERS = 32
TURN_S = 0.25
PATH = "/api/v1/live"
GOING_AWAY = 1001
_HINT = "see docs/reference/http-api.md, Live"


class Live:
    """The live channel of one node. Loop thread only."""

    def __init__(self, deps: WebDeps, gate: Gate, series: Series, devices: Devices | None) -> None:
        """gate: shared by all questions about the past; series, devices: who looks up what was before the start."""
        self._deps, self._series, self._devices = deps, series, devices
        self._sources = Sources(deps, gate)
        self._viewers: dict[Viewer, asyncio.Event] = {}
        self._turning: asyncio.Task[None] | None = None
        deps.past.known.listener = self._sources.following.take
        deps.telemetry.gauge("live_viewers", "Pages and programs on the live channel.", lambda: len(self._viewers))

    def routes(self) -> list[WebSocketRoute]:
        """The path."""
        return [WebSocketRoute(PATH, self.serve)]

    async def serve(self, socket: WebSocket) -> None:
        """One viewer, from its first to its last frame. The door has looked at where it comes from."""
        if len(self._viewers) >= MOST_VIEWERS:
            await _deny(socket, 503, f"{MOST_VIEWERS} viewers look already", "close a page, or ask by HTTP")
            return
        viewer, wake = Viewer(self._deps.clock.monotonic()), asyncio.Event()
        self._viewers[viewer] = wake  # before the first await: the bound holds
        tasks: list[asyncio.Task[None]] = []
        try:
            await socket.accept()
            if self._turning is None or self._turning.done():
                self._turning = asyncio.create_task(self._turn(), name="live")
            tasks = [asyncio.create_task(one) for one in (self._hear(socket, viewer), self._send(socket, viewer, wake))]
            done, _ = await asyncio.wait([*tasks, self._turning], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # what went wrong ends the connection; the page comes back
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            del self._viewers[viewer]
            viewer.close()
            await self._rest()

    async def _rest(self) -> None:
        """With the last viewer the turns end, too: a node that stops leaves no task behind."""
        if not self._viewers and self._turning is not None:
            turning, self._turning = self._turning, None
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)

    async def _turn(self) -> None:
        watched = Counter[Topic]()
        try:
            while self._viewers:
                before, watched = watched, Counter(topic for viewer in self._viewers for topic in viewer.topics)
                for topic in before.keys() - watched.keys():
                    self._sources.forget(topic)
                self._sources.turn(self._deps.clock.monotonic(), watched)
                for wake in list(self._viewers.values()):
                    wake.set()
                    await asyncio.sleep(0)  # between two viewers' frames devices are heard, too
                await asyncio.sleep(TURN_S)
        finally:
            for topic in watched:
                self._sources.forget(topic)

    async def _send(self, socket: WebSocket, viewer: Viewer, wake: asyncio.Event) -> None:
        clock = self._deps.clock
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the latter: it was closed meanwhile
            while not viewer.pace.is_gone(clock.monotonic()):
                await wake.wait()
                wake.clear()
                frame = viewer.frame(clock.monotonic(), clock.wall_ns())
                if frame is not None:
                    await socket.send_text(frame.decode())  # waits while the viewer's side takes nothing
            await socket.close(GOING_AWAY, "frames were left unseen")

    async def _hear(self, socket: WebSocket, viewer: Viewer) -> None:
        while True:
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            try:
                said = asked(message.get("text") or "")
            except msgspec.MsgspecError as error:
                viewer.refuse("", Trouble(f"the frame can't be read: {error}"[:300], _HINT))
                continue
            if isinstance(said, Watch):
                await self._watch(viewer, said)
            elif isinstance(said, Unwatch):
                viewer.unwatch(said.id)
            else:
                viewer.pace.seen(said.n, self._deps.clock.monotonic())

    async def _watch(self, viewer: Viewer, wanted: Watch) -> None:
        try:
            if wanted.topic == "last":
                ids = LastWatch(self._sources, self._deps.past.known, wanted).ids
                await self._series.recall_a_while(ids)
            elif wanted.topic == "devices" and self._devices is not None:
                await self._devices.recall_children()
            viewer.watch(wanted, partial(self._made, wanted), self._deps.clock.monotonic())
        except HoldfastError as error:
            viewer.refuse(wanted.id, Trouble(str(error), error.hint))

    def _made(self, wanted: Watch) -> Watching:
        sources = self._sources
        match wanted.topic:
            case "status":
                return StatusWatch(sources)
            case "last":
                return LastWatch(sources, self._deps.past.known, wanted)
            case "readings":
                return ReadingsWatch(sources, self._deps.catalogue, wanted.series)
            case "alerts":
                return alert_watch(sources)
            case "devices":
                return device_watch(sources, wanted)
            case "events":
                return event_watch(sources)
            case "logs":
                return LogsWatch(sources)


async def _deny(socket: WebSocket, status: int, sentence: str, hint: str) -> None:
    await socket.send_denial_response(answer(Failure(sentence, hint), status))
