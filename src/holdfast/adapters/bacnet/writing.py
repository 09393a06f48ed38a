"""Writes: the present value at a priority, a relinquish, and what is read back (clauses 15.9, 19.2)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.device import Device
from holdfast.adapters.bacnet.errors import Refused
from holdfast.adapters.bacnet.frames import Station
from holdfast.adapters.bacnet.objects import MAY_BE_COMMANDED, PRIORITY_ARRAY, Ref
from holdfast.adapters.bacnet.services import Read
from holdfast.adapters.bacnet.values import BOOLEAN, ENUMERATED, NULL, TEXT, Value, raw, same
from holdfast.adapters.errors import AdapterError, DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.model.points import Scalar

RELINQUISH = ".relinquish"
"""`setpoint.relinquish: true` takes back what was written to `setpoint`: NULL at its priority (19.2.2)."""
_LOOKS, _PAUSE_S = 3, 0.2


class _Order(NamedTuple):
    """One write. value: None = relinquish."""

    point: str
    ref: Ref
    value: Scalar | None
    priority: int | None


async def write(
    device: Device, wanted: Mapping[str, Scalar], timeout_s: float, heard: Callable[[Read], None]
) -> dict[str, Scalar]:
    """Write points of a device, one after the other, and return what they are then; by the points' names.

    heard: is told of each value read back

    Raises:
        DeviceUnreachable: nothing was written.
        WriteRefused: the device says no, or a point can't be written.
        WriteFailed: it was tried, and isn't to be seen.
    """
    orders = [_order(device, name, value) for name, value in wanted.items()]
    station = await device.station(timeout_s)
    befores = [await _before(device, station, one, timeout_s) for one in orders]
    found: dict[str, Scalar] = {}
    for one, before in zip(orders, befores, strict=True):
        try:
            found[one.point], read = await _write(device, station, one, before, timeout_s)
            heard(read)
        except WriteRefused as refused:
            if found:  # what came before was done
                raise WriteFailed(f"{', '.join(found)} was written, and then: {refused}") from refused
            raise
    return found


def _order(device: Device, name: str, value: Scalar) -> _Order:
    point, is_release = name.removesuffix(RELINQUISH), name.endswith(RELINQUISH)
    settings = device.points.get(point)
    if settings is None:
        raise WriteRefused(f"`{device.name}` has no point `{point}`", f"it has {', '.join(device.points)}")
    if not settings.writable:
        raise WriteRefused(f"`{point}` isn't to be written", "`writable: true` in its map allows it")
    one = device.refs[point]
    has_priorities = one.type in MAY_BE_COMMANDED
    if is_release and not has_priorities:
        raise WriteRefused(f"`{point}` ({one}) has no priorities: there's nothing to relinquish")
    if is_release and value is not True:
        raise WriteRefused(f"`{name}` is only ever true")
    return _Order(point, one, None if is_release else value, settings.priority if has_priorities else None)


async def _before(device: Device, station: Station, one: _Order, timeout_s: float) -> Value:
    """What it holds, which tells its datatype too.

    Raises:
        DeviceUnreachable: no answer.
        WriteRefused: there's no such value.
    """
    try:
        read = await device.reader.one(station, one.ref, timeout_s)
    except TimeoutError as error:
        raise DeviceUnreachable(f"no answer within {timeout_s:.2g} s") from error
    if read.error or len(read.values) != 1:
        raise WriteRefused(f"`{one.point}` ({one.ref}): {read.error or 'it holds no single value'}")
    return read.values[0]


async def _write(device: Device, station: Station, one: _Order, before: Value, timeout_s: float) -> tuple[Scalar, Read]:
    value = Value(NULL, None) if one.value is None else _encoded(device, one, before)
    asked = services.write_property(one.ref, value, one.priority)
    try:
        await device.reader.ask(station, services.WRITE_PROPERTY, asked, timeout_s)
    except Refused as refused:
        raise WriteRefused(f"`{one.point}` ({one.ref}): {_sentence(refused)}", refused.hint) from refused
    except TimeoutError as error:
        raise WriteFailed(f"`{one.point}` was sent, and the device didn't answer: it may have done it") from error
    try:
        return await _read_back(device, station, one, value, timeout_s)
    except WriteFailed:
        raise
    except (TimeoutError, AdapterError) as error:
        raise WriteFailed(f"`{one.point}` was written, and couldn't be read back") from error


async def _read_back(
    device: Device, station: Station, one: _Order, written: Value, timeout_s: float
) -> tuple[Scalar, Read]:
    read = Read(one.ref, ())
    for look in range(_LOOKS):
        await asyncio.sleep(_PAUSE_S * look)  # some devices take a moment
        read = await device.reader.one(station, one.ref, timeout_s)
        if read.values and (written.value is None or _is_same(written, read.values[0])):
            found = raw(read.values[0], device.points[one.point].type, device.texts.get(one.ref.object, {}))
            if found is not None:
                return found, read
    holder = await _holder(device, station, one, timeout_s)
    now = read.values[0].value if read.values else read.error
    raise WriteFailed(f"`{one.point}` was written, and is {now!r}{holder}")


def _is_same(written: Value, found: Value) -> bool:
    return written.value is not None and found.value is not None and same(written.value, found.value)


async def _holder(device: Device, station: Station, one: _Order, timeout_s: float) -> str:
    """Who stands above: the priority array's first value (19.2.1)."""
    if one.priority is None:
        return ""
    read = await device.reader.one(station, one.ref.of(PRIORITY_ARRAY), timeout_s)
    for priority, value in enumerate(read.values[: one.priority - 1], 1):
        if value.tag != NULL:
            return f": priority {priority} holds {value.value!r}, above our {one.priority}"
    return ""


def _encoded(device: Device, one: _Order, before: Value) -> Value:
    """The value in the type that the object holds now."""
    value = one.value
    if isinstance(value, str) and before.tag != TEXT:
        numbers = {text: number for number, text in device.texts.get(one.ref.object, {}).items()}
        if value not in numbers:
            said = f"it's one of {', '.join(numbers)}" if numbers else "it's a number"
            raise WriteRefused(f"`{one.point}` can't be {value!r}", said)
        value = numbers[value]
    if before.tag == TEXT and not isinstance(value, str):
        raise WriteRefused(f"`{one.point}` is text")
    if before.tag in (BOOLEAN, ENUMERATED) and isinstance(value, bool):
        value = int(value)
    return Value(before.tag, value)


def _sentence(refused: Refused) -> str:
    return f"the device says {refused.kind} {refused.code}"
