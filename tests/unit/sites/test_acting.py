"""What came from above about a site's alerts is done once, with the command's end, or refused with a reason."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.notify.house import OPS, House

from holdfast.commands.service import CommandService
from holdfast.commands.settings import CommandSettings
from holdfast.journal import audit_log, commanded
from holdfast.journal.commanded import Stored
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S, ManualClock
from holdfast.model.command import Answer, Command, State
from holdfast.sites.acting import NOT_UNDERSTOOD, OVER, UNKNOWN, ActingHere
from holdfast.wire.acts import Act, Do, encode_act

WHY = {"decided_on": "gw", "detector": {"name": "auto", "threshold": 0.5}}


class Site:
    """A node with alerts, to whom its parent hands what people did."""

    def __init__(self, house: House) -> None:
        self.house, self.known = house, True
        self.commands = CommandService(CommandSettings(), house.journal, house.clock, house.telemetry)
        self.acting = ActingHere(
            self.commands, house.service, house.journal, house.clock, may_be_known=lambda _: self.known
        )
        self.commands.through(self.acting)

    async def take(self, act: Act, number: str = "a1", params: bytes = b"", place: str = "") -> Command:
        """On disk and on the desk, as `commands.above` does it."""
        now_ns = self.house.clock.wall_ns()
        command = Command(
            number,
            "gw",
            place or act.place,
            act.name,
            params or encode_act(act),
            "parent/person:ann",
            now_ns,
            now_ns + 60 * NS_PER_S,
        )
        await self.house.journal.submit(lambda tx: commanded.insert(tx, Stored(command)))
        self.commands.put(Stored(command), is_stored=True)
        return command

    async def do(self, act: Act, number: str = "a1", params: bytes = b"", place: str = "") -> Answer:
        await self.acting.once(await self.take(act, number, params, place))
        return self.ended(number).answer

    def ended(self, number: str = "a1") -> Stored:
        found = self.house.journal.look(lambda db: commanded.find(db, number))
        assert found is not None
        return found

    def audit(self) -> list[audit_log.Line]:
        return self.house.journal.look(lambda db: audit_log.page(db, audit_log.Wanted(), 99))


def at_site(folder: Path, body: Callable[[Site], Awaitable[None]]) -> None:
    async def run() -> None:
        house = House(folder, OPS % "", {}, ManualClock(1_795_187_068_000_000_000))
        try:
            await house.service.start()
            await house.put(house.event("d1", why=WHY))
            await body(Site(house))
        finally:
            house.journal.close()

    asyncio.run(run())


def event_of(site: Site) -> str:
    return site.house.alerts(state="all")[0].event


def test_an_acknowledgement_is_done_and_the_audit_log_says_who_and_whence(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        assert (await site.do(Act("acknowledge", "ann", "hub", event_of(site), "coming"))).state is State.DONE
        (alert,) = site.house.alerts()
        assert (alert.acked_by, alert.comment) == ("ann at hub", "coming")
        (line,) = site.audit()
        assert (line.body["who"], line.body["status"]) == ("ann at hub", 200)
        assert line.body["what"] == "alert.acknowledge by parent/person:ann"
        later = await site.do(Act("acknowledge", "bob", "hub", event_of(site)), "a2")
        assert (later.state, later.detail) == (State.DONE, "ann at hub had acknowledged it before")
        assert len(site.commands.desk) == 0

    at_site(tmp_path, body)


def test_what_ended_meanwhile_is_not_done_at_all(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        command = await site.take(Act("comment", "ann", "hub", event_of(site), "late"))

        def expire(tx: Transaction) -> None:
            commanded.end(tx, "a1", Answer(State.EXPIRED), site.house.clock.wall_ns())

        await site.house.journal.submit(expire)
        await site.acting.once(command)
        assert site.ended().state is State.EXPIRED
        assert site.house.history(site.house.alerts()[0].id) == []
        assert site.audit() == []
        assert len(site.commands.desk) == 0

    at_site(tmp_path, body)


def test_reasons_to_refuse_are_said(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        event = event_of(site)
        assert (await site.do(Act("comment", "ann", "hub", "0" * 32, "x"), "a1")).detail == UNKNOWN
        assert (await site.do(Act("comment", "ann", "hub", event), "a2")).detail == "`comment` is empty"
        assert (
            await site.do(Act("comment", "ann", "hub", event, "x"), "a3", b'{"do":"sing"}')
        ).detail == NOT_UNDERSTOOD
        other = await site.do(Act("comment", "ann", "hub", event, "x"), "a4", place="@alerts/another")
        assert other.detail == NOT_UNDERSTOOD
        site.known = False
        assert (await site.do(Act("acknowledge", "ann", "hub", event), "a5")).detail == UNKNOWN
        site.known = True
        await site.house.clear("d1")
        over = await site.do(Act("acknowledge", "ann", "hub", event), "a6")
        assert (over.state, over.detail) == (State.REFUSED, OVER)
        assert [line.body["status"] for line in site.audit()] == [409] * 6

    at_site(tmp_path, body)


@pytest.mark.parametrize("do", ["confirmed", "rejected"])
def test_a_detectors_alert_is_labelled_from_above(tmp_path: Path, do: str) -> None:
    async def body(site: Site) -> None:
        label: Do = "confirmed" if do == "confirmed" else "rejected"
        assert (await site.do(Act(label, "ann", "hub", event_of(site)))).state is State.DONE
        assert [(one.label, one.by) for one in site.house.labels] == [(do, "ann at hub")]

    at_site(tmp_path, body)


def test_a_silence_is_taken_back_by_the_act_that_made_it(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        until_ns = site.house.clock.wall_ns() + 3600 * NS_PER_S
        made = await site.do(Act("silence", "ann", "hub", "", "works", {"devices": ["d*"]}, until_ns))
        assert (made.state, made.result) == (State.DONE, b'{"silence":1}')
        assert len(site.house.service.quieting.lasting(site.house.clock.wall_ns())) == 1
        wrong = await site.do(Act("silence", "ann", "hub", "", "works", {"colours": ["red"]}, until_ns), "a2")
        assert wrong.state is State.REFUSED
        assert (await site.do(Act("unsilence", "ann", "hub", made_by="a1"), "a3")).state is State.DONE
        assert site.house.service.quieting.lasting(site.house.clock.wall_ns()) == ()
        assert (await site.do(Act("unsilence", "ann", "hub", made_by="a1"), "a4")).state is State.REFUSED

    at_site(tmp_path, body)


def test_nobody_but_the_parent_addresses_the_node_itself(tmp_path: Path) -> None:
    async def body(site: Site) -> None:
        act = Act("acknowledge", "ann", "hub", event_of(site))
        now_ns = site.house.clock.wall_ns()
        mine = Command("a1", "gw", act.place, act.name, encode_act(act), "rule:hot", now_ns, now_ns + 60 * NS_PER_S)
        await site.house.journal.submit(lambda tx: commanded.insert(tx, Stored(mine)))
        site.commands.hand(site.commands.put(Stored(mine), is_stored=True))
        await asyncio.sleep(0.05)
        assert site.ended().state is State.UNDELIVERABLE
        assert site.house.alerts()[0].acked_ns == 0

    at_site(tmp_path, body)
