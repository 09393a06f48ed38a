"""Wills with a delay and what a killed node's successor does about them, with the node's real journal."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.adapters.mqtt.doubles import Client, connect, subscribe, text
from tests.unit.adapters.mqtt.test_persistence import Lasting

from holdfast.adapters.mqtt import wills
from holdfast.adapters.mqtt.packets import Will
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.kernel.clock import ManualClock

DELAY_S = 5
HOUR = b"\x11\0\0\x0e\x10"
WILL = b"\x05\x18\0\0\0\x05" + text("status") + text("gone")
LEFT = b"\xe0\x00"


def device(site: Lasting, name: str = "d", *, more: bytes = WILL, said: bytes = HOUR, clean: bool = True) -> Client:
    client = site.client()
    client.send(connect(name, version=5, flags=0x0C | (2 if clean else 0), said=said, more=more))
    return client


def lives(folder: Path, *each: Callable[[Lasting], Awaitable[None]], clock: ManualClock | None = None) -> None:
    """One after another on the same file, by one clock: each ends as if it had been killed."""
    clock = clock or ManualClock()

    async def one(life: Callable[[Lasting], Awaitable[None]]) -> None:
        site = Lasting(folder, clock)
        try:
            await life(site)
        finally:
            site.die()

    for life in each:
        asyncio.run(one(life))


async def vanished(site: Lasting) -> None:
    device(site).vanish()
    await site.settle()


async def tick(site: Lasting, after_s: float) -> list[bytes]:
    """Let time go by; what was published until then."""
    site.clock.advance(after_s)
    site.broker.tick(site.clock.monotonic())
    await site.settle()
    return site.inbox.payloads


def test_a_will_whose_delay_runs_survives_the_node_and_is_published_once(tmp_path: Path) -> None:
    async def early(site: Lasting) -> None:
        assert await tick(site, DELAY_S - 1) == []

    async def due(site: Lasting) -> None:
        assert await tick(site, 1.5) == [b"gone"]
        assert site.inbox.arrivals[0].source == "d"
        assert site.rows("mqtt_wills") == 0

    async def after(site: Lasting) -> None:
        assert await tick(site, 100) == []

    lives(tmp_path, vanished, early, due, after)


def test_a_will_is_forgotten_when_its_client_comes_back_to_the_restarted_node(tmp_path: Path) -> None:
    async def back(site: Lasting) -> None:
        client = site.client()
        client.send(connect("d", version=5, flags=0, said=HOUR))
        await site.settle()
        assert site.rows("mqtt_wills") == 0
        assert await tick(site, 100) == []
        client.vanish()

    async def after(site: Lasting) -> None:
        assert await tick(site, 100) == []

    lives(tmp_path, vanished, back, after)


def test_a_client_that_was_connected_has_its_whole_delay_to_come_back(tmp_path: Path) -> None:
    async def connected(site: Lasting) -> None:
        device(site)
        site.clock.advance(1000)
        await site.settle()

    async def restarted(site: Lasting) -> None:
        assert await tick(site, DELAY_S - 1) == []
        assert await tick(site, 1.5) == [b"gone"]

    lives(tmp_path, connected, restarted)


@pytest.mark.parametrize(
    ("more", "said"),
    [(b"\0" + text("status") + text("gone"), HOUR), (WILL, b"")],
    ids=["without a delay", "of a session without expiry"],
)
def test_a_will_that_never_waits_is_not_stored(tmp_path: Path, more: bytes, said: bytes) -> None:
    async def connected(site: Lasting) -> None:
        device(site, more=more, said=said)
        await site.settle()
        assert site.rows("mqtt_wills") == 0

    lives(tmp_path, connected)


def test_a_client_that_says_goodbye_takes_its_stored_will_along(tmp_path: Path) -> None:
    async def leaves(site: Lasting) -> None:
        client = device(site)
        await site.settle()
        assert site.rows("mqtt_wills") == 1
        await site.say(client, LEFT)
        assert site.rows("mqtt_wills") == 0

    lives(tmp_path, leaves)


def test_a_node_that_stops_publishes_no_will_and_leaves_the_delayed_ones_to_its_next_life(tmp_path: Path) -> None:
    async def stops(site: Lasting) -> None:
        for client in (device(site, "now", more=b"\0" + text("status") + text("now")), device(site)):
            client.connection.close(Reason.SHUTTING_DOWN)
            client.vanish()
        assert await tick(site, 0) == []

    async def restarted(site: Lasting) -> None:
        assert await tick(site, DELAY_S + 1) == [b"gone"]

    lives(tmp_path, stops, restarted)


def test_a_new_will_replaces_the_stored_one_and_none_forgets_it(tmp_path: Path) -> None:
    async def again(site: Lasting) -> None:
        device(site, more=b"\x05\x18\0\0\0\x05" + text("status") + text("later"), clean=False).vanish()
        await site.settle()

    async def restarted(site: Lasting) -> None:
        assert await tick(site, DELAY_S + 1) == [b"later"]

    lives(tmp_path, vanished, again, restarted)


def test_a_will_and_the_letters_it_became_are_stored_by_one_commit(tmp_path: Path) -> None:
    async def subscribed(site: Lasting) -> None:
        client = site.joined("s", flags=0)
        await site.say(client, subscribe("status"))
        device(site).vanish()
        await site.settle()

    async def killed_before_the_commit(site: Lasting) -> None:
        site.committing.holds = True
        await tick(site, DELAY_S + 1)
        assert (site.rows("mqtt_wills"), site.rows("mqtt_letters")) == (1, 0)

    async def killed_after_it(site: Lasting) -> None:
        assert await tick(site, 1) == [b"gone"]
        assert (site.rows("mqtt_wills"), site.rows("mqtt_letters")) == (0, 1)

    lives(tmp_path, subscribed, killed_before_the_commit, killed_after_it)


def test_a_will_outlives_the_session_that_ended_in_the_moment_the_node_was_killed(tmp_path: Path) -> None:
    async def ends(site: Lasting) -> None:
        device(site, said=b"\x11\0\0\0\x02").vanish()
        await site.settle()
        site.committing.holds = True
        site.clock.advance(3)
        site.broker.tick(site.clock.monotonic())
        await site.settle()
        assert (site.rows("mqtt_wills"), site.rows("mqtt_sessions")) == (1, 0)

    async def restarted(site: Lasting) -> None:
        assert await tick(site, 0) == [b"gone"]
        assert site.inbox.arrivals[0].source == "d"
        assert site.rows("mqtt_wills") == 0

    lives(tmp_path, ends, restarted)


def test_a_will_that_is_not_what_was_written_is_counted_and_gone(tmp_path: Path) -> None:
    async def damaged(site: Lasting) -> None:
        await site.journal.submit(lambda tx: tx.db.execute("UPDATE mqtt_wills SET body = x'00'"))

    async def restarted(site: Lasting) -> None:
        assert site.lost == 1
        assert await tick(site, 100) == []
        assert site.rows("mqtt_wills") == 0

    lives(tmp_path, vanished, damaged, restarted)


def test_a_will_comes_back_as_it_was_stored() -> None:
    will = Will("a/b", b"\0x", 2, True, 7, 30, [(Prop.CONTENT_TYPE, "text/plain"), (Prop.USER_PROPERTY, ("k", "v"))])
    assert wills.unpacked(wills.packed("d", will)) == ("d", will)
