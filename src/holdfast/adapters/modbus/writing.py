"""Writes, each read back: what the device shows afterwards is the answer. Loop thread only."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.modbus.blocks import FUNCTIONS
from holdfast.adapters.modbus.errors import BUSY, NO_PATH, NOT_THERE, Malformed, Refused, UnitSilent
from holdfast.adapters.modbus.frames import Question, read, write_coil, write_coils, write_many, write_one
from holdfast.adapters.modbus.link import Link, Lost
from holdfast.adapters.modbus.maps import MapPoint, RegisterMap
from holdfast.adapters.supervised import in_words
from holdfast.model.points import Scalar

Turn = Callable[[str], AbstractAsyncContextManager[None]]
"""A bus for oneself."""


class Writing:
    """Writes points of the devices of one adapter."""

    def __init__(self, turn: Turn, timeout_s: float) -> None:
        self._turn, self._timeout_s = turn, timeout_s

    async def write(
        self, link: Link, unit: int, bus: str, found: RegisterMap, values: Mapping[str, Scalar]
    ) -> dict[str, Scalar]:
        """Write in this order, between polls; nothing is written before all values are known to fit.

        Raises:
            DeviceUnreachable, WriteRefused, WriteFailed: see `EdgeAdapter.write`.
        """
        points = [_writable(name, found) for name in values]
        for point in points:  # of bits the rest is only known when they're written
            _fits(point, values[point.name])
        done: dict[str, Scalar] = {}
        async with self._turn(bus):
            for point in points:
                try:
                    done[point.name] = await self._one(link, unit, point, values[point.name])
                except (DeviceUnreachable, WriteRefused) as error:
                    if not done:
                        raise
                    said = ", ".join(f"`{name}`" for name in done)
                    raise WriteFailed(f"{said} was written; `{point.name}` wasn't: {in_words(error)[0]}") from error
        return done

    async def _one(self, link: Link, unit: int, point: MapPoint, value: Scalar) -> Scalar:
        if point.table == "coil":
            wanted = bytes([value in (True, 1)])
        else:
            now = await self._now(link, unit, point) if point.form.bits is not None else b""
            wanted = point.form.encode(value, now)
        await self._send(link, unit, point, question_of(point, wanted))
        try:
            shown = await self._now(link, unit, point)
        except (DeviceUnreachable, WriteRefused, TimeoutError) as error:
            said = in_words(error)[0]
            raise WriteFailed(f"`{point.name}` was written, and can't be read back: {said}") from error
        if shown != wanted:
            raise WriteFailed(f"`{point.name}` was written, and reads {_shown(point, shown)!r} afterwards")
        return _shown(point, shown)

    async def _send(self, link: Link, unit: int, point: MapPoint, question: Question) -> None:
        try:
            await link.ask(unit, question, self._timeout_s, again=False)
        except UnitSilent as error:
            if error.code == NO_PATH:
                raise
        except Refused as error:
            said, hint = in_words(error)
            if error.code in NOT_THERE:
                raise WriteRefused(f"`{point.name}`: {said}", hint) from error
            if error.code == BUSY:
                raise DeviceUnreachable(f"`{point.name}`: {said}", hint) from error
            raise WriteFailed(f"`{point.name}`: {said}", hint) from error
        except Malformed as error:
            raise WriteFailed(f"`{point.name}`: {in_words(error)[0]}") from error
        except (Lost, TimeoutError):
            pass  # as with a silent unit: it may have been done all the same, and what is read back tells

    async def _now(self, link: Link, unit: int, point: MapPoint) -> bytes:
        try:
            data = await link.ask(unit, read(FUNCTIONS[point.table], point.start, point.count), self._timeout_s)
        except UnitSilent:
            raise
        except (Refused, Malformed) as error:
            raise WriteRefused(f"`{point.name}` can't be read: {in_words(error)[0]}") from error
        except TimeoutError:
            raise DeviceUnreachable(f"`{point.name}`: no answer within {self._timeout_s:g} s") from None
        return bytes([data[0] & 1]) if point.table == "coil" else data


def question_of(point: MapPoint, wanted: bytes) -> Question:
    """What writes these bytes. Of a coil: one byte, 0 or 1."""
    if point.table == "coil":
        return (write_coils if point.write_with == "multiple" else write_coil)(point.start, on=bool(wanted[0]))
    if point.count == 1 and point.write_with != "multiple":
        return write_one(point.start, int.from_bytes(wanted, "big"))
    return write_many(point.start, wanted)


def _shown(point: MapPoint, shown: bytes) -> Scalar:
    return bool(shown[0]) if point.table == "coil" else point.form.decode(shown)


def _writable(name: str, found: RegisterMap) -> MapPoint:
    point = found.points.get(name)
    if point is None:
        known = ", ".join(f"`{key}`" for key, one in found.points.items() if one.writable)
        raise WriteRefused(f"the map `{found.name}` has no `{name}`", f"writable are {known or 'none'}")
    if not point.writable:
        raise WriteRefused(f"`{name}` isn't `writable` in the map `{found.name}`")
    return point


def _fits(point: MapPoint, value: Scalar) -> None:
    if point.table == "coil":
        if value not in (False, True):
            raise WriteRefused(f"`{point.name}` is true or false, not {value!r}")
        return
    try:
        point.form.encode(value, bytes(2 * point.count) if point.form.bits is not None else b"")
    except WriteRefused as error:
        raise WriteRefused(f"`{point.name}`: {in_words(error)[0]}", error.hint) from None
