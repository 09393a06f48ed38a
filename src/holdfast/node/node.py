"""The composition root: a plan becomes a running node, and a running node drains and ends.

Order of start: journal, rules' state, uplink, API, devices last (nothing is accepted that couldn't be kept). Order of
stop: devices first, then what is queued is committed and settled, then the uplink gets a while, then the journal.
"""

import asyncio
import contextlib
import random
import uuid
from collections.abc import Coroutine
from functools import partial
from typing import Any, Literal

import numpy as np

from holdfast.adapters.mqtt.server import MqttServer
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.devices.service import DeviceService
from holdfast.history.lake.compact import may_leave
from holdfast.history.lake.opening import open_lake
from holdfast.history.lake.service import Keeper
from holdfast.history.lake.workshop import ChildWorkshop
from holdfast.history.last_values import LastValues
from holdfast.ingest.service import IngestService
from holdfast.intake.children import ChildRules, place
from holdfast.intake.prepare import Preparer
from holdfast.intake.replay import Quarantine
from holdfast.intake.seen import SeenKeys
from holdfast.intake.service import IntakeService
from holdfast.intake.skew import SkewTable
from holdfast.intake.uplinks import UplinkInbox
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.opening import Access, read_key
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.node.adapters import Adapters
from holdfast.node.backup import Backups
from holdfast.node.commanding import Commanding
from holdfast.node.edge.service import Edge
from holdfast.node.ending import ended
from holdfast.node.filtering import Filtering
from holdfast.node.foreign import make_routes
from holdfast.node.happenings import JournalConditionChanged, NodeStarted, NodeStopped, NodeStopping
from holdfast.node.health import periodic
from holdfast.node.machine import is_clock_synchronised
from holdfast.node.measuring import measure
from holdfast.node.models.making import make_models
from holdfast.node.notifying import make_notify
from holdfast.node.parent_link import HttpsParentLink
from holdfast.node.residency import key_of, leaving_of
from holdfast.node.rulebook import RuleBook
from holdfast.node.settings import NodePlan, foreign_words
from holdfast.node.shared_documents import shared_documents
from holdfast.node.surroundings import Surroundings
from holdfast.node.timekeeper import Timekeeper, keep_time
from holdfast.node.told_devices import ToldDevices
from holdfast.node.upkeep import Upkeep, report_found
from holdfast.node.web import build_server
from holdfast.queues.service import QueueService
from holdfast.residency.service import Residency
from holdfast.storage.errors import DiskFull
from holdfast.stream.engine import Engine
from holdfast.stream.happenings import tell_refused
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.server import WebServer
from holdfast.uplink.repairs import Repairs
from holdfast.uplink.service import UplinkService

DRAIN_S = 5.0
CONDITIONS: dict[Condition, Literal["ok", "full", "poisoned", "closed"]] = {
    Condition.OK: "ok",
    Condition.FULL: "full",
    Condition.POISONED: "poisoned",
    Condition.CLOSED: "closed",
}


class Node:
    """One node's parts, made from its plan. Made and used on one event loop."""

    is_serving = False
    web: WebServer | None = None
    _reloading: asyncio.Future[None] | None = None

    def __init__(self, plan: NodePlan, clock: Clock, telemetry: Telemetry) -> None:
        """Open the journal and build everything on it; no socket is opened yet.

        Raises:
            HoldfastError: when the journal can't be opened, or a key or token can't be used.
        """
        self.plan, self.telemetry, settings = plan, telemetry, plan.settings
        key = read_key(settings.journal.key, plan.folder, plan.data / FILE_NAME)
        self.journal = Journal(Access(plan.data / FILE_NAME, key), settings.node, settings.journal, clock)
        self.journal.on_condition(self._journal_changed)
        self.timekeeper = Timekeeper(
            settings.clock,
            self.journal,
            clock,
            telemetry,
            is_clock_synchronised,
            has_parent=settings.parent is not None,
        )
        self.clock = clock = self.timekeeper.clock
        self._started_ns = clock.boottime_ns()
        secret = key_of(plan)
        self.leaving = leaving_of(plan, secret, self.journal, clock)
        self.residency = Residency(self.leaving.policy, secret, self.journal, clock, telemetry)
        self.last_values = LastValues(self.journal.catalogue, heads={lane: self.journal.head(lane) for lane in Lane})
        self.skew, self.seen = SkewTable(self.journal.catalogue), self._recall_seen()
        self.devices = DeviceService(settings.devices, self.journal, clock, telemetry)
        self.scripts, self.intake, self.uplinks = self._make_intake()
        self.quarantine, self.commands = self._make_quarantine(), Commanding(self)
        self.told_devices, self.mqtt = ToldDevices(self), self._make_mqtt()
        self.ingest = self._make_ingest()
        self.notify = make_notify(self)
        self.queues = QueueService(self.journal, settings.queues, clock, telemetry, lambda: uuid.uuid4().hex)
        self.link = None if settings.parent is None else HttpsParentLink(settings.parent, plan.path)
        self.uplink = self._make_uplink()
        self.edge = Edge(plan, self.commands.taps, clock, telemetry)
        self.routes = make_routes(plan, self.journal, self.timekeeper, clock, telemetry)
        self.backups = self._make_backups()
        self.keeper = self._make_keeper()
        self.surroundings = around = Surroundings(self)
        self.history, self.asking_door, self.artifacts = around.history, around.door, around.artifacts
        self.documents, self.models = shared_documents(self.plan, self.journal, clock, telemetry), make_models(self)
        self._attach_timekeeper()
        self.adapters, self.upkeep = Adapters(clock, telemetry, self.mqtt, self.edge), self._make_upkeep()
        measure(self)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Bring the parts up.

        Raises:
            HoldfastError: when a port can't be had.
        """
        settings = self.plan.settings
        await self.residency.apply()
        replayed = await asyncio.to_thread(self.intake.replay)
        replayed += await self.rulebook.start()
        if self.mqtt is not None:  # before anything is decided: an alert must find the sessions that wait for it
            self.mqtt.restore_retained(self.journal.retained())
            self.mqtt.on_retained(self._retain)
            await self.mqtt.recall()
        await self.commands.start(self.mqtt, self.ingest)
        self.intake.start()
        await report_found(self.journal, self.clock, self.telemetry)
        await self.queues.start()
        await self.notify.start()
        if settings.api is not None:
            self.web = build_server(self, settings.api)
            await self.web.start()
        self._spawn(self.timekeeper.run(), "timekeeper")
        self._spawn(self.upkeep.run(), "upkeep")
        self._spawn(self.residency.run(), "residency")
        self._spawn(self.devices.run(), "devices")
        self._spawn(self.surroundings.audit.run(), "audit")
        if self.backups is not None:
            self._spawn(self.backups.run(), "backup")
        if self.keeper is not None:
            self._spawn(self.keeper.run(), "history")
        self._spawn_syncing()
        if self.mqtt is not None:
            await self.mqtt.start()
        self.is_serving = True
        self._spawn_adapters()
        self.telemetry.emit(
            NodeStarted(
                node=settings.node,
                incarnation=self.journal.incarnation,
                mqtt=f"{self.mqtt.port}" if self.mqtt else "off",
                api=f"{self.web.address}" if self.web else "off",
                replayed_rows=replayed,
            )
        )

    def reload(self) -> None:
        """Read the files of certificates, users and rules again now; it's done every few seconds anyway."""
        if not self.is_serving:
            return
        if self.mqtt is not None:
            self.mqtt.reload()
        self._reloading = asyncio.ensure_future(self.rulebook.look())

    def _spawn_adapters(self) -> None:
        for name, reading in (*self.edge.tasks(), *periodic(self)):
            self._spawn(reading, name)

    def _spawn_syncing(self) -> None:
        parts = (self.rulebook, self.commands, self.told_devices, self.filtering, self.models, self.artifacts)
        for name, service in (task for part in parts for task in part.tasks()):
            self._spawn(service, name)
        if self.uplink is not None:
            self._spawn(self.uplink.run(), "uplink")
        for route in self.routes:
            self._spawn(route.run(), f"route {route.name}")
        for name, service in self.notify.tasks():
            self._spawn(service, name)
        if self.uplink is not None and self.link is not None:
            self._spawn(Repairs(self.journal, self.link, self.telemetry, self._branch).run(), "repairs")
        for inquiries in self.surroundings.inquiries():
            self._spawn(inquiries.run(), "questions")
        if self.documents is not None and self.documents.exchanges is not None:
            self._spawn(self.documents.exchanges.run(), "documents")

    async def run(self, stop: asyncio.Event) -> HoldfastError | None:
        """Serve until `stop` is set or the node can't go on; returns why it can't."""
        stopping = asyncio.ensure_future(stop.wait())
        ends: list[asyncio.Future[Any]] = [stopping, self.intake.failed, *self._tasks]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        failure = self._failure()
        self.telemetry.emit(NodeStopping(reason=str(failure) if failure else "asked to"))
        await self.stop(DRAIN_S)
        return failure

    async def stop(self, deadline_s: float) -> None:
        """Drain within the deadline, then close everything."""
        drained = await self._drain(deadline_s)
        await ended(self._tasks)
        await self.surroundings.close()
        await self.scripts.close()
        if self.web is not None:
            await self.web.stop(1.0)
        for link in (self.link, self.documents, self.commands, self.told_devices, self.notify, self.rulebook):
            if link is not None:
                await link.close()
        await asyncio.to_thread(self._close_files)
        self.telemetry.emit(NodeStopped(drained=drained))

    async def _drain(self, deadline_s: float) -> bool:
        self.is_serving, drained = False, True
        if self.mqtt is not None:
            await self.mqtt.stop(deadline_s)
        await self.edge.stop(deadline_s)
        for task in self._tasks:
            if task.get_name() in ("host", "health"):
                task.cancel()
        with contextlib.suppress(TimeoutError):
            drained = False
            async with asyncio.timeout(deadline_s):
                await self.uplinks.drain()
                await self.intake.drain()
                await self.models.stop(deadline_s / 2)
                await self.intake.drain()
                await self.intake.stop()
                await self.devices.store(everything=True)
                await self.filtering.drain()
                await self.surroundings.drain()
                drained = True
        if self.uplink is not None and drained:
            drained = await self.uplink.drain(deadline_s)
        for route in self.routes:
            drained = await route.drain(deadline_s if drained else 0.5) and drained
        return drained

    def _close_files(self) -> None:
        if self.keeper is not None:
            self.keeper.close()
        self.surroundings.lake.close()
        self.journal.close()

    def _branch(self) -> int | None:
        return None if self.uplink is None else self.uplink.branch

    def _attach_timekeeper(self) -> None:
        keep_time(self.timekeeper, self.intake)
        self.timekeeper.attach(self.intake.everything_stored, self.filtering.offered(self.uplink))
        for forget in (self.skew.forget, self.devices.clock_stepped):
            self.timekeeper.on_step(forget)
        self.timekeeper.on_look(self.skew.turn)

    @property
    def uptime_ns(self) -> int:
        """Since this object was made; the wall clock may have been set meanwhile."""
        return self.clock.boottime_ns() - self._started_ns

    def _make_intake(self) -> tuple[ScriptRunner, IntakeService, UplinkInbox]:
        settings, journal = self.plan.settings, self.journal
        rules, limits = (*self.plan.rules, *self.plan.lines), settings.rule_limits.limits
        here = place(rules, settings.node, has_children=self.plan.children is not None).here
        engine = Engine(here, journal.catalogue, settings.node, limits)
        self.filtering = Filtering(self.plan, journal, self.timekeeper, self.telemetry, engine.is_result)
        decoder = Decoder(self.plan.profiles, journal.catalogue, settings.node, registry=self.devices.ruling)
        self.devices.on_change(decoder.forget_devices)
        decoder.learn(journal.retained())
        engine.on_refused = lambda refused: tell_refused(refused, self.telemetry)
        preparer = Preparer(decoder, self.seen, engine, self.timekeeper.doubt, self.skew, self.devices)
        intake = IntakeService(settings.intake, journal, preparer, engine, self.clock, self.leaving)
        intake.on_batch(self.last_values.update)
        is_alone = self.plan.children is None
        below = None if is_alone else ChildRules(rules, journal, preparer, intake, self.clock, limits)
        check = partial(foreign_words, settings)
        self.rulebook = RuleBook(self.plan, journal, engine, intake, self.clock, self.telemetry, below, check)
        scripts = ScriptRunner(self.clock, self.telemetry.emit)
        uplinks = UplinkInbox(intake.inbox, decoder, scripts, settings.intake.max_messages)
        return scripts, intake, uplinks

    def _recall_seen(self) -> SeenKeys:
        seen = SeenKeys(self.plan.settings.journal.keys_kept)
        seen.recall(np.frombuffer(b"".join(self.journal.dedupe_keys()), "<u8"))
        return seen

    def _make_quarantine(self) -> Quarantine:
        plan, told, look = self.plan, self._stored_late, self.devices.roster.look
        return Quarantine(self.journal, plan.profiles, self.seen, told, self.leaving, self.scripts, look)

    def _stored_late(self, batch: Batch) -> None:
        self.last_values.update(batch)
        self.devices.stored_late(batch)

    def _make_ingest(self) -> IngestService | None:
        plan = self.plan
        if plan.children is None:
            return None
        ingest = IngestService(
            self.journal,
            self.telemetry,
            plan.children,
            self.clock,
            lambda: self.uplink is None or self.uplink.is_settled,
            keeps_backups=plan.settings.backup is not None,
            region=plan.settings.region,
            takes_any_kind=lambda: self.uplink is None or self.uplink.standing.takes_any_kind,
        )
        ingest.on_batch(self.last_values.update)
        return ingest

    def _make_backups(self) -> Backups | None:
        settings = self.plan.settings.backup
        if settings is None:
            return None
        return Backups(settings, self.plan.path(settings.folder), self.journal, self.clock, self.telemetry)

    def _make_mqtt(self) -> MqttServer | None:
        settings = self.plan.settings.mqtt
        if settings is None:
            return None
        mqtt = MqttServer(settings, self.commands.inbox, self.clock, self.telemetry, self.journal, self.plan.path)
        self.intake.publish_through(mqtt.publisher, mqtt.hurry)
        return mqtt

    def _make_upkeep(self) -> Upkeep:
        has_parent, has_files = self.uplink is not None, self.keeper is not None
        routes = self.routes
        return Upkeep(
            self.journal, self.clock, self.telemetry, has_parent=has_parent, has_files=has_files, routes=routes
        )

    def _make_keeper(self) -> Keeper | None:
        settings = self.plan.history
        if settings is None:
            return None
        folder, backups, access = self.plan.data / settings.lake, self.backups, self.journal.access
        return Keeper(
            settings,
            self.journal,
            open_lake(folder, access.key, settings.cold, self.clock),
            ChildWorkshop(settings, access.path, access.key, folder),
            self.clock,
            self.telemetry,
            may_take=self.timekeeper.may_sync,
            may_leave=may_leave,
            backed_up_ns=lambda: None if backups is None else backups.newest_ns,
        )

    def _make_uplink(self) -> UplinkService | None:
        parent = self.plan.settings.parent
        if parent is None or self.link is None:
            return None
        may_sync, rng, region = self.timekeeper.may_sync, random.Random(), self.plan.settings.region
        return UplinkService(parent, self.journal, self.link, self.clock, self.telemetry, rng, may_sync, region)

    def _spawn(self, service: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(service, name=name))

    def _failure(self) -> HoldfastError | None:
        if self.intake.failed.done():
            return self.intake.failed.result()
        for task in self._tasks:
            error = task.exception() if task.done() and not task.cancelled() else None
            if error is not None:
                return error if isinstance(error, HoldfastError) else HoldfastError(f"{task.get_name()}: {error!r}")
        return None

    def _retain(self, topic: str, payload: bytes) -> None:
        self.journal.submit(lambda transaction: transaction.retain({topic: payload}))

    def _journal_changed(self, condition: Condition, detail: str) -> None:
        hint = DiskFull.hint if condition is Condition.FULL else ""
        if condition is not Condition.CLOSED:  # then the node is ending, and says so itself
            self.telemetry.emit(JournalConditionChanged(condition=CONDITIONS[condition], detail=detail, hint=hint))
