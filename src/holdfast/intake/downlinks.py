"""Commands to LoRaWAN devices: downlinks through the network server by which their uplinks come.

    hand ──(the command's `sent` on disk)──▶ publish `down/push` ──▶ queued, sent, ack … ──▶ the command's end

A downlink leaves this node once: a device can't tell a repeat from an order. So what an earlier life of the process
handed over isn't pushed again, but where the server can tell that it's the same (ChirpStack: the item's id). What
became of it is heard from the server's events, also by the next life: the broker keeps them for our session.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec

from holdfast.adapters.port import Arrival
from holdfast.codecs.lorawan.contract import Decoded, Failure, call_once
from holdfast.codecs.lorawan.downlinks import (
    DownlinkInvalid,
    Event,
    Place,
    Wish,
    encoded,
    encoding,
    event_of,
    key_of,
    message,
    place_of,
    wish_of,
)
from holdfast.codecs.lorawan.plan import LorawanPlan
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script
from holdfast.codecs.lorawan.uplinks import UplinkInvalid, read_uplink
from holdfast.codecs.profiles import Profile
from holdfast.codecs.topics import DEVICE, joined
from holdfast.commands.desk import Open
from holdfast.commands.service import CommandService
from holdfast.intake.taps import About, Hold, Origin, Way
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.command import Answer, Command, State

NAME = "downlink"
AGAIN_NS = 60 * NS_PER_S
"""A device's uplinks are looked at once in so long for where they come from and of what type it is."""
MOST_DEVICES, MOST_TOPICS = 20_000, 50_000
MOST_OPEN = 1_000
"""Downlinks under way; when there are more, those whose commands ended are forgotten."""


class Known(msgspec.Struct, frozen=True):
    """A device, as its latest uplink told of it. models: its type as the server calls it."""

    place: Place
    origin: Origin
    plan: LorawanPlan
    models: tuple[str, ...]


class DownlinkLink:
    """Implements `commands.ports.DeviceLink` and `taps.Tap`."""

    def __init__(
        self, service: CommandService, way: Way, runner: ScriptRunner, profile_of: Callable[[str], Profile | None]
    ) -> None:
        """profile_of: which profile claims a topic."""
        self._service, self._way, self._runner, self._profile_of = service, way, runner, profile_of
        self._topics: dict[str, Place | None] = {}
        self._due: dict[str, int] = {}
        self._known: dict[str, Known] = {}
        self._pushed: set[str] = set()  # by this life, and perhaps not over yet
        self._unsent: set[str] = set()  # these were to be, and weren't
        self._made: dict[str, Wish | None] = {}  # by a script; None = it's at work
        self._tasks: set[asyncio.Task[None]] = set()

    # DeviceLink

    def takes(self, address: str) -> bool:
        """See `DeviceLink`."""
        return address in self._known

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        """See `DeviceLink`. `heard` comes with the server's `queued`."""
        del heard  # the events of an earlier life's downlinks come, too: they say it by the command's id
        mine = self._service.desk.get(command.id)
        if mine is None or command.id in self._pushed:
            return mine is not None
        known = self._known[address]
        was_sent = mine.state is not State.ACCEPTED and command.id not in self._unsent
        if was_sent and known.place.server == "the-things-stack":
            return True
        try:
            wish = self._wish(command, known)
            if wish is None:
                return False  # its script is at work
            topic, payload = message(known.place, wish, command.id)
        except DownlinkInvalid as error:
            self._refuse(command, address, str(error))
            return False
        about = About(topic.partition("/")[0] + "/", command.id, left_s)
        if not self._way.is_open(known.origin, topic, about):
            return False
        publish = partial(self._publish, mine, known.origin, topic, payload, about)
        if was_sent:
            publish()
        else:
            asyncio.get_running_loop().call_soon(self._once_marked, mine, publish)
        if len(self._pushed) >= MOST_OPEN:
            desk = self._service.desk
            self._pushed = {number for number in self._pushed if desk.get(number) is not None}
            self._unsent = {number for number in self._unsent if desk.get(number) is not None}
            self._made = {number: made for number, made in self._made.items() if desk.get(number) is not None}
        self._pushed.add(command.id)
        self._unsent.discard(command.id)
        return True

    def _wish(self, command: Command, known: Known) -> Wish | None:
        if command.name != NAME:
            raise DownlinkInvalid(f"a LoRaWAN device takes the command `{NAME}`, not `{command.name}`")
        wish = wish_of(command.params)
        if wish.decoded_payload is None:
            return wish
        codec = known.plan.codec_for(known.models, wish.f_port or 0)
        if not isinstance(codec, Script):
            return wish  # the network server has a formatter of its own
        if command.id not in self._made:
            self._made[command.id] = None
            task = asyncio.ensure_future(self._encode(codec, wish, command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._made[command.id]

    async def _encode(self, codec: Script, wish: Wish, command: Command) -> None:
        try:
            made = await call_once(self._runner, codec, encoding(wish))
        except (OSError, RuntimeError) as error:  # no process can be started: it's tried again
            del self._made[command.id]
            self._runner.warned(command.device, [f"encodeDownlink can't be run: {error}"])
            return
        try:
            self._made[command.id] = _encoded(wish, made)
        except DownlinkInvalid as error:
            self._refuse(command, self._service.names(command.device).hardware, str(error))

    def _once_marked(self, mine: Open, publish: Callable[[], None]) -> None:
        """Publish when it's on disk that it was: after a crash nobody would know otherwise."""
        if not mine.is_stored:
            mine.then.append(lambda: self._once_marked(mine, publish))
            return
        done = self._service.journal.submit(lambda _: None)  # behind the mark, which was submitted before
        done.add_done_callback(lambda done: None if done.cancelled() or done.exception() else publish())

    def _publish(self, mine: Open, origin: Origin, topic: str, payload: bytes, about: About) -> None:
        if not mine.is_ending and not self._way.publish(origin, topic, payload, about):
            self._unsent.add(mine.command.id)  # nothing left this node: it's tried again
            self._pushed.discard(mine.command.id)
            mine.due = 0.0

    def _refuse(self, command: Command, address: str, why: str) -> None:
        answer = Answer(State.REFUSED, why)
        asyncio.get_running_loop().call_soon(self._service.answered, command.id, address, answer, _nothing)
        self._forget(command.id)

    def _forget(self, number: str) -> None:
        self._pushed.discard(number)
        self._unsent.discard(number)
        self._made.pop(number, None)

    # Tap

    def look(self, arrival: Arrival) -> Hold | None:
        """See `Tap`."""
        topic = arrival.topic
        try:
            place = self._topics[topic]
        except KeyError:
            if len(self._topics) >= MOST_TOPICS:
                self._topics.clear()
            place = self._topics[topic] = place_of(topic)
        if place is None:
            return None
        if place.event == "up":
            if not 0 <= arrival.received_ns - self._due.get(topic, -AGAIN_NS) < AGAIN_NS:
                self._learn(arrival, place)
            return None
        return self._told(arrival, place) if len(self._service.desk) else None

    def _learn(self, arrival: Arrival, place: Place) -> None:
        profile = self._profile_of(arrival.topic)
        plan = None if profile is None else profile.lorawan
        if profile is None or plan is None or not arrival.payloads:
            return
        try:
            uplink = read_uplink(bytes(arrival.payloads[-1]), arrival.received_ns)
        except UplinkInvalid:
            return  # the quarantine gets it
        named = {"eui": uplink.eui or uplink.device, "name": uplink.device or uplink.eui, "topic": ""}[plan.device]
        captured = (profile.pattern.captured(arrival.topic) or {}).get(DEVICE, "")
        address = joined(named) if named else captured
        self._known.pop(address, None)
        if len(self._known) >= MOST_DEVICES:
            del self._known[next(iter(self._known))]
        if len(self._due) >= MOST_TOPICS:
            self._due.clear()
        self._due[arrival.topic] = arrival.received_ns
        self._known[address] = Known(place, Origin(arrival.source, arrival.answers), plan, uplink.models)

    def _told(self, arrival: Arrival, place: Place) -> Hold | None:
        ends = list[tuple[Open, Event]]()
        for payload in arrival.payloads:
            event = event_of(place, bytes(payload), confirmed=None)
            mine = None if event is None else self._named(place, event.key)
            if event is None or mine is None or mine.is_ending:
                continue
            if place.server == "chirpstack" and event.word == "txack" and _is_confirmed(mine.command):
                event = event._replace(end=None)
            if event.end is None:
                self._service.heard(mine)
            else:
                ends.append((mine, event))
        if not ends:
            return None
        hold = Hold(len(ends))
        for mine, event in ends:
            answer = Answer(State.DONE, "", msgspec.json.encode(dict(event.facts)))
            if not event.end:
                answer = Answer(State.FAILED, event.detail, doubt=event.doubt)
            address = mine.address or self._service.names(mine.command.device).hardware
            self._forget(mine.command.id)
            self._service.answered(mine.command.id, address, answer, hold.over)
        return hold

    def _named(self, place: Place, key: str) -> Open | None:
        """The open command that the server calls so."""
        if place.server == "the-things-stack":
            return self._service.desk.get(key)
        found = self._service.desk.get(key.replace("-", ""))
        if found is not None:
            return found
        return next((one for one in self._service.desk if key_of("chirpstack", one.command.id) == key), None)


def _encoded(wish: Wish, made: Decoded | Failure) -> Wish:
    if isinstance(made, Failure):
        raise DownlinkInvalid(f"the script's encodeDownlink failed: {made.detail}")
    if made.errors:
        raise DownlinkInvalid(f"the script refuses it: {'; '.join(made.errors)}")
    return encoded(wish, made.result)


def _is_confirmed(command: Command) -> bool:
    try:
        return wish_of(command.params).confirmed
    except DownlinkInvalid:
        return False


def _nothing() -> None:
    """Nobody waits for it."""
