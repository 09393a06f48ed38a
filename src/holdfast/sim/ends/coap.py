"""Devices that are CoAP servers, each on a UDP port of its own, with aiocoap below.

    GET coap://HOST:PORT/senml      a SenML pack (RFC 8428), observable; its `bt` is the device's clock
    GET, PUT coap://HOST:PORT/NAME  one value as text; what is written stays until the model's next one

A device has one port, since a CoAP client has one request at a time under way with an endpoint (RFC 7252 §4.7): on a
shared port a device that never answers would hold up the others.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiocoap import Message
from aiocoap.numbers import codes
from aiocoap.pipe import Pipe
from msgspec import Struct

from holdfast.adapters.coap.endpoint import Endpoint, open_server
from holdfast.adapters.coap.gate import Gate
from holdfast.kernel.clock import NS_PER_MS, SystemClock
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan, Scalar
from holdfast.transport.addresses import Address, parse_listen

_SENML_JSON, _TEXT = 110, 0
_PACK = "senml"
_REMEMBER = 1_000
_OBSERVERS = 32
"""Of one device; one more replaces the oldest."""
_NUMBERS = 2**24
_Records = list[dict[str, Any]]


class CoapEndSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """address: of the first device, the others' ports count on from there; max_age_s: how long an answer holds."""

    address: str = "127.0.0.1:5683"
    max_age_s: int = 10


class _Device(Gate):
    """One device: its port, its records, who observes it. As a gate it's deaf while it has dropped out."""

    def __init__(self, end: "CoapEnd", address: Address) -> None:
        super().__init__((), 0.0)
        self._end, self.address = end, address
        self.records: _Records = []
        self.faults = SOUND
        self._observers: list[Pipe] = []
        self._number = 0
        self._endpoint: Endpoint | None = None

    def lets(self, host: str, now: float) -> bool:
        """Does it hear?"""
        return not self.faults.dropout and super().lets(host, now)

    async def open(self) -> None:
        self._endpoint = await open_server(self.address, self, SystemClock(), _REMEMBER, self.take)

    async def close(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        self._observers.clear()
        if endpoint is not None:
            await endpoint.close()

    def take(self, pipe: Pipe) -> None:
        """A request; one that's never answered is acknowledged by the library all the same: half-open."""
        if self.faults.half_open:
            return
        if self.faults.garbage:
            self._garble(pipe)
        elif self.faults.slow_s:
            asyncio.get_running_loop().call_later(self.faults.slow_s, self._answer, pipe)
        else:
            self._answer(pipe)

    def told(self) -> None:
        """Tell the observers what there is now."""
        self._number = (self._number + 1) % _NUMBERS
        for pipe in [] if self.faults.dropout or self.faults.half_open else tuple(self._observers):
            if self.faults.garbage:
                self._garble(pipe)
            elif self.faults.slow_s:
                asyncio.get_running_loop().call_later(self.faults.slow_s, self._notify, pipe)
            else:
                self._notify(pipe)

    def _answer(self, pipe: Pipe) -> None:
        if self._endpoint is None:
            return
        request = pipe.request
        path = "/".join(request.opt.uri_path)
        if request.code == codes.PUT:
            pipe.add_response(self._written(path, request.payload), is_last=True)
        elif request.code != codes.GET:
            pipe.add_response(Message(code=codes.METHOD_NOT_ALLOWED), is_last=True)
        elif path == _PACK and request.opt.observe == 0:
            self._observers = [*self._observers[-_OBSERVERS + 1 :], pipe]
            pipe.on_interest_end(lambda: self._observers.remove(pipe) if pipe in self._observers else None)
            self._notify(pipe)
        else:
            pipe.add_response(self._read(path), is_last=True)

    def _notify(self, pipe: Pipe) -> None:
        if pipe in self._observers:
            message = self._read(_PACK)
            message.opt.observe = self._number
            pipe.add_response(message)

    def _read(self, path: str) -> Any:
        if path == _PACK:
            payload, kind = msgspec.json.encode(self.records), _SENML_JSON
        else:
            record = next((one for one in self.records if one.get("n") == path), None)
            if record is None:
                return Message(code=codes.NOT_FOUND, payload=b"no such value")
            value = record.get("v", record.get("vb", record.get("vs")))
            said = msgspec.json.encode(value) if isinstance(value, bool) else f"{value}".encode()
            payload, kind = said, _TEXT
        return Message(code=codes.CONTENT, payload=payload, content_format=kind, max_age=self._end.settings.max_age_s)

    def _written(self, path: str, payload: bytes) -> Any:
        record = next((one for one in self.records if one.get("n") == path), None)
        if record is None:
            return Message(code=codes.NOT_FOUND, payload=b"no such value")
        key = next(key for key in ("v", "vb", "vs") if key in record)
        try:
            text = payload.decode()
            record[key] = text if key == "vs" else text == "true" if key == "vb" else float(text)
        except ValueError:
            return Message(code=codes.BAD_REQUEST, payload=b"no number")
        self.told()
        return Message(code=codes.CHANGED)

    def _garble(self, pipe: Pipe) -> None:
        """An answer cut off in its options: no CoAP message (RFC 7252 §3)."""
        if self._endpoint is not None:
            self._endpoint.send_raw(
                b"\x60\x45" + (pipe.request.mid or 0).to_bytes(2, "big") + b"\xd1", pipe.request.remote
            )


class CoapEnd:
    """See the page."""

    def __init__(self, name: str, settings: CoapEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        """Nothing is opened."""
        self._name, self.settings, self._plans = name, settings, devices
        first = parse_listen(settings.address)
        self._devices = {
            device: _Device(self, Address(first.host, first.port + plan.number)) for device, plan in devices.items()
        }

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """The device's SenML pack."""
        points = self._plans[device].points
        records: _Records = [{"bn": f"{device}:", "bt": at_ns // NS_PER_MS / 1_000}]
        for name, value in values.items():
            key = "vb" if isinstance(value, bool) else "vs" if isinstance(value, str) else "v"
            unit = {"u": points[name].unit} if points[name].unit else {}
            records.append({"n": name, **unit, key: value})
        return [msgspec.json.encode(records)]

    async def start(self) -> None:
        """Listen.

        Raises:
            CoapUnreachable: when a port can't be had; those that could are closed.
        """
        try:
            for device in self._devices.values():
                await device.open()
        except BaseException:
            await self.stop()
            raise

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults) -> None:
        """These are what the device answers from now on; observers are told."""
        del at_ns  # it's in the pack
        one = self._devices[device]
        one.faults = faults
        if frames:
            one.records = msgspec.json.decode(frames[-1])
            one.told()

    async def stop(self) -> None:
        """Close the ports."""
        for device in self._devices.values():
            await device.close()

    def map_yaml(self) -> str:
        """A link that observes all of them; devices of the same points have a map together."""
        maps: dict[str, Any] = {}
        names: dict[bytes, str] = {}
        devices: dict[str, Any] = {}
        for device, plan in self._plans.items():
            points = {name: _point(name, point) for name, point in plan.points.items()}
            key = msgspec.json.encode(points)
            name = names.setdefault(key, self._name if not names else f"{self._name}-{len(names)}")
            maps[name] = {"points": points}
            url = f"coap://{self._devices[device].address}"
            devices[device] = {"url": url, "map": name, "timeout": "5s", "every": "5s"}
        return msgspec.yaml.encode({"coap": {self._name: {"maps": maps, "devices": devices}}}).decode()


def _point(name: str, point: PointPlan) -> dict[str, Any]:
    unit = {"unit": point.unit} if point.unit else {}
    return {"path": _PACK, "record": name, "metric": point.metric, **unit, "type": point.type}
