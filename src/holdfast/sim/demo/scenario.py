"""The demo's script: start everything, publish, cut the link halfway, restore it, drain, stop, audit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from rich.console import Console

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.kernel.clock import Clock
from holdfast.sim.cut import CutProxy
from holdfast.sim.demo.alerts import SeenAlert
from holdfast.sim.demo.plan import GATEWAY, HUB, DemoPlan
from holdfast.sim.demo.processes import Process, ProcessEnded
from holdfast.sim.demo.view import Scene, View
from holdfast.sim.demo.watch import Snapshot, Watch

START_S = 30.0
DRAIN_S = 60.0
LOOK_S = 0.25
LATE_TIMES, LATE_S = 3.0, 120.0
"""The devices may take so many times their time, and so many seconds: a busy machine plays late, and all of it."""
_decoder = msgspec.json.Decoder(SeenAlert)


class Run:
    """One run and everything it measured. Used by one task."""

    def __init__(self, plan: DemoPlan, clock: Clock, console: Console) -> None:
        self.plan = plan
        self.console = console
        self.scene = Scene(seconds=plan.seconds, devices=plan.devices)
        self.alerts: list[SeenAlert] = []
        self.outage_s = self.drain_s = 0.0
        self.backlog_max = 0
        self.uplink_bytes = 0
        self.clean_exits = True
        self.nodes: dict[str, Process] = {}
        self.told: dict[str, Any] = {}
        """What the fleet's process said last."""
        self._clock = clock
        self._proxy = CutProxy("127.0.0.1", plan.hub_port, port=plan.link_port)
        self._helpers: list[asyncio.Task[None]] = []
        self._subscriber: Process | None = None
        self._subscribed = asyncio.Event()
        self._last = (0.0, Snapshot(), 0)

    async def prepare(self) -> None:
        """Keys, token and settings files."""
        folder = self.plan.folder
        create_authority(folder)
        issue_certificate(folder, "hub", ["127.0.0.1", "localhost"])
        issue_token(folder / "gateway.token")
        self.plan.write()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both nodes and the alert subscriber, for as long as the block lasts; then stopped in order."""
        try:
            await self._start()
            yield
        finally:
            await self.stop()

    async def play(self, view: View) -> None:
        """Publish, cut, restore, drain."""
        started = self._clock.monotonic()
        fleet = await self._start_fleet()
        cut_at = (self.plan.seconds - self.plan.outage) / 2
        watch = Watch(self.plan)
        cut_since: float | None = None
        try:
            while fleet.is_running:
                elapsed = self._clock.monotonic() - started
                if self.plan.outage and cut_since is None and elapsed >= cut_at:
                    await self._proxy.cut()
                    cut_since = elapsed
                    self.scene.phase, self.scene.link_up = "outage", False
                if cut_since is not None and not self.scene.link_up and elapsed >= cut_since + self.plan.outage:
                    await self._restore(elapsed - cut_since)
                await self._look(watch, view, elapsed)
                fleet.demand_ended(elapsed, LATE_TIMES * self.plan.seconds + LATE_S)
            if not self.scene.link_up and cut_since is not None:
                await self._restore(self._clock.monotonic() - started - cut_since)
            await self._drain(watch, view, started)
        finally:
            watch.close()
            await fleet.stop()

    async def stop(self) -> None:
        """Stop the nodes (gateway first), then the rest."""
        for name in (GATEWAY, HUB):
            if name in self.nodes:
                status = await self.nodes.pop(name).stop()
                self.clean_exits = self.clean_exits and status == 0
        self.uplink_bytes = self._proxy.up_bytes
        await self._proxy.stop()
        if self._subscriber is not None:
            await self._subscriber.stop(2.0)
        for task in self._helpers:
            task.cancel()
        await asyncio.gather(*self._helpers, return_exceptions=True)

    async def _start(self) -> None:
        plan = self.plan
        await self._proxy.start()
        for name, port in ((HUB, plan.hub_port), (GATEWAY, plan.mqtt_port)):
            arguments = ["holdfast", "run", str(plan.settings_file(name))]
            self.nodes[name] = await Process.start(name, arguments, plan.folder)
            await self.nodes[name].wait_for_port(port, START_S)
        arguments = ["holdfast.sim.demo.alerts", str(plan.mqtt_port), "alerts/#"]
        self._subscriber = await Process.start("subscriber", arguments, plan.folder, piped=True)
        self._helpers.append(asyncio.create_task(self._read_alerts(self._subscriber)))
        try:
            async with asyncio.timeout(START_S):
                await self._subscribed.wait()
        except TimeoutError:
            said = f"no subscription to alerts after {START_S:g} s\n{self._subscriber.last_words()}"
            raise ProcessEnded("subscriber", self._subscriber.handle.returncode, said) from None

    async def _start_fleet(self) -> Process:
        fleet = await Process.start("fleet", self.plan.fleet(), self.plan.folder, piped=True)
        self._helpers.append(asyncio.create_task(self._read_progress(fleet)))
        self.scene.phase = "running"
        return fleet

    async def _restore(self, lasted: float) -> None:
        await self._proxy.restore()
        self.outage_s = lasted
        self.scene.phase, self.scene.link_up = "catching up", True

    async def _drain(self, watch: Watch, view: View, started: float) -> None:
        """Wait until the hub has every row, or until the deadline: then the audit says what is missing."""
        began = self._clock.monotonic()
        self.scene.phase = "draining"
        while self._clock.monotonic() - began < DRAIN_S:
            await self._look(watch, view, self._clock.monotonic() - started)
            if not self.scene.snapshot.waiting and self.scene.snapshot.gateway_rows:
                break
        self.drain_s = self._clock.monotonic() - began

    async def _look(self, watch: Watch, view: View, elapsed: float) -> None:
        for node in self.nodes.values():
            node.demand_running()
        scene = self.scene
        scene.snapshot = await watch.look()
        scene.elapsed = elapsed
        if not self.plan.tells_progress:
            scene.published = scene.acked = scene.snapshot.counters.get("messages_received", 0)
        scene.uplink_bytes = self._proxy.up_bytes
        scene.gateway_mb, scene.hub_mb = self.nodes[GATEWAY].rss_mb(), self.nodes[HUB].rss_mb()
        scene.backlog_history.append(scene.snapshot.waiting)
        self.backlog_max = max(self.backlog_max, scene.snapshot.waiting)
        self._rates()
        view.show(scene)
        await asyncio.sleep(LOOK_S)

    def _rates(self) -> None:
        scene, now = self.scene, self._clock.monotonic()
        then, before, bytes_before = self._last
        seconds = now - then
        if seconds < 1.0:
            return
        received = "messages_received"
        scene.messages_per_s = (scene.snapshot.counters.get(received, 0) - before.counters.get(received, 0)) / seconds
        scene.readings_per_s = (scene.snapshot.gateway_rows - before.gateway_rows) / seconds
        scene.link_kbit_s = (scene.uplink_bytes - bytes_before) * 8 / 1000 / seconds
        self._last = (now, scene.snapshot, scene.uplink_bytes)

    async def _read_alerts(self, process: Process) -> None:
        stdout = process.handle.stdout
        while stdout is not None and (line := await stdout.readline()):
            if line.startswith(b'"ready"'):
                self._subscribed.set()
                continue
            alert = _decoder.decode(line)
            self.alerts.append(alert)
            if alert.kind == "alert.raised":
                self.scene.alert_count += 1
                self.scene.alerts.append((alert.message, (alert.wall_ns - alert.ts) / 1e6))

    async def _read_progress(self, fleet: Process) -> None:
        stdout = fleet.handle.stdout
        while stdout is not None and (line := await stdout.readline()):
            with contextlib.suppress(msgspec.DecodeError):
                progress = self.told = msgspec.json.decode(line)
                self.scene.published = progress.get("published", self.scene.published)
                self.scene.acked = progress.get("acked", self.scene.acked)
