"""A resource's life, on a network that is a script."""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Any, Self

from tests.waiting import until

from holdfast.adapters.coap.devices import Answer, Heard, Lost, Resource
from holdfast.adapters.coap.errors import CoapRefused, CoapUnreachable
from holdfast.adapters.coap.values import Read
from holdfast.kernel.clock import SystemClock


class Script:
    """A device: what it does next is changed by the test. Implements `devices.Network` and `devices.Registered`."""

    def __init__(self, *, observes: bool = True) -> None:
        self.timeout_s = 0.05
        self.observes, self.is_dead, self.chokes = observes, False, False
        self.value = b"1"
        self.max_age_s: float | None = None
        self.asked = self.registered = self.ended = self._number = 0
        self.heard: Heard | None = None
        self.lost: Lost | None = None

    async def ask(self, path: str) -> Answer:
        assert path == "r"
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_dead:
            raise CoapUnreachable("no answer")
        return Answer(self.value)

    async def register(self, path: str, heard: Heard, lost: Lost) -> "Script":
        assert path == "r"
        self.registered += 1
        self.heard, self.lost = heard, lost
        if not (self.is_dead or self.chokes):
            self.tell(self.value, number=self._number if self.observes else None)
        return self

    def end(self) -> None:
        self.ended += 1

    def tell(self, value: bytes, number: int | None = -1, *, is_partial: bool = False) -> None:
        if number == -1:
            self._number = number = self._number + 1
        assert self.heard is not None
        self.heard(Answer(value, None, self.max_age_s, number, is_partial))


class Kept:
    """Implements `devices.Sink`."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def values(self, found: Mapping[str, Read]) -> None:
        self.said += [one.value for one in found.values()]

    def payload(self, data: bytes) -> None:
        self.said.append(data)

    def offline(self, points: tuple[str, ...]) -> None:
        self.said.append(("offline", *points))


class Life:
    """A resource at work."""

    def __init__(self, network: Script, every_s: float = 0.01, *, observe: bool = True, points: bool = True) -> None:
        self.network, self.kept = network, Kept()
        records = {"p": ""} if points else {}
        self.it = Resource("r", records, network, self.kept, SystemClock(), Random(1), every_s, observe=observe)
        self.it._backoff._min = self.it._backoff._max = self.it._backoff._pause = 0.01

    async def __aenter__(self) -> Self:
        self._task = asyncio.ensure_future(self.it.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def test_an_observed_resource_tells_every_notification_and_nothing_that_came_late() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            for value, number in ((b"2", 5), (b"3", 6), (b"4", 4), (b"5", 7)):
                life.network.tell(value, number)
            await until(lambda: life.kept.said == [1, 2, 3, 5])
            assert (life.it.how, life.it.late, life.network.asked) == ("observed", 1, 0)

    asyncio.run(scene())


def test_a_device_that_does_not_observe_is_polled() -> None:
    async def scene() -> None:
        async with Life(Script(observes=False)) as life:
            await until(lambda: life.network.asked >= 3)
            assert (life.it.how, life.network.registered) == ("polled", 1)

    asyncio.run(scene())


def test_a_device_that_chokes_on_being_observed_is_polled() -> None:
    async def scene() -> None:
        network = Script()
        network.chokes = True
        async with Life(network) as life:
            await until(lambda: life.network.asked >= 3)
            assert (life.it.how, life.network.registered, life.it.failures) == ("polled", 1, 0)

    asyncio.run(scene())


def test_a_stream_that_breaks_off_is_registered_again_before_anything_is_offline() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            assert life.network.lost is not None
            life.network.lost(CoapUnreachable("another resource of the device didn't answer"))
            await until(lambda: life.kept.said == [1, 1])
            assert (life.network.registered, life.it.failures) == (2, 0)

    asyncio.run(scene())


def test_without_observe_it_is_polled_and_never_registered() -> None:
    async def scene() -> None:
        async with Life(Script(), observe=False) as life:
            await until(lambda: life.network.asked >= 3)
            assert life.network.registered == 0

    asyncio.run(scene())


def test_a_stream_that_falls_silent_is_registered_again_and_goes_on() -> None:
    async def scene() -> None:
        network = Script()
        network.max_age_s = -4.95  # with the grace of 5 s: 50 ms
        async with Life(network) as life:
            await until(lambda: network.registered >= 3)
            assert life.it.failures == 0
            assert network.ended == network.registered - 1
            network.tell(b"7", 900)
            await until(lambda: 7 in life.kept.said)

    asyncio.run(scene())


def test_a_device_that_dies_is_offline_once_and_comes_back_by_itself() -> None:
    async def scene() -> None:
        network = Script()
        network.max_age_s = -4.95
        async with Life(network) as life:
            await until(lambda: life.kept.said[:1] == [1])
            network.is_dead = True
            await until(lambda: life.it.failures >= 3)
            assert life.kept.said.count(("offline", "p")) == 1
            assert life.kept.said[-1] == ("offline", "p")
            assert isinstance(life.it.error, CoapUnreachable)
            network.is_dead, network.value = False, b"8"
            await until(lambda: life.kept.said[-1] == 8)
            assert life.it.error is None

    asyncio.run(scene())


def test_a_device_that_does_not_answer_elsewhere_is_asked_now_and_not_when_max_age_is_over() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            life.it.doubt()
            await until(lambda: life.network.registered == 2)
            assert life.it.failures == 0
            lost: list[int] = []
            life.it.when_lost = lambda: lost.append(1)
            life.network.is_dead = True
            life.it.doubt()
            await until(lambda: life.it.failures >= 3)
            assert lost == [1]

    asyncio.run(scene())


def test_a_polled_device_that_dies_is_offline_once_and_comes_back_by_itself() -> None:
    async def scene() -> None:
        network = Script()
        async with Life(network, observe=False) as life:
            await until(lambda: life.kept.said[:1] == [1])
            network.is_dead = True
            await until(lambda: life.it.failures >= 2)
            network.is_dead, network.value = False, b"9"
            await until(lambda: life.kept.said[-1] == 9)
            assert life.kept.said.count(("offline", "p")) == 1

    asyncio.run(scene())


def test_a_stream_that_ends_with_an_error_is_offline_and_tried_again() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            assert life.network.lost is not None
            life.network.lost(CoapRefused("gone", code="4.04"))
            await until(lambda: life.network.registered == 2)
            await until(lambda: life.kept.said == [1, ("offline", "p"), 1])

    asyncio.run(scene())


def test_a_device_that_stops_observing_is_polled_from_then_on() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            life.network.tell(b"2", None)
            await until(lambda: life.network.asked >= 2)
            assert life.it.how == "polled"

    asyncio.run(scene())


def test_a_notification_in_blocks_is_fetched_whole() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            life.network.value = b"42"
            life.network.tell(b"4", is_partial=True)
            await until(lambda: life.kept.said == [1, 42])

    asyncio.run(scene())


def test_a_payload_that_is_no_value_marks_the_point_and_the_device_is_tried_again() -> None:
    async def scene() -> None:
        async with Life(Script()) as life:
            await until(lambda: life.kept.said == [1])
            life.network.tell(b"\xff\xfe")
            await until(lambda: ("offline", "p") in life.kept.said)
            assert life.it.error is not None
            await until(lambda: life.kept.said[-1] == 1)

    asyncio.run(scene())


def test_without_points_payloads_go_on_as_they_are() -> None:
    async def scene() -> None:
        async with Life(Script(), points=False) as life:
            life_said = life.kept.said
            await until(lambda: life_said == [b"1"])
            life.network.tell(b"\xff")
            await until(lambda: life_said == [b"1", b"\xff"])

    asyncio.run(scene())
