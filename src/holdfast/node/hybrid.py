"""Hybrid inference in a node: questions ride on the uplink's events, answers are commands to the node itself."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from holdfast.commands.errors import Undeliverable
from holdfast.commands.service import Asked, CommandService
from holdfast.commands.telling import FROM_ABOVE
from holdfast.history.events import latest_events
from holdfast.inference.errors import InferenceError
from holdfast.inference.hybrid.answering import Answering, Bigger, Reply
from holdfast.inference.hybrid.asking import ParentLabel
from holdfast.inference.hybrid.service import Hybrid
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.model.command import Answer, Command, State
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.model.predictions import Results
from holdfast.wire.hybrid import KIND, NAME, is_answer

if TYPE_CHECKING:
    from holdfast.node.node import Node

Array = NDArray[Any]
HEARD_AGAIN = 1_000
"""Events that a start looks through for questions of the time before."""


class Unheld(InferenceError):
    """A node below asked for a model that isn't here, or for rows that it doesn't take."""

    hint = "name a model of this node's store in the deployment's `hybrid.model`, over the same features"


class AskingAbove:
    """A node that asks the one above. Make it before `Commanding.start`; give it every batch."""

    def __init__(
        self,
        node: "Node",
        settings: Mapping[str, HybridSettings],
        tell: Callable[[Results], None],
        label: Callable[[ParentLabel], None] = lambda _: None,
    ) -> None:
        """settings: by deployment; tell: takes answers as results; label: as labels."""
        self.hybrid = Hybrid(
            settings,
            node.journal,
            node.clock,
            node.telemetry,
            Random(),
            tell=tell,
            label=label,
            may_leave=lambda event: not any(lane.stays for lane in node.leaving.sort_events([event]).by_lane),
            may_tell=lambda: node.uplink is not None and node.uplink.standing.takes_any_kind,
        )
        self._commands = node.commands.service
        node.commands.also.append(_FromAbove(self.hybrid, node.commands.service))

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs with the node, by name."""
        yield "hybrid", self.hybrid.run()


class AnsweringBelow:
    """A node that answers those below with its own models. Make it once `ingest` is there."""

    def __init__(self, node: "Node", bigger: Bigger) -> None:
        """bigger: this node's models."""
        self._node, self._commands = node, node.commands.service
        is_top = node.plan.settings.parent is None
        self.answering = Answering(bigger, self._send, node.clock, node.telemetry, is_top=is_top)
        if node.ingest is not None:
            node.ingest.on_events(self.answering.heard)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What runs with the node, by name."""
        yield "hybrid-below", self._run()

    async def _run(self) -> None:
        for event in await asyncio.to_thread(self._before):
            self.answering.heard(event.node, [event])
        await self.answering.run()

    def _before(self) -> list[Event]:
        found = latest_events(self._node.journal, HEARD_AGAIN, Lane.NORMAL)
        return [event for event in found if event.kind == KIND and event.node != self._node.journal.node]

    async def _send(self, reply: Reply) -> None:
        towards, brought = [await asyncio.to_thread(self._commands.towards, one) for one in (reply.node, reply.via)]
        if not towards or towards != brought:
            raise Unheld(f"{reply.via} asked in the name of {reply.node}, which isn't below it")
        asked = Asked(reply.place, reply.name, "models", reply.params, reply.node, reply.id, reply.within_s)
        await self._commands.ask(asked)


class _FromAbove:
    """Implements `commands.ports.DeviceLink` for answers, which are addressed to the node itself."""

    def __init__(self, hybrid: Hybrid, commands: CommandService) -> None:
        self._hybrid, self._commands = hybrid, commands

    def takes(self, address: str) -> bool:
        """See `DeviceLink`."""
        return is_answer(address)

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:  # noqa: ARG002  # the port's
        """See `DeviceLink`."""
        if not command.origin.startswith(FROM_ABOVE) or command.name != NAME:
            raise Undeliverable(f"{address[:80]} is this node itself: only the node above answers there")
        why = self._hybrid.answered(command.params)
        state = State.REFUSED if why else State.DONE
        self._commands.answered(command.id, command.device, Answer(state, why), lambda: None)
        return True
