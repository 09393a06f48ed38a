"""What is decided without a socket: where a device is, what is subscribed to when, how properties are asked for."""

import asyncio
from pathlib import Path

import pytest

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.directory import DUPLICATE_S, Directory
from holdfast.adapters.bacnet.errors import Refused
from holdfast.adapters.bacnet.frames import Station
from holdfast.adapters.bacnet.objects import PRESENT_VALUE, STATUS_FLAGS, Ref
from holdfast.adapters.bacnet.reading import Reader
from holdfast.adapters.bacnet.services import Introduction
from holdfast.adapters.bacnet.watching import Watch
from holdfast.adapters.errors import DeviceFaulted
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan

A, B = Station("10.0.0.9"), Station("10.0.0.10")
SAID = Introduction(7, 480, 15)


def test_a_device_that_works_keeps_its_place_and_one_that_fails_is_where_it_says() -> None:
    directory = Directory({7: None})
    assert directory.heard(Introduction(8, 480, 1), A, 0) == ""
    assert directory.heard(SAID, A, 0) == "found"
    assert directory.heard(SAID, A, 1) == "again"
    directory.worked(7, works=True)
    assert directory.heard(SAID, B, 2) == "duplicate"
    assert directory.entries[7].station == A
    assert "10.0.0.10 says to be device 7 too" in directory.duplicate(7, 3)
    assert directory.duplicate(7, 4 + DUPLICATE_S) == ""
    directory.worked(7, works=False)
    assert directory.heard(SAID, B, 5) == "moved"
    assert directory.entries[7].station == B
    assert directory.addresses() == [("10.0.0.10", 47808)]


def test_a_fixed_address_is_never_left() -> None:
    directory = Directory({7: A})
    assert directory.heard(SAID, B, 0) == "duplicate"
    assert directory.entries[7].station == A


def test_subscriptions_are_renewed_at_half_of_their_lifetime_a_few_at_a_time() -> None:
    objects = [(0, i) for i in range(60)]
    watch = Watch(objects, 300.0, 10.0)
    assert watch.due(0.0) == objects[:25]
    for one in objects:
        watch.subscribed(one, 0.0)
    assert watch.due(149.0) == []
    assert len(watch.due(151.0)) == 25
    assert watch.holds((0, 1), 299.0)
    assert not watch.holds((0, 1), 301.0)
    watch.lost((0, 1))
    assert watch.due(1.0) == [(0, 1)]
    watch.lost()
    assert len(watch.held(1.0)) == 0


def test_what_a_device_refuses_to_watch_is_asked_for_again_later_and_after_it_was_away() -> None:
    watch = Watch([(0, 1), (0, 2)], 300.0, 10.0)
    watch.refuse((0, 1), "no-space-to-add-list-element", 0.0, all_of_them=False)
    assert watch.due(1.0) == [(0, 2)]
    watch.refuse((0, 2), "unrecognized-service", 0.0, all_of_them=True)
    assert watch.due(1.0) == []
    assert watch.due(601.0) == [(0, 1), (0, 2)]
    watch.lost()
    assert watch.due(2.0) == [(0, 1), (0, 2)]


class Device:
    """Answers as a device with these limits does, in the bytes of the standard."""

    def __init__(self, *, multiple: bool = True, most: int = 1_000, unknown: tuple[int, int] = (9, 9)) -> None:
        self.multiple, self.most, self.unknown, self.asked = multiple, most, unknown, list[tuple[int, int]]()

    async def ask(self, _: Station, service: int, payload: bytes, __: float) -> bytes:
        if service == services.READ_PROPERTY:
            self.asked.append((service, 1))
            kind, instance = payload[1:5], int.from_bytes(payload[3:5], "big")
            if (kind[0] >> 6, instance) == self.unknown:
                raise Refused("error", "unknown-object")
            return payload + bytes.fromhex("3e 4441ac0000 3f")
        if not self.multiple:
            raise Refused("reject", "unrecognized-service")
        said, count = self._answer(payload)
        self.asked.append((service, count))
        if count > self.most:
            raise Refused("abort", "segmentation-not-supported")
        return said

    def _answer(self, payload: bytes) -> tuple[bytes, int]:
        answer, at, count = b"", 0, 0
        while at < len(payload):
            answer += payload[at : at + 5] + b"\x1e"
            at += 6
            while payload[at] != 0x1F:
                answer += bytes((0x29, payload[at + 1])) + bytes.fromhex("4e 4441ac0000 4f")
                at, count = at + 2, count + 1
            answer += b"\x1f"
            at += 1
        return answer, count


REFS = [Ref(0, i, prop) for i in range(40) for prop in (PRESENT_VALUE, STATUS_FLAGS)]


def read(device: Device, refs: list[Ref] = REFS) -> tuple[list[services.Read], Reader]:
    reader = Reader(device.ask, SystemClock())
    return asyncio.run(reader.read(A, refs, 1.0)), reader


def test_many_properties_are_asked_for_at_once_as_far_as_an_answer_has_room() -> None:
    device = Device()
    found, _ = read(device)
    assert [one.ref for one in found] == REFS
    assert all(one.values[0].value == 21.5 for one in found)
    assert 2 <= len(device.asked) <= 4  # 480 octets an answer


def test_a_device_that_cannot_send_so_much_is_asked_for_less_from_then_on() -> None:
    device = Device(most=9)
    found, reader = read(device)
    assert len(found) == len(REFS)
    too_long = [count for _, count in device.asked if count > 9]
    assert len(too_long) <= 3
    device.asked.clear()
    asyncio.run(reader.read(A, REFS, 1.0))
    assert max(count for _, count in device.asked) <= 9


def test_a_device_without_multiple_reads_is_asked_one_by_one_from_then_on() -> None:
    device = Device(multiple=False)
    found, reader = read(device, REFS[:6])
    assert [one.values[0].value for one in found] == [21.5] * 6
    assert not reader.can_multiple
    assert device.asked == [(services.READ_PROPERTY, 1)] * 6


def test_an_answer_that_leaves_something_out_is_no_answer() -> None:
    class Forgetful(Device):
        async def ask(self, _: Station, service: int, payload: bytes, __: float) -> bytes:
            return self._answer(payload)[0][: -16 if service == services.READ_MULTIPLE else None]

    with pytest.raises(DeviceFaulted):
        read(Forgetful(), REFS[:8])


def test_the_sample_can_be_loaded(tmp_path: Path) -> None:
    text = (Path(services.__file__).parent / "sample.yaml").read_text()
    (tmp_path / "node.yaml").write_text(text)
    plan = read_plan(tmp_path / "node.yaml")
    assert {one.pattern.text for one in plan.profiles} == {
        "points/bacnet/building.ahu-1", "points/bacnet/building.ahu-1/q"
    }  # fmt: skip


def test_everything_that_is_wrong_with_the_settings_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "ahu.yaml").write_text("objects:\n  a: {object: 'analog-input', metric: a}\n")
    (tmp_path / "node.yaml").write_text(
        "node: gw\nbacnet:\n  b:\n    address: 10.0.0\n    every: 0s\n    who_is: [nobody]\n    devices:\n"
        "      one: {device: 1, address: 10.0.0.5/24, map: ahu.yaml}\n"
        "      two: {device: 1}\n"
        "      three: {device: 3, objects: {x: {object: 'analog-input,1', metric: x, unit: Celsus, priority: 8}}}\n"
    )
    with pytest.raises(SettingsInvalid) as caught:
        read_plan(tmp_path / "node.yaml")
    said = str(caught.value)
    for one in (
        "ahu.yaml:2: objects.a.object: expected an object as",
        "node.yaml:4: bacnet.b.address: expected this machine's address",
        "bacnet.b.every: must be more than 0",
        "bacnet.b.who_is.0: expected an address",
        "bacnet.b.devices.one.address: expected an address",
        "bacnet.b.devices.two.device: `one` has this instance too",
        "bacnet.b.devices.two: expected either `objects` or `map`",
        "objects of this type have no priorities",
        "unknown unit `Celsus`",
    ):
        assert one in said, said
