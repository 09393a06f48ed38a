"""A command service on a real journal, under a clock that moves when told, with one device at its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.commands.errors import Undeliverable
from holdfast.commands.service import Asked, CommandService
from holdfast.commands.settings import CommandSettings
from holdfast.journal import commanded
from holdfast.journal.blobs import decode_events
from holdfast.journal.commanded import Stored
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.records import GroupKind
from holdfast.journal.settings import JournalSettings
from holdfast.journal.writer import InlineWriter
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.command import Answer, Command, State
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry

QUOTA = JournalSettings(quota=100_000_000)


def _nothing(_number: str, _left_s: float) -> None:
    """Nobody watches."""


@dataclass
class Device:
    """The far end of a link.

    handed: (id, seconds left) of everything that reached it, and `addresses` to whom; heard: to be told the node
    """

    is_there: bool = True
    is_wrong: bool = False
    handed: list[tuple[str, float]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    heard: dict[str, Callable[[], None]] = field(default_factory=dict)
    watch: Callable[[str, float], None] = _nothing

    def takes(self, address: str) -> bool:
        return address.startswith("press-")

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        if self.is_wrong:
            raise Undeliverable("no such register")
        if self.is_there:
            self.watch(command.id, left_s)
            self.handed.append((command.id, left_s))
            self.addresses.append(address)
            self.heard[command.id] = heard
        return self.is_there

    @property
    def ids(self) -> list[str]:
        return [number for number, _ in self.handed]


class World:
    """One node. `kill` and `begin` are the end and the start of its process."""

    def __init__(self, folder: Path, node: str = "gw", settings: CommandSettings | None = None, **more: Any) -> None:
        self.folder, self.node, self.more = folder / node, node, more
        self.settings = settings or CommandSettings()
        self.clock = ManualClock()
        self.log: list[str] = []
        self.device = Device()
        self.settled: list[str] = []

    async def begin(self) -> None:
        self.journal = Journal(
            self.folder / FILE_NAME, self.node, QUOTA, self.clock, writer=InlineWriter, new_id=iter_ids()
        )
        self.telemetry = Telemetry(self.clock, self.log.append)
        self.service = CommandService(self.settings, self.journal, self.clock, self.telemetry, **self.more)
        self.service.through(self.device)
        await self.service.start()

    def kill(self) -> None:
        """What isn't committed is gone."""
        self.journal.abandon()

    async def restart(self) -> None:
        self.kill()
        await self.begin()

    async def calm(self) -> None:
        """Let what is under way end."""
        for _ in range(6):
            await asyncio.sleep(0)

    async def ask(self, number: str = "c1", device: str = "press-1", **more: Any) -> Stored:
        stored, _ = await self.service.ask(Asked(device, more.pop("name", "stop"), "local", id=number, **more))
        await self.calm()
        return stored

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.service.turn()
        await self.calm()

    async def answer(self, number: str, state: State = State.DONE, device: str = "press-1") -> None:
        self.service.answered(number, device, Answer(state, result=b"1"), lambda: self.settled.append(number))
        await self.calm()

    def row(self, number: str = "c1") -> Stored:
        found = self.journal.look(lambda db: commanded.find(db, number))
        assert found is not None, number
        return found

    def state(self, number: str = "c1") -> State:
        return self.row(number).state

    def rows(self) -> list[Stored]:
        return self.journal.look(lambda db: commanded.past(db, "", (), 1 << 40, 10_000))

    def events(self) -> list[Event]:
        groups = [g for lane in Lane for g in self.journal.read(lane, 0, 10**6) if g.kind is GroupKind.EVENTS]
        return [event for group in groups for event in decode_events(group.blob) if event.kind == commanded.KIND]

    @property
    def now_s(self) -> float:
        return self.clock.wall_ns() / NS_PER_S


_made = iter(range(1, 1 << 40))


def iter_ids() -> Callable[[], str]:
    return lambda: f"{next(_made):032x}"
