"""Pretend BACnet devices, each a device of bacpypes3's own stack on a UDP port of its own: a second one beside ours.

Floats are analog values, whole numbers integer values, booleans binary values, texts characterstring values; instances
count from 1 in the model's order. They answer who's there, reads of one or many properties, subscriptions and writes.
"""

import asyncio
import logging
import math
import struct
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from holdfast.adapters.bacnet.objects import written
from holdfast.adapters.bacnet.places import address
from holdfast.adapters.bacnet.values import TEXT, primitive
from holdfast.adapters.errors import ExtraMissing
from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, Scalar

if TYPE_CHECKING:
    from holdfast.sim.ends.bacnet_device import PretendDevice

_TYPES = {"float": 2, "int": 45, "bool": 5, "text": 40}
_BIND_S = 1.0


class BacnetEndSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where they listen.

    address:  of the first; ports count on
    instance: of the first; instances count on
    every:    how often a node reads them, in the settings that `--node` writes
    listen:   where that node listens
    """

    address: str = "127.0.0.1:47900"
    instance: Annotated[int, Meta(ge=0, le=4_000_000)] = 1000
    every: str = "10s"
    listen: str = "127.0.0.1:47808"


class CantListen(HoldfastError):
    """A port isn't free."""

    hint = "does another BACnet program have it? `ss -lunp` shows who"

    def __init__(self, where: tuple[str, int]) -> None:
        super().__init__(f"UDP {where[0]}:{where[1]} can't be had. {self.hint}")


class BacnetEnd:
    """Implements `sim.ends.port.End`.

    dropout, half_open: datagrams are taken and nothing is answered or told (UDP knows no difference). garbage: what is
    sent is cut short or has octets changed, in turn.
    """

    def __init__(self, name: str, settings: BacnetEndSettings, devices: Mapping[str, DevicePlan]) -> None:
        self._name, self._settings, self._devices = name, settings, devices
        host, first = address(settings.address)
        self._places = {device: (host, first + plan.number) for device, plan in devices.items()}
        self._objects = {
            device: {point: (_TYPES[one.type], i) for i, (point, one) in enumerate(plan.points.items(), 1)}
            for device, plan in devices.items()
        }
        self._open: dict[str, PretendDevice] = {}

    def frames(self, device: str, at_ns: int, values: Mapping[str, Scalar]) -> Sequence[bytes]:
        """A frame a point: its object identifier, and the present value as its tag carries it; Null without a value."""
        del at_ns  # present values have no times
        return [
            ((kind << 22) | instance).to_bytes(4, "big") + _tag(kind, values.get(point))
            for point, (kind, instance) in self._objects[device].items()
        ]

    async def start(self) -> None:
        """Listen.

        Raises:
            CantListen: a port isn't free.
            ExtraMissing: bacpypes3 isn't installed.
        """
        if find_spec("bacpypes3") is None:
            raise ExtraMissing("bacnet")
        from holdfast.sim.ends.bacnet_device import PretendDevice  # noqa: PLC0415  # only where it's used

        logging.getLogger("bacpypes3").setLevel(logging.CRITICAL + 1)  # faults are made on purpose
        try:
            for device, plan in self._devices.items():
                objects = {key: (*self._objects[device][key], one.unit) for key, one in plan.points.items()}
                self._open[device] = one = PretendDevice(device, self._number(device), self._places[device], objects)
                one.faults = Faults(dropout=True)  # until it has something to show
                try:
                    async with asyncio.timeout(_BIND_S):
                        await one.bound()
                except (TimeoutError, OSError):
                    raise CantListen(self._places[device]) from None
        except CantListen:
            await self.stop()
            raise

    def _number(self, device: str) -> int:
        return self._settings.instance + self._devices[device].number

    async def show(self, device: str, at_ns: int, frames: Sequence[bytes], faults: Faults = SOUND) -> None:
        """Make it what is read next; subscribers are told."""
        del at_ns
        one = self._open[device]
        one.faults = faults
        for frame in frames:
            found = int.from_bytes(frame[:4], "big")
            one.set((found >> 22, found & 0x3F_FFFF), _untag(frame[4:]))

    async def stop(self) -> None:
        """Close all."""
        for one in self._open.values():
            one.close()
        self._open.clear()
        await asyncio.sleep(0)

    def map_yaml(self) -> str:
        """A link with all of them."""
        devices = {
            device: {
                "device": self._number(device),
                "address": f"{self._places[device][0]}:{self._places[device][1]}",
                "objects": {key: _point(self._objects[device][key], one) for key, one in plan.points.items()},
            }
            for device, plan in self._devices.items()
        }
        link = {"address": self._settings.listen, "every": self._settings.every, "devices": devices}
        return msgspec.yaml.encode({"bacnet": {f"sim-{self._name}": link}}).decode()


def _point(about: tuple[int, int], one: Any) -> dict[str, object]:
    said: dict[str, object] = {"object": written(*about), "metric": one.metric, "writable": True}
    if one.unit:
        said["unit"] = one.unit
    if one.type != "float":
        said["type"] = one.type
    return said


def _tag(kind: int, value: Scalar | None) -> bytes:
    """Clause 20.2: Null, Real, Signed Integer, Enumerated or Character String."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return b"\x00"
    if kind == _TYPES["float"]:
        return b"\x44" + struct.pack(">f", float(value))
    if kind == _TYPES["bool"]:
        return b"\x91" + bytes([bool(value)])
    if kind == _TYPES["int"]:
        whole = int(value)
        size = max(1, (whole.bit_length() + 8) // 8)
        return (
            bytes([0x30 | size if size < 5 else 0x35])
            + (bytes([size]) if size > 4 else b"")
            + whole.to_bytes(size, "big", signed=True)
        )
    text = b"\x00" + str(value).encode()[:250]
    return bytes([0x75, len(text)]) + text


def _untag(data: bytes) -> Scalar | None:
    """What `_tag` made."""
    tag, size = data[0] >> 4, data[0] & 7
    rest = data[1:] if size < 5 else data[2:]
    found = primitive(tag, rest, size).value
    return found if tag != TEXT or isinstance(found, str) else str(found)
