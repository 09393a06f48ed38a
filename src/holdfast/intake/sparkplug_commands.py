"""Commands to Sparkplug nodes and devices: metrics written by NCMD and DCMD, and read back from what they report.

`write {metric: value}` is done when every metric was reported with its value, failed when one was reported with another
one later than it was written; without a report it ends with its deadline, in doubt. `rebirth {}` asks a node for its
births, and is done by the next. Needs the extra `protobuf`.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from holdfast.adapters.port import Arrival
from holdfast.codecs.formats.sparkplug_sessions import Birth, Sessions
from holdfast.codecs.formats.sparkplug_writing import (
    Report,
    Said,
    Scalar,
    Where,
    WriteInvalid,
    command,
    command_topic,
    is_same,
    rebirth,
    said_of,
    wanted_of,
    where_of,
)
from holdfast.commands.service import CommandService
from holdfast.intake.taps import About, Hold, Origin, Way
from holdfast.kernel.clock import NS_PER_MS, Clock
from holdfast.model.command import Answer, Command, State

WRITE, REBIRTH = "write", "rebirth"
MOST_TOPICS, MOST_DEVICES = 50_000, 20_000
_SENT = frozenset((State.SENT, State.DELIVERED))


@dataclass(slots=True)
class Wanted:
    """A write under way. left: what wasn't reported yet; found: what was; at_ms: when it was written."""

    number: str
    at_ms: int
    left: dict[str, Scalar]
    found: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """Where a device's messages come from."""

    where: Where
    origin: Origin


class SparkplugLink:
    """Implements `commands.ports.DeviceLink` and `taps.Tap`."""

    def __init__(self, service: CommandService, way: Way, clock: Clock) -> None:
        self._service, self._way, self._clock = service, way, clock
        self._sessions = Sessions(0)
        self._topics: dict[str, Where | None] = {}
        self._known: dict[str, Known] = {}
        self._writes: dict[str, dict[str, Wanted]] = {}  # by address, by the command's id
        self._rebirths: dict[str, set[str]] = {}  # likewise

    def resume(self) -> None:
        """Wait again for what an earlier life's commands are to bring; once the service has started."""
        for one in self._service.desk:
            address = self._service.names(one.command.device).hardware
            if one.state in _SENT and not one.via and one.command.name in (WRITE, REBIRTH):
                self._wait_for(one.command, address, one.command.made_ns // NS_PER_MS)

    # DeviceLink

    def takes(self, address: str) -> bool:
        """See `DeviceLink`."""
        return address in self._known

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        """See `DeviceLink`. Sparkplug acknowledges nothing: a node that is alive on an open connection has it."""
        known = self._known[address]
        where = known.where
        birth = self._sessions.birth(where.node, where.device)
        if birth is None:
            return False  # it has died, or wasn't born since this node started: it's asked for its birth
        topic = command_topic(where.space, where.node, where.device)
        about = About(_owner(where), command.id, left_s)
        if not self._way.is_open(known.origin, topic, about):
            return False
        now_ms = self._clock.wall_ns() // NS_PER_MS
        try:
            payload = self._payload(command, birth, now_ms, where)
        except WriteInvalid as error:
            answer = Answer(State.REFUSED, str(error))
            asyncio.get_running_loop().call_soon(self._service.answered, command.id, address, answer, _nothing)
            return False
        self._wait_for(command, address, now_ms)
        if not self._way.publish(known.origin, topic, payload, about):
            return False
        heard()
        return True

    def _payload(self, wish: Command, birth: Birth, now_ms: int, where: Where) -> bytes:
        if wish.name == REBIRTH and not where.device:
            return rebirth(now_ms)
        if wish.name != WRITE:
            also = "" if where.device else f" and `{REBIRTH}`"
            raise WriteInvalid(f"{where.address} takes the command `{WRITE}`{also}, not `{wish.name}`")
        return command(wanted_of(wish.params), birth, now_ms, where.address)

    def _wait_for(self, wish: Command, address: str, at_ms: int) -> None:
        desk = self._service.desk
        if wish.name == REBIRTH:
            others = {number for number in self._rebirths.get(address, ()) if desk.get(number) is not None}
            self._rebirths[address] = others | {wish.id}
            return
        try:
            wanted = wanted_of(wish.params)
        except WriteInvalid:
            return
        writes = {number: one for number, one in self._writes.get(address, {}).items() if desk.get(number) is not None}
        self._writes[address] = writes | {wish.id: Wanted(wish.id, at_ms, wanted)}

    # Tap

    def look(self, arrival: Arrival) -> Hold | None:
        """See `Tap`."""
        topic = arrival.topic
        try:
            where = self._topics[topic]
        except KeyError:
            if len(self._topics) >= MOST_TOPICS:
                self._topics.clear()
            where = self._topics[topic] = where_of(topic)
        if where is None:
            return None
        address = where.address
        if where.kind.endswith("DATA") and address not in self._writes:
            return None
        ends = [end for payload in arrival.payloads for end in self._heard(arrival, where, address, bytes(payload))]
        if not ends:
            return None
        hold = Hold(len(ends))
        for number, answer in ends:
            self._service.answered(number, address, answer, hold.over)
        return hold

    def _heard(self, arrival: Arrival, where: Where, address: str, payload: bytes) -> Iterator[tuple[str, Answer]]:
        """Learn of a message; the commands that it ends."""
        said = said_of(where, payload, self._sessions.birth(where.node, where.device))
        if said is None:
            return  # the quarantine gets it
        if where.kind.endswith("DEATH"):
            list(self._sessions.died(where.node, where.device, said.bd_seq))
            return
        if said.birth is not None:
            self._born(arrival, where, address, said)
            for number in self._rebirths.pop(address, ()):
                yield number, Answer(State.DONE)
        yield from self._reported(where, address, said.reports)

    def _born(self, arrival: Arrival, where: Where, address: str, said: Said) -> None:
        assert said.birth is not None  # noqa: S101  # the caller looked
        self._sessions.born(where.node, where.device, said.birth, said.bd_seq)
        self._known.pop(address, None)
        if len(self._known) >= MOST_DEVICES:
            del self._known[next(iter(self._known))]
        self._known[address] = Known(where, Origin(arrival.source, arrival.answers))

    def _reported(self, where: Where, address: str, reports: tuple[Report, ...]) -> Iterator[tuple[str, Answer]]:
        birth, writes = self._sessions.birth(where.node, where.device), self._writes.get(address)
        if birth is None or not writes:
            return
        for number, wanted in list(writes.items()):
            mine = self._service.desk.get(number)
            answer = None if mine is None or mine.is_ending else _judged(wanted, reports, birth)
            if mine is None or mine.is_ending or answer is not None:
                del writes[number]
            if answer is not None:
                yield number, answer
        if not writes:
            del self._writes[address]


def _judged(wanted: Wanted, reports: tuple[Report, ...], birth: Birth) -> Answer | None:
    """How a write ends by these reports; None = not yet."""
    for one in reports:
        if one.metric not in wanted.left:
            continue
        value = wanted.left[one.metric]
        if is_same(value, one.value, birth.types.get(one.metric, 0)):
            wanted.found[one.metric] = value if one.value is None else one.value
            del wanted.left[one.metric]
        elif one.at_ms is None or one.at_ms >= wanted.at_ms:  # older ones may have been on their way
            said = f"`{one.metric}` is reported as {_shown(one.value)}, not {_shown(value)}"
            return Answer(State.FAILED, said, msgspec.json.encode({one.metric: one.value}))
    return None if wanted.left else Answer(State.DONE, result=msgspec.json.encode(wanted.found))


def _shown(value: Scalar | None) -> str:
    return msgspec.json.encode(value).decode()[:80]


def _owner(where: Where) -> str:
    """How a node's own subscription to its commands begins (§5.5: `…/NCMD/NODE/#`)."""
    group, name = where.node
    return f"{where.space}/{group}/{'DCMD' if where.device else 'NCMD'}/{name}"


def _nothing() -> None:
    """Nobody waits for it."""
