"""A child that was upgraded before its parent: what the parent doesn't know waits, or stays; the rest goes up."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import msgspec
from tests.events import alert
from tests.unit.commands.world import World
from tests.unit.node.pair import Pair, with_pair

from holdfast.commands.telling import ended
from holdfast.ingest.service import IngestService
from holdfast.journal.blobs import decode_events
from holdfast.journal.records import GroupKind
from holdfast.kernel.clock import SystemClock
from holdfast.model.command import Answer, Command, State
from holdfast.model.lane import Lane
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.service import UplinkService
from holdfast.wire.columns import decode
from holdfast.wire.errors import WireError
from holdfast.wire.messages import BatchReply, Hello, Limits, Welcome

OLD_KINDS = Literal[
    "alert.raised", "alert.cleared", "clock.stepped", "journal.damaged", "sync.branched", "sync.gap", "sync.suspect"
]


class Older:
    """The ingest as it was before commands: it says nothing of kinds, and refuses a batch with one that it hasn't."""

    def __init__(self, inner: IngestService) -> None:
        self.inner, self.refused = inner, 0

    async def hello(self, child: str, hello: Hello) -> Welcome:
        return msgspec.structs.replace(await self.inner.hello(child, hello), any_kind=False)

    async def batch(self, child: str, body: bytes) -> BatchReply:
        for group in decode(body, Limits()).events:
            for event in group:
                try:
                    msgspec.convert(event.kind, OLD_KINDS)
                except msgspec.ValidationError as error:
                    self.refused += 1
                    raise WireError(str(error)) from error
        return await self.inner.batch(child, body)


def end_of_a_command() -> Any:
    command = Command("c1", "gw", "press-1", "stop", b"{}", "local", 1, 2)
    return ended("gw", command, Answer(State.DONE), 5)


def events(pair: Pair, lane: Lane) -> list[str]:
    groups = [one for one in pair.hub.read(lane, 0, 1 << 30) if one.kind is GroupKind.EVENTS]
    return [event.kind for group in groups for event in decode_events(group.blob)]


def test_events_that_an_older_parent_would_refuse_wait_alone_until_it_is_upgraded(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        new = pair.link.parent
        assert new is not None
        older = Older(new)
        pair.link.parent = cast("IngestService", older)
        first, end = msgspec.structs.replace(alert(1, ts=1), lane=Lane.NORMAL), end_of_a_command()
        await pair.gateway.submit(lambda tx: tx.append_events(Lane.NORMAL, [first]))
        await pair.gateway.submit(lambda tx: tx.append_events(Lane.NORMAL, [end]))
        await pair.gateway.submit(lambda tx: tx.append_events(Lane.NORMAL, [first]))
        await pair.gateway.submit(lambda tx: tx.append_events(Lane.CRITICAL, [alert(2, ts=2)]))
        await pair.publish(range(5))
        await pair.until(lambda: pair.hub.head(Lane.BULK) == 5 and pair.hub.head(Lane.CRITICAL) == 1)
        await pair.until(lambda: any("UplinkLaneWaits" in line for line in pair.log))
        assert events(pair, Lane.NORMAL) == ["alert.raised"]
        assert older.refused == 0
        assert pair.uplink.status().is_up
        pair.link.parent = new  # upgraded
        await pair.until(lambda: pair.hub.head(Lane.NORMAL) == 3)
        assert events(pair, Lane.NORMAL) == ["alert.raised", "command.ended", "alert.raised"]

    with_pair(tmp_path, body)


def test_a_parent_takes_a_kind_that_only_newer_children_know(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        newer = msgspec.structs.replace(end_of_a_command(), kind="device.exploded")
        await pair.gateway.submit(lambda tx: tx.append_events(Lane.NORMAL, [newer]))
        await pair.until(lambda: pair.hub.head(Lane.NORMAL) == 1)
        assert events(pair, Lane.NORMAL) == ["device.exploded"]
        assert pair.uplink.standing.takes_any_kind

    with_pair(tmp_path, body)


def test_what_the_parent_takes_is_known_after_a_restart_without_a_link(tmp_path: Path) -> None:
    async def body(pair: Pair) -> None:
        assert pair.uplink.standing.takes_any_kind  # nobody was met yet
        assert pair.link.parent is not None
        pair.link.parent = cast("IngestService", Older(pair.link.parent))
        await pair.publish(range(5))
        await pair.until(lambda: pair.hub.head(Lane.BULK) == 5)
        assert not pair.uplink.standing.takes_any_kind
        await pair.uplink.drain(1.0)
        await pair.gateway.submit(lambda _: None)
        settings, telemetry = pair.uplink._settings, Telemetry(SystemClock(), pair.log.append)
        again = UplinkService(settings, pair.gateway, pair.link, SystemClock(), telemetry, Random(1))
        assert not again.standing.takes_any_kind

    with_pair(tmp_path, body)


def test_the_end_of_a_local_command_stays_at_a_site_whose_parent_knows_no_commands(tmp_path: Path) -> None:
    def lanes(*, may_tell: bool, origin: str) -> list[Lane]:
        async def run() -> list[Lane]:
            world = World(tmp_path / f"{may_tell}-{origin[:2]}", may_tell=lambda: may_tell)
            await world.begin()
            command = Command("c1", "gw", "press-1", "stop", b"{}", origin, 1, 2)
            found = world.service.telling(command, Answer(State.DONE), 5)
            await world.ask()
            await world.answer("c1")
            assert world.journal.head(Lane.SITE) == (0 if may_tell else 1)
            world.kill()
            return [found.lane]

        return asyncio.run(run())

    assert lanes(may_tell=True, origin="local") == [Lane.NORMAL]
    assert lanes(may_tell=False, origin="local") == [Lane.SITE]
    assert lanes(may_tell=False, origin="parent/local") == [Lane.CRITICAL]
