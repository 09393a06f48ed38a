"""One node's history with the nodes around it: put together from its parts."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from holdfast.history.answering import Answering
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.settings import HistorySettings
from holdfast.history.lake.view import View, view
from holdfast.history.query import History
from holdfast.identity.people.watch import ChainWatch
from holdfast.node.artifacts import NodeArtifacts
from holdfast.node.asking import Around, AskingDoor, Upward, questions_of
from holdfast.node.sites import Desk
from holdfast.node.traces_below import TracesBelow
from holdfast.reporting.service import ReportService
from holdfast.storage.folder import DiskFolder
from holdfast.uplink.plan import Session
from holdfast.uplink.questions import Inquiries
from holdfast.uplink.settings import QuestionSettings
from holdfast.web.outlook import Outlook
from holdfast.wire.asking import Ask
from holdfast.wire.looking import encode_reply

if TYPE_CHECKING:
    from holdfast.node.node import Node


class Surroundings:
    """What asks and what is asked. Made on the loop, once uplink, ingest and keeper are there."""

    def __init__(self, node: "Node") -> None:
        """Open nothing."""
        self._node, journal = node, node.journal
        self.folder = folder = node.plan.data / (node.plan.history or HistorySettings()).lake
        # Without a keeper there may still be files of a time when there was one.
        self.lake = Lake(DiskFolder(folder)) if node.keeper is None else node.keeper.lake
        around = Around(journal, node.clock, node.telemetry)
        self.audit = ChainWatch(journal.look, node.clock, node.telemetry)
        self.reporting: ReportService | None = None
        self._traces: TracesBelow | None = None
        self.history = History(journal, journal.catalogue, self.memory, around)
        self.answering = Answering(self.history.tiers, journal.catalogue)
        children, api, parent = node.plan.children, node.plan.settings.api, node.plan.settings.parent
        self.artifacts: NodeArtifacts = NodeArtifacts(node)
        self.questions = None
        self.door = None
        below = node.told_devices.sites
        self.desk = None if below is None else Desk(node, below)
        self._outlook: Outlook | None = None
        if children is not None and api is not None:
            self.questions = questions_of(children, node.clock, api.connections, node.telemetry)
        if children is not None and self.questions is not None:
            around.with_children(self.questions, children.ask_within)
            self.door = AskingDoor(journal, self.questions, self.answering, node.telemetry)
        if parent is not None and node.link is not None and node.uplink is not None:
            uplink = node.uplink
            settings = parent.asking or QuestionSettings()
            budget = uplink.plan.pacing.budget
            branch, trouble = lambda: uplink.branch, lambda: uplink.status().trouble
            around.with_parent(Upward(node.link.ask, branch, trouble, budget, settings))

    def inquiries(self) -> Iterator[Inquiries]:
        """The task that lets the parent ask, if it may."""
        node, parent = self._node, self._node.plan.settings.parent
        settings = None if parent is None else parent.asking
        if settings is None or node.link is None or node.uplink is None:
            return
        pacing = node.uplink.plan.pacing
        yield Inquiries(
            settings,
            node.link,
            self._answer,
            self._session,
            pacing,
            node.clock,
            node.telemetry,
            random.Random(),
            look=self.look,
            wake=node.commands.call,
        )

    def report_by(self, service: ReportService) -> None:
        """What keeps the log and the traces; set before the node starts."""
        self.reporting, service.node = service, self._node.plan.settings.node
        service.below = self._traces = TracesBelow(self._node.plan.settings.node, self.questions, service.reports.trace)

    async def drain(self) -> None:
        """Bring what was written to the log until now up."""
        if self.reporting is not None:
            await self.reporting.send()

    def _answer(self, ask: Ask) -> bytes:
        """Answer the parent, on a worker thread."""
        if ask.trace and self._traces is not None:
            return self._traces.answer(ask)
        return self.answering.below(ask)

    async def look(self, ask: Ask) -> bytes:
        """The parent looks at this node's own pages."""
        if ask.call is None:  # asked for calls only
            return b""
        if self._outlook is None:
            from holdfast.node.outlook import outlook_of  # noqa: PLC0415  # it needs a whole node, and so this module

            self._outlook = outlook_of(self._node)
        reply = await self._outlook.look(ask.call, ask.id)
        return await asyncio.to_thread(encode_reply, *reply)

    async def close(self) -> None:
        """End the children's polls, and the connections for artifacts."""
        if self.questions is not None:
            self.questions.close()
        await self.artifacts.close()

    def _session(self) -> tuple[int, int] | None:
        uplink = self._node.uplink
        if uplink is None or uplink.plan.session is not Session.OPEN or uplink.branch is None:
            return None
        return uplink.branch, uplink.plan.token

    def memory(self, from_ns: int, to_ns: int) -> AbstractContextManager[View]:
        """The node's own past of [from_ns, to_ns] at this moment."""
        journal = self._node.journal
        return view(self.lake, journal, journal.catalogue.is_text.copy(), from_ns, to_ns)
