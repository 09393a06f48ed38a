"""One link of `coap:` as the node runs it: a listener for devices that push, and devices that are asked.

Imports aiocoap, so it's imported only when there is such a link.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

from holdfast.adapters.coap.devices import Resource
from holdfast.adapters.coap.endpoint import Endpoint, claim, open_client
from holdfast.adapters.coap.errors import CoapRefused, CoapUnreachable
from holdfast.adapters.coap.exchange import CoapNetwork, ask
from holdfast.adapters.coap.server import CoapServer
from holdfast.adapters.coap.settings import CoapDevice, CoapLink, CoapPoint
from holdfast.adapters.coap.values import NUMBERS, Read, read, written
from holdfast.adapters.errors import AdapterError, DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.feed import Feed
from holdfast.adapters.points import Point, offline, points_payload, values_payload
from holdfast.adapters.port import DeviceState, Inbox
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked
from holdfast.kernel.clock import Clock
from holdfast.model.points import PointMap, Scalar
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.addresses import parse_listen
from holdfast.transport.backoff import Backoff

KIND = "coap"
FIRST_S, LONGEST_S = 1.0, 60.0
"""Between tries of a port that can't be had."""
_TRY_S = 1.0


def point_map(name: str, link: CoapLink) -> PointMap:
    """A map of a link."""
    return PointMap(KIND, name, link.maps[name].points)


class _Sink:
    """Where one device's values go. Implements `devices.Sink`."""

    def __init__(self, device: str, topic: str, *, is_map: bool, feed: Feed, clock: Clock) -> None:
        self._device, self._topic, self._is_map, self._feed, self._clock = device, topic, is_map, feed, clock

    def values(self, found: Mapping[str, Read]) -> None:
        """See `devices.Sink`."""
        if any(one.ts_ns is not None for one in found.values()):
            points = [Point(name, one.value, "good", one.ts_ns) for name, one in found.items()]
            self._feed.put(f"{self._topic}/q", points_payload(self._device, points))
        else:
            values = {name: one.value for name, one in found.items()}
            self._feed.put(self._topic, values_payload(self._device, self._clock.wall_ns(), values))

    def payload(self, data: bytes) -> None:
        """See `devices.Sink`."""
        self._feed.put(self._topic, data)

    def offline(self, points: Sequence[str]) -> None:
        """See `devices.Sink`; a payload of a topic has no way to say it."""
        if self._is_map:
            self._feed.put(f"{self._topic}/q", points_payload(self._device, offline(points)))


class _Device(NamedTuple):
    """A device at work."""

    settings: CoapDevice
    points: Mapping[str, CoapPoint]
    network: CoapNetwork
    resources: Sequence[Resource]


class CoapAdapter:
    """Implements `adapters.port.EdgeAdapter`. Loop thread only."""

    def __init__(
        self, name: str, link: CoapLink, inbox: Inbox, clock: Clock, telemetry: Telemetry, rng: Random
    ) -> None:
        """Nothing is opened yet."""
        self.name = f"{KIND}:{name}"
        self._link, self._clock, self._rng = link, clock, rng
        self._server = CoapServer(link, inbox, clock) if link.listen else None
        self._feed = Feed(self.name, inbox, clock)
        self._endpoint: Endpoint | None = None
        self._devices = {device: self._device(device, one) for device, one in link.devices.items()}
        where = ", ".join(filter(None, (link.listen, f"{len(self._devices)} devices" if self._devices else "")))
        self._health = Supervised((self.name, KIND, where), clock, telemetry, Backoff(FIRST_S, LONGEST_S, rng))
        self._measure(telemetry, name)

    async def run(self) -> None:
        """See `EdgeAdapter`."""
        await self._health.run(self._attempt)

    async def stop(self, deadline_s: float) -> None:
        """See `EdgeAdapter`."""
        if self._server is not None:
            await self._server.stop(deadline_s)

    def status(self) -> AdapterStatus:
        """See `EdgeAdapter`."""
        detail, received, unsettled = [], self._feed.received, self._feed.unsettled
        if self._server is not None:
            served, turned = self._server.served, self._server.gate.turned
            received, unsettled = received + served.received, unsettled + self._server.unsettled
            away = turned.strangers + turned.too_fast + turned.malformed
            detail.append(
                f"port {self._server.port}: {served.received} messages, {self._server.repeats} repeats,"
                f" {served.refused} answered 5.03, {served.faulty} 4.xx, {away} datagrams turned away"
            )
        if self._devices:
            failing = sum(one.state == "failing" for one in self.devices())
            detail.append(f"{len(self._devices)} devices, {failing} don't answer; {self._feed.skipped} values skipped")
        return self._health.status("; ".join(detail), received, unsettled)

    def devices(self) -> list[DeviceState]:
        """See `EdgeAdapter`."""
        return [_state(name, one) for name, one in self._devices.items()]

    async def try_once(self) -> str:
        """See `EdgeAdapter`."""
        said = [await self._try_listening()] if self._link.listen else []
        if self._devices:
            endpoint = await open_client(self._clock)
            try:
                for one in self._devices.values():
                    path = one.resources[0].path
                    await ask(endpoint, "GET", one.network.url(path), min(one.settings.timeout, 5.0))
            finally:
                await endpoint.close()
            said.append(f"{len(self._devices)} of {len(self._devices)} devices answer")
        return "; ".join(said)

    def writes(self, device: str) -> bool:
        """See `EdgeAdapter`."""
        found = self._devices.get(device)
        return found is not None and any(point.writable for point in found.points.values())

    def map_of(self, device: str) -> PointMap | None:
        """See `EdgeAdapter`."""
        name = self._link.devices[device].map
        return point_map(name, self._link) if name else None

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """See `EdgeAdapter`: each point by PUT, then read by GET."""
        found = self._devices[device]
        unfit = [name for name in values if name not in found.points or not found.points[name].writable]
        if unfit:
            known = ", ".join(name for name, point in found.points.items() if point.writable)
            raise WriteRefused(f"`{unfit[0]}` can't be written on {device}", f"Those that can: {known}")
        done: dict[str, Scalar] = {}
        for name, value in values.items():
            done[name] = await self._write_one(found, name, _whole(value, found.points[name]), is_first=not done)
        return done

    async def _write_one(self, device: _Device, name: str, value: Scalar, *, is_first: bool) -> Scalar:
        point = device.points[name]
        try:
            await device.network.put(point.path, written(value, point.format, point.record), NUMBERS[point.format])
        except CoapRefused as error:
            if error.code.startswith("5.03") and is_first:
                raise DeviceUnreachable(str(error), error.hint) from error
            raise WriteRefused(str(error), error.hint) from error
        except CoapUnreachable as error:
            raise WriteFailed(f"{name}: {error}", "It may have been written: read it") from error
        try:
            answer = await device.network.ask(point.path)
            got = read(answer.payload, answer.kind, {name: point.record}, self._clock.wall_ns()).get(name)
        except AdapterError as error:
            raise WriteFailed(f"{name} was written and can't be read back: {error}") from error
        if got is None:
            raise WriteFailed(f"{name} was written and isn't in what is read back", "See `record` in the map")
        if not _is_same(got.value, value):
            raise WriteFailed(f"{name} was written as {value} and is read back as {got.value}")
        return got.value

    async def _attempt(self, worked: Worked) -> None:
        tasks: list[asyncio.Task[None]] = []
        try:
            if self._devices:
                self._endpoint = await open_client(self._clock)
            if self._server is not None:
                await self._server.open()
            worked()
            lives = [one for device in self._devices.values() for one in device.resources]
            tasks = [asyncio.create_task(one.run(), name=f"{self.name} {one.path}") for one in lives]
            tasks.append(asyncio.create_task(_for_ever(), name=self.name))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done.pop().result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._close()

    async def _close(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        if self._server is not None:
            await self._server.close()
        if endpoint is not None:
            await endpoint.close()

    def _own(self) -> Endpoint:
        if self._endpoint is None:
            raise CoapUnreachable("the link isn't up", "See its state: holdfast adapters")
        return self._endpoint

    def _device(self, name: str, settings: CoapDevice) -> _Device:
        parts = urlsplit(settings.url)
        base = f"coap://{parts.netloc}{parts.path.rstrip('/') if settings.map else ''}"
        network = CoapNetwork(self._own, base, settings.timeout)
        points = self._link.maps[settings.map].points if settings.map else {}
        topic = point_map(settings.map, self._link).topic if settings.map else settings.topic
        sink = _Sink(name, topic, is_map=bool(settings.map), feed=self._feed, clock=self._clock)
        by_path: dict[str, dict[str, str]] = {} if points else {parts.path.strip("/"): {}}
        for point, one in points.items():
            by_path.setdefault(one.path.strip("/"), {})[point] = one.record
        resources = [
            Resource(path, records, network, sink, self._clock, self._rng, settings.every, observe=settings.observe)
            for path, records in by_path.items()
        ]
        for each in resources:
            each.when_lost = partial(_doubt, [other for other in resources if other is not each])
        return _Device(settings, points, network, resources)

    async def _try_listening(self) -> str:
        address = parse_listen(self._link.listen)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
        url = f"coap://[{host}]" if ":" in host else f"coap://{host}"
        endpoint = await open_client(self._clock)
        try:
            with contextlib.suppress(AdapterError):
                await ask(endpoint, "GET", f"{url}:{address.port or 1}/.well-known/core", _TRY_S)
                return f"a server listens on {address}"
        finally:
            await endpoint.close()
        claim(address)
        return f"{address} is free"

    def _measure(self, telemetry: Telemetry, link: str) -> None:
        server = self._server
        if server is None:
            return
        results: dict[str, Callable[[], float]] = {
            "stored": lambda: server.served.settled,
            "refused": lambda: server.served.refused,
            "faulty": lambda: server.served.faulty,
            "repeated": lambda: server.repeats,
            "too_fast": lambda: server.gate.turned.too_fast,
            "stranger": lambda: server.gate.turned.strangers,
            "malformed": lambda: server.gate.turned.malformed,
        }
        for result, count in results.items():
            said = "What CoAP devices sent, by what became of it."
            telemetry.counter("coap_messages", said, count, link=link, result=result)
        said = "CoAP messages that aren't on disk yet."
        telemetry.gauge("coap_under_way", said, lambda: server.unsettled, link=link)
        said = "Bytes of block-wise uploads that aren't complete."
        telemetry.gauge("coap_half_sent_bytes", said, lambda: server.bodies.bytes, link=link)


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _doubt(resources: Sequence[Resource]) -> None:
    for one in resources:
        one.doubt()


def _state(name: str, one: _Device) -> DeviceState:
    lives = one.resources
    error = next((life.error for life in lives if life.error is not None), None)
    state = "failing" if error is not None else "working" if all(life.last_ns for life in lives) else "waiting"
    is_polled = any(life.how == "polled" for life in lives)
    return DeviceState(
        name,
        one.settings.url,
        state,  # type: ignore[arg-type]  # one of its literals, which mypy doesn't see through the conditions
        one.settings.every if is_polled else 0.0,
        max(life.last_ns for life in lives),
        sum(life.received for life in lives),
        sum(life.failures for life in lives),
        error="" if error is None else str(error),
    )


def _whole(value: Scalar, point: CoapPoint) -> Scalar:
    """An integer's value as one: 21.0 is 21."""
    is_int = point.type == "int" and isinstance(value, float) and value.is_integer()
    return int(value) if is_int else value


def _is_same(got: Scalar, wanted: Scalar) -> bool:
    if isinstance(got, str) or isinstance(wanted, str):
        return str(got) == str(wanted) or f"{got}".lower() == f"{wanted}".lower()
    return abs(float(got) - float(wanted)) <= 1e-6 * max(1.0, abs(float(wanted)))
