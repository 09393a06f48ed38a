"""Links over real sockets on loopback: broadcasts, a BBMD and long answers of bacpypes3's stack, floods."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bacpypes3.ipv4.app import BBMDApplication, ForeignApplication
from bacpypes3.local.device import DeviceObject
from bacpypes3.pdu import IPv4Address
from tests.ports import free_port
from tests.waiting import until

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.discovery import Discovery, yaml_of
from holdfast.adapters.bacnet.frames import Heard, Kind, Station, unconfirmed, unicast
from holdfast.adapters.bacnet.limits import Bucket, Limits
from holdfast.adapters.bacnet.link import Ears, Link
from holdfast.adapters.bacnet.places import Place, place
from holdfast.adapters.errors import DeviceUnreachable
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.documents import parse
from holdfast.node.settings import NodeSettings
from holdfast.sim.ends.bacnet import BacnetEnd, BacnetEndSettings
from holdfast.sim.ends.port import DevicePlan, PointPlan

CLOCK = SystemClock()


def link_at(where: Place, bbmd: tuple[str, int] | None = None, per_s: float = 10_000) -> Link:
    return Link(where, bbmd, Limits(per_s), CLOCK, services.name_of)


def test_a_broadcast_is_heard_by_all_on_the_subnet_and_not_by_who_sent_it() -> None:
    async def run() -> None:
        port, heard = free_port(), list[tuple[str, str]]()
        links = [link_at(place(f"127.0.0.{i}/8:{port}")) for i in (21, 22, 23)]
        for one in links:
            one.ears = Ears(lambda pdu, one=one: heard.append((one.place.host, pdu.source.host)), lambda _: False)  # type: ignore[misc]
            await one.open()
        try:
            assert links[0].shout(services.WHO_IS, services.who_is())
            await until(lambda: len(heard) >= 2)
            await asyncio.sleep(0.1)
        finally:
            for one in links:
                one.close()
        assert sorted(heard) == [("127.0.0.22", "127.0.0.21"), ("127.0.0.23", "127.0.0.21")]

    asyncio.run(run())


def test_devices_of_another_subnet_are_found_through_its_bbmd() -> None:
    async def run() -> None:
        ports = [free_port() for _ in range(3)]  # bacpypes3 takes 127.x.x.x at its own port for itself
        bbmd = BBMDApplication(
            DeviceObject(objectIdentifier=("device", 31), objectName="bbmd"), IPv4Address(f"127.0.0.1:{ports[0]}")
        )
        device = ForeignApplication(
            DeviceObject(objectIdentifier=("device", 32), objectName="far"), IPv4Address(f"127.0.0.1:{ports[1]}")
        )
        device.register(IPv4Address(f"127.0.0.1:{ports[0]}"), 60)
        await asyncio.sleep(0.15)
        try:
            link = link_at(Place("127.0.0.1", ports[2]), ("127.0.0.1", ports[0]))
            found = await Discovery(link, CLOCK, 1.0).run([], 0.4)
            assert link.registration == 0
        finally:
            device.unregister()
            device.close()
            bbmd.close()
            await asyncio.sleep(0.05)
        assert ("far", f"127.0.0.1:{ports[1]}") in [(one.name, one.address) for one in found]

    asyncio.run(run())


def test_a_device_with_hundreds_of_objects_is_listed_from_a_segmented_answer() -> None:
    async def run() -> str:
        port = free_port()
        points = {f"p{i}": PointPlan(f"m{i}", "Cel") for i in range(230)}
        end = BacnetEnd("big", BacnetEndSettings(address=f"127.0.0.1:{port}"), {"big": DevicePlan(0, points)})
        await end.start()
        await end.show("big", 0, end.frames("big", 0, dict.fromkeys(points, 20.5)))
        try:
            discovery = Discovery(link_at(Place("127.0.0.1", free_port())), CLOCK, 5.0)
            found = await discovery.run([("127.0.0.1", port)], 0.4, with_objects=True)
        finally:
            await end.stop()
        assert [one.name for one in found[0].objects] == list(points)
        return yaml_of(found, "10.0.0.5/24")

    text = asyncio.run(run())
    settings = parse(f"node: gw\n{text}", NodeSettings, Path("n.yaml")).value
    device = settings.bacnet["building"].devices["big"]
    assert (device.device, len(device.objects)) == (1000, 230)
    assert device.objects["p7"].object == "analog-value,8"
    assert not list(settings.bacnet["building"].findings())


def test_an_answer_is_awaited_asked_for_again_once_and_given_up() -> None:
    async def run() -> None:
        link, heard = link_at(Place("127.0.0.1", free_port())), list[bytes]()
        await link.open()
        with silent(heard) as where:
            with pytest.raises(TimeoutError):
                await link.ask(Station(*where), 12, b"x", 0.2)
            await asyncio.sleep(0.05)
            assert len(link.exchanges) == 0
            task = asyncio.create_task(link.ask(Station(*where), 12, b"x", 5))
            await asyncio.sleep(0.01)
            link.close()
            with pytest.raises(DeviceUnreachable, match="closed"):
                await task
        with pytest.raises(DeviceUnreachable, match="isn't open"):
            await link.ask(Station(*where), 12, b"x", 0.2)
        assert link.counts.sent == 3

    asyncio.run(run())


@contextmanager
def silent(heard: list[bytes]) -> Iterator[tuple[str, int]]:
    """Somebody who never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


def test_strangers_share_one_limit_and_devices_keep_theirs() -> None:
    limits = Limits(100)
    limits.know([("10.0.0.9", 47808)])
    taken = sum(limits.takes((f"10.0.{i % 200}.1", 47808), 1_000.0) for i in range(1_000))
    assert taken == 40
    assert limits.dropped == 960
    assert all(limits.takes(("10.0.0.9", 47808), 1_000.0) for _ in range(200))
    assert not limits.takes(("10.0.0.9", 47808), 1_000.0)
    assert limits.takes(("10.0.0.9", 47808), 1_000.02)


def test_a_bucket_fills_by_its_rate_and_time_that_stands_still_gives_nothing() -> None:
    bucket = Bucket(10)
    assert sum(bucket.takes(5.0) for _ in range(100)) == 20
    assert not bucket.takes(4.0)
    assert sum(bucket.takes(6.0) for _ in range(100)) == 10


def test_requests_of_others_are_rejected_and_garbage_is_counted() -> None:
    async def run() -> None:
        link, unheard = link_at(Place("127.0.0.1", free_port())), list[Heard]()
        link.ears = Ears(unheard.append, lambda _: False)
        await link.open()
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
                sock.setblocking(False)
                there = (link.place.host, link.place.port)
                sock.sendto(b"garbage", there)
                sock.sendto(unicast(Station(*there), unconfirmed(8, b"")), there)
                sock.sendto(unicast(Station(*there), bytes((0x00, 0x05, 9, 20))), there)
                answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 100), 2)
        finally:
            link.close()
        assert answer == bytes.fromhex("810a0009 0100 60 09 09")
        assert [one.kind for one in unheard] == [Kind.UNCONFIRMED]
        assert (link.counts.invalid, link.counts.unwanted) == (1, 1)

    asyncio.run(run())
