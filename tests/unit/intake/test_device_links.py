"""Links to LoRaWAN devices and Sparkplug nodes on a real command service: what is sent when, what ends a command."""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.unit.codecs.lorawan.servers import EUI, the_things
from tests.unit.commands.world import World

import holdfast.codecs
from holdfast.adapters.port import Arrival
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.loading import load_profiles
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.profiles import Profile
from holdfast.intake.downlinks import DownlinkLink
from holdfast.intake.sparkplug_commands import SparkplugLink
from holdfast.intake.taps import About, Origin, Tap
from holdfast.kernel.clock import NS_PER_MS
from holdfast.model.command import State

LORAWAN = Path(holdfast.codecs.__file__).parent / "builtin" / "lorawan.yaml"
UP = "v3/site/devices/room-1/up"


@dataclass
class Air:
    """The way to the devices."""

    is_open_now: bool = True
    loses: int = 0
    sent: list[tuple[str, bytes]] = field(default_factory=list)

    def is_open(self, origin: Origin, topic: str, about: About) -> bool:
        assert origin.source == "broker:b"
        assert topic.startswith(about.owner)
        return self.is_open_now

    def publish(self, origin: Origin, topic: str, payload: bytes, about: About) -> bool:
        assert about.left_s > 0
        assert origin.answers is None
        if self.loses:
            self.loses -= 1
            return False
        self.sent.append((topic, payload))
        return True


@dataclass
class Receipt:
    said: list[str] = field(default_factory=list)

    def settle(self) -> None:
        self.said.append("settled")

    def refuse(self) -> None:
        self.said.append("refused")


def tell(world: World, tap: Tap, topic: str, payload: bytes) -> Receipt:
    """A message comes; the intake stores it at once."""
    receipt = Receipt()
    hold = tap.look(Arrival("broker:b", topic, [payload], world.clock.wall_ns(), receipt))
    (receipt if hold is None else hold.on(receipt)).settle()
    return receipt


def run(what: Coroutine[Any, Any, None]) -> None:
    asyncio.run(what)


class Lora:
    def __init__(self, folder: Path) -> None:
        self.world, self.air = World(folder), Air()
        (profile,) = (p for p in load_profiles([LORAWAN]) if p.name == "the-things-stack")
        self.profile: Profile = profile

    async def begin(self) -> None:
        await self.world.begin()
        runner = ScriptRunner(self.world.clock)
        self.link = DownlinkLink(
            self.world.service, self.air, runner, lambda topic: self.profile if topic == UP else None
        )
        self.world.service.through(self.link)
        self.hear()

    def hear(self) -> None:
        tell(self.world, self.link, UP, the_things(b"\1"))

    async def send(self, number: str = "d1", **params: Any) -> None:
        said = json.dumps({"f_port": 1, "frm_payload": "AQ=="} | params, separators=(",", ":")).encode()
        await self.world.ask(number, EUI, name="downlink", params=said)

    def event(self, word: str, number: str = "d1", **more: Any) -> Receipt:
        frame = {"correlation_ids": [f"holdfast:{number}"]} | more
        body = json.dumps({f"downlink_{word}": frame}).encode()
        return tell(self.world, self.link, f"v3/site/devices/room-1/down/{word}", body)


@pytest.fixture
def lora(tmp_path: Path) -> Lora:
    return Lora(tmp_path)


def test_a_downlink_leaves_once_however_long_nothing_is_heard(lora: Lora) -> None:
    async def story() -> None:
        await lora.begin()
        await lora.send()
        assert lora.world.state("d1") is State.SENT
        for _ in range(4):
            await lora.world.pass_time(12)
        assert len(lora.air.sent) == 1
        receipt = lora.event("sent")
        await lora.world.calm()
        assert (lora.world.state("d1"), receipt.said) == (State.DONE, ["settled"])

    run(story())


def test_what_an_earlier_life_pushed_is_not_pushed_again(lora: Lora) -> None:
    async def story() -> None:
        await lora.begin()
        await lora.send()
        await lora.world.restart()
        lora.link = DownlinkLink(lora.world.service, lora.air, ScriptRunner(lora.world.clock), lambda _: lora.profile)
        lora.world.service.through(lora.link)
        lora.hear()
        await lora.world.pass_time(1)
        assert len(lora.air.sent) == 1
        lora.event("queued")
        await lora.world.calm()
        assert lora.world.state("d1") is State.DELIVERED
        await lora.world.pass_time(70)
        assert (lora.world.state("d1"), lora.world.row("d1").answer.doubt) == (State.EXPIRED, True)

    run(story())


def test_a_push_that_found_no_connection_is_made_when_there_is_one(lora: Lora) -> None:
    async def story() -> None:
        await lora.begin()
        lora.air.is_open_now = False
        await lora.send()
        assert lora.world.state("d1") is State.ACCEPTED
        lora.air.is_open_now, lora.air.loses = True, 2  # open when asked, and gone when it's to leave
        for _ in range(6):
            await lora.world.pass_time(0.3)
        assert len(lora.air.sent) == 1
        receipt = lora.event("nack")
        assert receipt.said == []  # not before the end is on disk
        await lora.world.calm()
        assert (lora.world.state("d1"), receipt.said) == (State.FAILED, ["settled"])

    run(story())


def test_events_of_others_and_of_what_is_over_change_nothing(lora: Lora) -> None:
    async def story() -> None:
        await lora.begin()
        await lora.send()
        assert lora.event("ack", "d2").said == ["settled"]
        lora.event("failed", "d1", correlation_ids=[])
        assert tell(lora.world, lora.link, "v3/site/devices/room-1/down/ack", b"\xff").said == ["settled"]
        await lora.world.calm()
        assert lora.world.state("d1") is State.SENT
        lora.event("ack")
        lora.event("nack")
        await lora.world.calm()
        assert lora.world.state("d1") is State.DONE

    run(story())


class Plant:
    def __init__(self, folder: Path) -> None:
        self.world, self.air = World(folder), Air()

    async def begin(self) -> None:
        await self.world.begin()
        self.link = SparkplugLink(self.world.service, self.air, self.world.clock)
        self.world.service.through(self.link)
        self.link.resume()

    def says(self, kind: str, value: int, *, ago_s: float = 0.0) -> Receipt:
        at_ms = self.world.clock.wall_ns() // NS_PER_MS - round(ago_s * 1000)
        payload = PAYLOAD(timestamp=at_ms)
        payload.metrics.add(name="level", datatype=3, int_value=value)
        device = "/pump" if kind.startswith("D") else ""
        return tell(self.world, self.link, f"spBv1.0/plant/{kind}/edge{device}", payload.SerializeToString())

    async def send(self, number: str = "w1", value: int = 9) -> None:
        await self.world.ask(number, "plant:edge:pump", name="write", params=json.dumps({"level": value}).encode())


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def test_a_report_from_before_the_write_fails_nothing_but_one_with_the_value_ends_it(plant: Plant) -> None:
    async def story() -> None:
        await plant.begin()
        plant.says("DBIRTH", 7)
        await plant.send()
        assert plant.world.state("w1") is State.DELIVERED
        assert plant.says("DDATA", 7, ago_s=1.0).said == ["settled"]  # it was on its way
        await plant.world.calm()
        assert plant.world.state("w1") is State.DELIVERED
        plant.says("DDATA", 9, ago_s=3.0)  # a clock that is behind
        await plant.world.calm()
        assert plant.world.state("w1") is State.DONE
        await plant.send("w2", 10)
        plant.says("DDATA", 9)
        await plant.world.calm()
        assert plant.world.state("w2") is State.FAILED
        assert [topic for topic, _ in plant.air.sent] == ["spBv1.0/plant/DCMD/edge/pump"] * 2

    run(story())


def test_a_dead_device_gets_its_command_when_it_is_born(plant: Plant) -> None:
    async def story() -> None:
        await plant.begin()
        plant.says("DBIRTH", 7)
        plant.says("DDEATH", 0)
        await plant.send()
        assert (plant.world.state("w1"), plant.air.sent) == (State.ACCEPTED, [])
        plant.says("DBIRTH", 7)
        await plant.world.pass_time(0.3)
        assert (plant.world.state("w1"), len(plant.air.sent)) == (State.DELIVERED, 1)

    run(story())


def test_a_write_of_an_earlier_life_is_read_back_by_the_next_and_not_sent_again(plant: Plant) -> None:
    async def story() -> None:
        await plant.begin()
        plant.says("DBIRTH", 7)
        await plant.send()
        plant.world.kill()
        await plant.begin()
        plant.says("DBIRTH", 9)
        await plant.world.calm()
        assert plant.world.state("w1") is State.DONE
        assert len(plant.air.sent) == 1

    run(story())
