"""A BACnet device of bacpypes3's stack, with faults between it and its socket. Imports bacpypes3."""

import asyncio
from collections.abc import Mapping
from typing import Any

from bacpypes3.basetypes import EngineeringUnits, Reliability
from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.analog import AnalogValueObjectCmd
from bacpypes3.local.binary import BinaryValueObject
from bacpypes3.local.cmd import Commandable
from bacpypes3.local.cov import GenericCriteria
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.object import Object as LocalObject
from bacpypes3.object import CharacterStringValueObject, IntegerValueObject
from bacpypes3.pdu import PDU, IPv4Address

from holdfast.adapters.bacnet.units import SENML
from holdfast.sim.ends.port import SOUND, Scalar

_BACNET = {senml: name for name, senml in reversed(SENML.items())}
_INCREMENT = 1e-4


class _Binary(Commandable, BinaryValueObject):  # type: ignore[misc]  # bacpypes3 has no types
    """A commandable binary value that tells of changes; bacpypes3's own (0.0.110) can't be subscribed to."""


class _Integer(LocalObject, IntegerValueObject):  # type: ignore[misc]  # as above
    """An integer value that tells of changes."""

    _cov_criteria = GenericCriteria


class _Text(LocalObject, CharacterStringValueObject):  # type: ignore[misc]  # as above
    """A characterstring value that tells of changes."""

    _cov_criteria = GenericCriteria


class _Application(NormalApplication):  # type: ignore[misc]  # as above
    """A device whose subscribers may be gone."""

    def cov_confirmation(self, cov: Any, future: Any) -> None:
        """A subscriber took a notification, or didn't: it's told of the next change."""
        del cov
        if not future.cancelled():
            future.exception()


class PretendDevice:
    """One. Loop thread only."""

    def __init__(
        self, name: str, instance: int, where: tuple[str, int], objects: Mapping[str, tuple[int, int, str]]
    ) -> None:
        """objects: by point: type, instance, unit."""
        self.faults = SOUND
        self._sent = 0
        about = DeviceObject(
            objectIdentifier=("device", instance), objectName=name, vendorName="Holdfast", modelName="sim"
        )
        self._app = _Application(about, IPv4Address(f"{where[0]}:{where[1]}"))
        self._objects: dict[tuple[int, int], Any] = {}
        for point, (kind, number, unit) in objects.items():
            one = self._objects[kind, number] = _object(kind, number, point, unit)
            self._app.add_object(one)
        server = self._app.normal.server
        self._send, self._take = server.indication, server.confirmation
        server.indication, server.confirmation = self._sending, self._taking

    async def bound(self) -> None:
        """Until it listens; bacpypes3 tries for ever."""
        await asyncio.gather(*self._app.normal.server._transport_tasks)  # noqa: SLF001  # there's no other way to know

    def set(self, about: tuple[int, int], value: Scalar | None) -> None:
        """Make it the present value; None = there's a fault: no sensor."""
        one = self._objects[about]
        if bool(one.reliability) is not (value is None):
            one.reliability = Reliability("no-sensor" if value is None else "no-fault-detected")
            self._tell(one)
        if value is None:
            return
        if about[0] == 5:
            value = int(value)
        if one.presentValue != value:
            one.presentValue = value

    def _tell(self, one: Any) -> None:
        """Status flags follow from reliability, and bacpypes3 tells nobody when they change so."""
        watched = self._app._cov_detections.get(one.objectIdentifier)  # noqa: SLF001  # there's no other way in
        if watched is not None:
            watched.statusFlags = one.statusFlags
            watched.send_cov_notifications()

    def close(self) -> None:
        """Answer no more."""
        for task in self._app.normal.server._transport_tasks:  # noqa: SLF001  # they'd try for ever
            task.cancel()
        self._app.close()

    async def _taking(self, pdu: Any) -> None:
        if not (self.faults.dropout or self.faults.half_open):
            await self._take(pdu)

    async def _sending(self, pdu: Any) -> None:
        faults = self.faults
        if faults.dropout or faults.half_open:
            return
        if faults.slow_s:
            await asyncio.sleep(faults.slow_s)
        if faults.garbage:
            self._sent += 1
            pdu = PDU(_spoilt(bytes(pdu.pduData), self._sent), destination=pdu.pduDestination)
        await self._send(pdu)


def _spoilt(data: bytes, nth: int) -> bytes:
    """Cut short, all octets changed, and the last ones changed, in turn."""
    if nth % 3 == 0:
        return data[: len(data) // 2]
    if nth % 3 == 1:
        return bytes(octet ^ 0x5A for octet in data)
    return data[:-4] + b"\xff" * 4


def _object(kind: int, number: int, point: str, unit: str) -> Any:
    common = {"objectName": point, "statusFlags": [0, 0, 0, 0], "eventState": "normal", "outOfService": False}
    common["reliability"] = Reliability("no-fault-detected")
    units = EngineeringUnits(_BACNET.get(unit, "no-units"))
    if kind == 2:
        common |= {"units": units, "covIncrement": _INCREMENT}
        return AnalogValueObjectCmd(objectIdentifier=(kind, number), presentValue=0.0, relinquishDefault=0.0, **common)
    if kind == 5:
        return _Binary(objectIdentifier=(kind, number), presentValue="inactive", relinquishDefault="inactive", **common)
    if kind == 45:
        return _Integer(objectIdentifier=(kind, number), presentValue=0, units=units, **common)
    return _Text(objectIdentifier=(kind, number), presentValue="", **common)
