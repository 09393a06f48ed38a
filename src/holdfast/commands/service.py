"""Takes commands, hands them over until the deadline, ends each once. Loop thread only, but for the reads.

Who asks is answered when the command is on disk; it's handed over after that. Only a rule's command leaves before the
commit that stores it beside its readings: it can't wait, and its id is made of the event's, so that the same decision
made again after a crash is the same command to the device.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from holdfast.commands.desk import Desk, Now, Open
from holdfast.commands.errors import (
    CommandConflicts,
    CommandError,
    CommandsBusy,
    CommandsCrowded,
    DeviceRenamed,
    NodeUnknown,
    Undeliverable,
)
from holdfast.commands.happenings import CommandAnswerUnused, CommandByOldName, CommandEnded, CommandTurnedAway
from holdfast.commands.names import Names, itself
from holdfast.commands.ports import DeviceLink
from holdfast.commands.settings import CommandSettings
from holdfast.commands.telling import ended
from holdfast.commands.writes import end_and_tell, late, take
from holdfast.journal import commanded
from holdfast.journal.commanded import Stored
from holdfast.journal.journal import Journal
from holdfast.journal.transaction import Transaction
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.model.command import Answer, Command, State, topic_level
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry

TICK_S = 0.25
FORGET_EVERY_S = 600.0
FORGET_AFTER_NS = 3_600 * NS_PER_S
NO_LINK = "no adapter of this node reaches its devices"
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600, 86_400)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants of a device. id: empty = one is made; params: canonical JSON; deadline_s: None = usual."""

    device: str
    name: str
    origin: str
    params: bytes = b"{}"
    node: str = ""
    id: str = ""
    deadline_s: float | None = None


class CommandService:
    """The commands of one node."""

    def __init__(
        self,
        settings: CommandSettings,
        journal: Journal,
        clock: Clock,
        telemetry: Telemetry,
        *,
        is_unset: Callable[[], bool] = lambda: False,
        children: Callable[[], Collection[str]] = tuple,
        may_leave: Callable[[Event], bool] = lambda _: True,
        names: Names = itself,
        may_tell: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take what it needs.

        is_unset:  is the wall clock not to be believed?
        children:  names of nodes that sync to this one
        may_leave: may what an event says about a device leave this node?
        names:     who has a name at this node
        may_tell:  does the parent know what the end of a command is? One that doesn't gets no word of local ones
        """
        self.settings, self.journal, self.clock, self.telemetry = settings, journal, clock, telemetry
        self.is_unset, self._children, self._may_leave, self.names = is_unset, children, may_leave, names
        self._may_tell = may_tell
        self.desk = Desk(settings.per_device, settings.total, settings.grace)
        self.bell = asyncio.Event()
        """Rung when something may wait for a child."""
        self.on_over: Callable[[Command], None] = lambda _: None
        self._links: list[DeviceLink] = []
        self._forget_at = 0.0
        self._took = telemetry.histogram("command_seconds", "How long commands took, from taken to ended.", _BOUNDS_S)
        telemetry.gauge("commands_open", "Commands that haven't ended.", lambda: len(self.desk))

    def through(self, link: DeviceLink) -> None:
        """Hand commands over by this link, too; the first that takes a device has it."""
        self._links.append(link)

    async def start(self) -> None:
        """Take up what an earlier life left open; before anything is asked or answered."""
        for stored in await asyncio.to_thread(self.journal.look, commanded.open_ones):
            called = self.names(stored.command.device)
            self.desk.restore(stored, called.hardware_at(stored.sent_ns) if stored.sent_ns and not stored.via else "")

    async def run(self) -> None:
        """Hand over, repeat and end, for ever."""
        while True:
            if self.journal.condition is Condition.OK:
                self.turn()
                if self.clock.monotonic() >= self._forget_at:
                    self._forget_at = self.clock.monotonic() + FORGET_EVERY_S
                    before_ns = self.clock.wall_ns() - FORGET_AFTER_NS
                    self.journal.submit(partial(commanded.forget, keep=self.settings.keep, before_ns=before_ns))
            await asyncio.sleep(TICK_S)

    def turn(self) -> None:
        """Do what is due now."""
        turn = self.desk.turn(self.now())
        for one in turn.hand:
            self.hand(one)
        for one, answer in turn.end:
            self.end(one, answer)

    def now(self) -> Now:
        """The time."""
        return Now(self.clock.monotonic(), self.clock.wall_ns(), self.is_unset())

    # Asking

    async def ask(self, asked: Asked, also: Callable[[Transaction], None] | None = None) -> tuple[Stored, bool]:
        """Take a command, once by its id; returns it as stored when it's on disk, and whether it's new.

        also: written in the same commit, all or nothing

        Raises:
            NodeUnknown, DeviceRenamed, CommandsCrowded, CommandsBusy, CommandConflicts: nothing was taken.
        """
        if self.journal.condition is not Condition.OK:
            raise CommandsBusy(f"the journal is {self.journal.condition.value}")
        is_ours = asked.node in ("", self.journal.node)
        via = "" if is_ours else await asyncio.to_thread(self.towards, asked.node)
        stored = Stored(self._made(asked), via)
        command = stored.command
        is_known = self.desk.get(command.id) is not None
        why = None if is_known else self._why_not(command, is_ours=is_ours)
        mine = None if is_known or why else self.put(stored, is_stored=False)
        done = self.journal.submit(lambda tx: take(tx, stored, why, also))
        if mine is not None:
            done.add_done_callback(partial(self._taken, mine))
        found, is_new = await asyncio.shield(done)
        if not is_new and not found.command.asks_the_same(command):
            raise CommandConflicts(f"another command was taken under the id {command.id}")
        return found, is_new

    def _why_not(self, command: Command, *, is_ours: bool) -> CommandError | None:
        name = self.names(command.device).name if is_ours else command.device
        if name != command.device:
            return DeviceRenamed(command.device, name)
        crowd = self.desk.crowded(command.node, command.device)
        return CommandsCrowded(crowd, is_total=self.desk.is_full) if crowd else None

    def issue(self, asked: Sequence[Asked]) -> list[Stored]:
        """Take a rule's commands and hand them over at once; the caller stores them, then calls `settle`."""
        rows = []
        for one in map(self._by_its_name, asked):
            command, at_ns = self._made(one), self.clock.wall_ns()
            if self.desk.get(command.id) is not None:
                continue
            why = self.desk.crowded(command.node, command.device)
            if why:
                self.turned_away("crowded", one, why)
                rows.append(Stored(command, state=State.REFUSED, ended_ns=at_ns, answer=Answer(State.REFUSED, why)))
                continue
            mine = self.put(Stored(command), is_stored=False)
            self.hand(mine)
            is_sent = mine.state is State.SENT
            rows.append(Stored(command, state=mine.state, sent_ns=at_ns if is_sent else 0))
        return rows

    def _by_its_name(self, asked: Asked) -> Asked:
        """A rule's order to stop a machine doesn't fail for a name: no two devices ever have the same."""
        name = self.names(asked.device).name
        if name == asked.device:
            return asked
        self.telemetry.emit(CommandByOldName(origin=asked.origin, device=asked.device, name=name))
        return replace(asked, device=name)

    def settle(self, rows: Sequence[Stored]) -> None:
        """These rows of `issue` are committed."""
        for row in rows:
            mine = self.desk.get(row.command.id)
            if mine is not None and not mine.is_stored:
                self._is_stored(mine)

    def put(self, stored: Stored, *, is_stored: bool) -> Open:
        """On the desk, with the deadline on the monotonic clock."""
        command = stored.command
        left = (command.deadline_ns - command.made_ns) / NS_PER_S
        return self.desk.add(
            Open(command, stored.via, stored.state, self.clock.monotonic() + left, is_stored=is_stored)
        )

    def towards(self, node: str) -> str:
        """The child through which a node is reached, empty = it's this one. Blocking, any thread.

        Raises:
            NodeUnknown: when none is.
        """
        if node in ("", self.journal.node):
            return ""
        if node in self._children():
            return node
        found = self.journal.look(lambda db: commanded.child_towards(db, node))
        if found is None:
            raise NodeUnknown(f"there is no node {node} below {self.journal.node}")
        return found

    def turned_away(self, reason: str, asked: Asked, why: str) -> None:
        """Say that a command wasn't taken, where nobody waits for the answer."""
        about = asked.origin, asked.device, why
        if reason == "crowded":
            self.telemetry.emit(CommandTurnedAway(*about, "crowded"))
        elif reason == "conflict":
            self.telemetry.emit(CommandTurnedAway(*about, "conflict"))
        else:
            self.telemetry.emit(CommandTurnedAway(*about, "busy" if reason == "busy" else "invalid"))

    def _made(self, asked: Asked) -> Command:
        now_ns = self.clock.wall_ns()
        wanted = self.settings.deadline if asked.deadline_s is None else asked.deadline_s
        until = now_ns + round(min(wanted, self.settings.longest) * NS_PER_S)
        node, number = asked.node or self.journal.node, asked.id or uuid.uuid4().hex
        return Command(number, node, asked.device, asked.name, asked.params, asked.origin, now_ns, until)

    def _taken(self, mine: Open, done: "asyncio.Future[tuple[Stored, bool]]") -> None:
        if done.cancelled() or done.exception() is not None or not done.result()[1]:
            self.desk.remove(mine)
            return
        self._is_stored(mine)
        if mine.via:
            self.ring()
        else:
            self.hand(mine)

    def _is_stored(self, mine: Open) -> None:
        mine.is_stored = True
        waiting, mine.then = mine.then, []
        for call in waiting:
            call()

    def ring(self) -> None:
        """Something may wait for a child."""
        self.bell.set()
        self.bell = asyncio.Event()

    # Handing over

    def hand(self, one: Open) -> None:
        """Try to hand a command of this node's own device over."""
        now = self.now()
        left = self.desk.left_s(one, now)
        if one.is_ending or left is None or left <= 0:
            return
        address = self.names(one.command.device).hardware
        if not self.desk.is_for(one, address, now):
            return
        link = next((link for link in self._links if link.takes(address)), None)
        if link is None:
            self.end(one, Answer(State.UNDELIVERABLE, NO_LINK, doubt=one.may_be_known))
            return
        try:
            is_reached = link.hand(one.command, address, left, partial(self.heard, one))
        except Undeliverable as error:
            self.end(one, Answer(State.UNDELIVERABLE, str(error), doubt=one.may_be_known))
            return
        if self.desk.handed(one, address, now, is_reached=is_reached) and one.is_stored:
            self.mark(one, State.SENT)

    def heard(self, one: Open) -> None:
        """The device's end has it."""
        if one.state in (State.ACCEPTED, State.SENT) and not one.is_ending:
            one.state = State.DELIVERED
            self._once_stored(one, lambda: self.mark(one, State.DELIVERED))

    def mark(self, one: Open, state: State) -> None:
        """Write how far a command is."""
        number, at_ns = one.command.id, self.clock.wall_ns()
        self.journal.submit(lambda tx: commanded.mark(tx, number, state, at_ns))

    # Ending

    def answered(self, number: str, device: str, answer: Answer, settle: Callable[[], None]) -> None:
        """The device has answered. settle: called once that is on disk, whatever it changed."""
        one = self.desk.get(number)
        if one is None:
            done = self.journal.submit(
                lambda tx: late(tx, number, topic_level(device), answer, self.names, self.clock.wall_ns())
            )
            done.add_done_callback(partial(self._was_late, number, device, settle))
        elif one.via or not self._may_answer(one, topic_level(device)):
            self._unused(number, device, settle)
        elif one.is_ending:
            one.over.append(settle)
        else:
            one.over.append(settle)
            self.end(one, answer)

    def _may_answer(self, one: Open, level: str) -> bool:
        if one.address:
            return level == topic_level(one.address)
        return self.names(one.command.device).answers_at(level)

    def end(self, one: Open, answer: Answer) -> None:
        """End a command, once its row is there."""
        if not one.is_ending:
            one.is_ending = True
            self._once_stored(one, lambda: self._write_end(one, answer))

    async def wait(self, number: str, most_s: float) -> None:
        """Until a command is over, or so long."""
        one = self.desk.get(number)
        if one is not None:
            over = asyncio.Event()
            one.over.append(over.set)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await over.wait()

    def telling(self, command: Command, answer: Answer, at_ns: int) -> Event:
        """The event of an end, as it may leave this node."""
        event = ended(self.journal.node, command, answer, at_ns)
        if command.node == self.journal.node and not self._may_leave(event):
            event = ended(self.journal.node, command, answer, at_ns, with_result=False)
        is_kept = event.lane is Lane.NORMAL and not self._may_tell()  # a parent that commanded knows the kind
        return msgspec.structs.replace(event, lane=Lane.SITE) if is_kept else event

    def heard_from_below(self, child: str, events: Sequence[Event]) -> None:
        """A child has told these; `commanded.hear` ended the rows in the same commit."""
        for event in events:
            told = commanded.told_by(event)
            one = None if told is None else self.desk.get(told.id)
            if one is not None and one.via == child:
                self._took(max(0.0, (self.clock.wall_ns() - one.command.made_ns) / NS_PER_S))
                self._gone(one)

    def _once_stored(self, one: Open, call: Callable[[], None]) -> None:
        if one.is_stored:
            call()
        else:
            one.then.append(call)

    def _write_end(self, one: Open, answer: Answer) -> None:
        at_ns = self.clock.wall_ns()
        event = self.telling(one.command, answer, at_ns)
        done = self.journal.submit(lambda tx: end_and_tell(tx, one.command.id, answer, event))
        done.add_done_callback(partial(self._ended, one, answer))

    def _ended(self, one: Open, answer: Answer, done: "asyncio.Future[bool]") -> None:
        if done.cancelled() or done.exception() is not None:
            return  # the node can't go on
        self.over(one, answer if done.result() else None)

    def over(self, one: Open, answer: Answer | None) -> None:
        """Its end is on disk. answer: None = it had ended before."""
        if answer is not None:
            command = one.command
            about = command.id, command.device, command.name, command.origin
            self.telemetry.emit(CommandEnded(*about, answer.state.value, answer.detail))
            self._took(max(0.0, (self.clock.wall_ns() - command.made_ns) / NS_PER_S))
        self._gone(one)

    def _gone(self, one: Open) -> None:
        self.desk.remove(one)
        self.on_over(one.command)
        waiting, one.over = one.over, []
        for call in waiting:
            call()

    def _unused(self, number: str, device: str, settle: Callable[[], None]) -> None:
        self.telemetry.emit(CommandAnswerUnused(device, number, "unknown"))
        settle()

    def _was_late(self, number: str, device: str, settle: Callable[[], None], done: "asyncio.Future[bool]") -> None:
        if done.cancelled() or done.exception() is not None:
            return
        if not done.result():
            self._unused(number, device, settle)
            return
        settle()
