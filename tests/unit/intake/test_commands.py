"""Rules' commands, devices' answers and local clients' commands, where they meet the stream of messages."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.unit.commands.world import World
from tests.unit.intake.test_service import START_MS, Slip, reading

from holdfast.adapters.port import Annex, Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import BUILTIN as PROFILES
from holdfast.codecs.loading import load_profiles
from holdfast.commands.mqtt import Topics
from holdfast.commands.settings import CommandSettings
from holdfast.intake.commands import CommandInbox
from holdfast.intake.prepare import Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.intake.service import IntakeService
from holdfast.intake.settings import IntakeSettings
from holdfast.journal.transaction import Transaction
from holdfast.model.command import State
from holdfast.model.lane import Lane
from holdfast.stream.engine import Engine
from holdfast.stream.language.loading import load_rules

RULES = """rules:
  hot:
    select: air.temperature as t
    when: t > 60
    do: [{command: {device: press-1, name: stop, params: {at: "{t}"}}}]
"""
ANSWER = "devices/press-1/commands/c1/result"


class Site(World):
    """A world with an intake before its journal."""

    async def begin(self) -> None:
        await super().begin()
        self.clock.set_wall(START_MS * 1_000_000)
        (self.folder / "rules.yaml").write_text(RULES)
        catalogue = self.journal.catalogue
        engine = Engine(load_rules([self.folder / "rules.yaml"]), catalogue, "gw")
        preparer = Preparer(Decoder(load_profiles([PROFILES / "rooms.yaml"]), catalogue, "gw"), SeenKeys(1000), engine)
        self.intake = IntakeService(IntakeSettings(), self.journal, preparer, engine, self.clock)
        self.intake.command_through(self.service)
        self.inbox = CommandInbox(self.intake.inbox, self.service, Topics(self.settings.topic, "gw"))

    async def arrive(self, topic: str, *payloads: bytes, annex: Annex | None = None) -> Slip:
        slip = Slip(self.journal)
        assert self.inbox.offer(Arrival("cell", topic, payloads, self.clock.wall_ns(), slip, annex=annex))
        async with asyncio.timeout(5):
            await slip.done.wait()
        await self.calm()
        return slip


def with_site(folder: Path, body: Callable[[Site], Awaitable[None]], *, local: bool = True) -> None:
    async def run() -> None:
        site = Site(folder, settings=CommandSettings(local=local))
        await site.begin()
        await body(site)
        site.kill()

    asyncio.run(run())


def test_a_rules_command_leaves_before_the_commit_that_stores_it_with_its_readings(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        heads: list[int] = []
        site.device.watch = lambda _number, _left: heads.append(site.journal.head(Lane.BULK))
        await site.arrive("acme/room-1/telemetry", reading(1, 80.0))
        assert heads == [0]
        (row,) = site.rows()
        assert (row.command.origin, row.command.params, row.state) == ("rule:hot", b'{"at":80.0}', State.SENT)
        assert row.sent_ns
        await site.answer(row.command.id)
        assert site.state(row.command.id) is State.DONE

    with_site(tmp_path, body)


def test_the_same_decision_made_again_is_the_same_command(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = Slip(site.journal)
        site.inbox.offer(Arrival("cell", "acme/room-1/telemetry", (reading(1, 80.0),), site.clock.wall_ns(), slip))
        left = asyncio.Event()
        site.device.watch = lambda _number, _left: left.set()
        async with asyncio.timeout(5):  # it left, and the commit didn't happen
            await left.wait()
        await site.restart()
        assert site.rows() == []
        await site.arrive("acme/room-1/telemetry", reading(1, 80.0))
        assert len(site.device.ids) == 2
        assert len(set(site.device.ids)) == 1
        assert len(site.rows()) == 1

    with_site(tmp_path, body)


def test_an_answer_is_settled_once_the_end_is_on_disk(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.ask()
        await site.arrive(ANSWER, b'{"status":"failed","result":[1],"detail":"jammed"}')
        row = site.row()
        assert (row.state, row.answer.result, row.answer.detail) == (State.FAILED, b"[1]", "jammed")
        await site.arrive(ANSWER, b'{"status":"done"}')
        assert site.state() is State.FAILED

    with_site(tmp_path, body)


def test_an_answer_that_cannot_be_read_is_quarantined_and_changes_nothing(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.ask()
        for payload in (b"{", b'{"status":"maybe"}', b"\xff", b'{"status":"done","result":"%s"}' % (b"x" * 70_000)):
            await site.arrive(ANSWER, payload)
        assert site.state() is State.SENT
        kept = site.journal.quarantined(9)
        assert {row.topic for row in kept} == {ANSWER}
        assert {row.payload[:10] for row in kept} == {b"{", b'{"status":', b"\xff"}

    with_site(tmp_path, body)


def test_a_local_client_commands_where_that_is_allowed(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.arrive("command/press-1/stop", b'{"id":"c1","params":{"a":1},"deadline":5}', b"")
        assert site.state() is State.SENT
        assert {row.command.origin for row in site.rows()} == {"mqtt:cell"}
        assert len(site.rows()) == 2
        await site.arrive("command/press-1/stop", b'{"id":"c1"}')
        await site.arrive("command/press-1/stop", b"[")
        assert len(site.rows()) == 2
        assert sum("CommandTurnedAway" in line for line in site.log) == 2

    with_site(tmp_path, body)


class Pids:
    """An adapter's note that must be on disk when the arrival is settled."""

    def __init__(self) -> None:
        self.asked = 0

    def writing(self) -> Callable[[Transaction], None]:
        self.asked += 1
        return lambda tx: tx.set_meta("pids", str(self.asked))


def test_what_the_adapter_wants_stored_is_on_disk_before_it_is_settled(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.ask()
        for topic, payload in (
            (ANSWER, b'{"status":"done"}'),
            (ANSWER, b'{"status":"done"}'),
            ("command/press-1/stop", b'{"id":"c2"}'),
            ("command/press-1/stop", b'{"id":"c2"}'),
            ("command/press-1/start", b'{"id":"c2"}'),
            ("command/press-1/stop", b"["),
        ):
            pids = Pids()
            await site.journal.submit(lambda tx: tx.set_meta("pids", ""))
            await site.arrive(topic, payload, annex=pids)
            assert await site.journal.submit(lambda tx: tx.meta("pids")) == "1", (topic, payload)
            assert pids.asked == 1

    with_site(tmp_path, body)


class Unwritable:
    """Something that can't be stored."""

    def writing(self) -> Callable[[Transaction], None]:
        def write(_: Transaction) -> None:
            raise ValueError("no such thing")

        return write


def test_where_that_cannot_be_stored_the_message_is_refused_and_holds_up_nobody(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        slip = Slip(site.journal)
        assert site.inbox.offer(
            Arrival("cell", "command/press-1/stop", [b"["], site.clock.wall_ns(), slip, annex=Unwritable())
        )
        async with asyncio.timeout(5):
            await slip.done.wait()
        assert (slip.refused, slip.settled_at) == (True, None)
        assert site.inbox._waiting == 0

    with_site(tmp_path, body)


def test_elsewhere_such_a_message_is_one_like_any_other(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        await site.arrive("command/press-1/stop", b"{}")
        assert site.rows() == []
        assert len(site.journal.quarantined(9)) == 1

    with_site(tmp_path, body, local=False)
