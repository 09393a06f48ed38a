"""Who is there, what they hold, and settings made of that. Opens a socket of its own for as long as it takes."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from holdfast.adapters.bacnet import services
from holdfast.adapters.bacnet.frames import Heard, Station
from holdfast.adapters.bacnet.link import Ears, Link
from holdfast.adapters.bacnet.objects import (
    ANALOG,
    BINARY,
    DEVICE,
    MODEL_NAME,
    MULTI_STATE,
    OBJECT_LIST,
    OBJECT_NAME,
    TEXT,
    UNITS,
    VENDOR_NAME,
    WHOLE,
    Ref,
    written,
)
from holdfast.adapters.bacnet.reading import Reader, by_object
from holdfast.adapters.bacnet.services import Introduction, Read
from holdfast.adapters.bacnet.units import SENML
from holdfast.adapters.bacnet.values import OBJECT
from holdfast.adapters.errors import AdapterError
from holdfast.kernel.clock import Clock

MOST_DEVICES = 4_096
MOST_OBJECTS = 10_000
_AT_ONCE = 16
_REGISTERED_S = 0.5
_POINTS = ANALOG | BINARY | MULTI_STATE | WHOLE | TEXT


class FoundObject(Struct, frozen=True):
    """An object that can be a point. unit: SenML's; units: BACnet's name, when there's no such unit of ours."""

    object: str
    name: str
    type: str
    unit: str = ""
    units: str = ""


class FoundDevice(Struct, frozen=True):
    """Somebody who says to be there. note: what couldn't be read, or that the number is there twice."""

    instance: int
    address: str
    vendor_id: int
    name: str = ""
    vendor: str = ""
    model: str = ""
    objects: tuple[FoundObject, ...] = ()
    note: str = ""


class Discovery:
    """Asks once; loop thread only."""

    def __init__(self, link: Link, clock: Clock, timeout_s: float) -> None:
        """link: not open yet; timeout_s: of each question."""
        self._link, self._clock, self._timeout = link, clock, timeout_s
        self._heard: dict[tuple[int, Station], Introduction] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        link.ears = Ears(self._unconfirmed, lambda _: False)

    async def run(
        self, who_is: Sequence[tuple[str, int]], wait_s: float, *, ttl_s: int = 60, with_objects: bool = False
    ) -> list[FoundDevice]:
        """Everybody who answers within the time, by instance.

        Raises:
            OSError: the port can't be had.
            DeviceUnreachable: nothing can be sent.
        """
        await self._link.open()
        try:
            if self._link.bbmd is not None:
                self._link.register(ttl_s)
                await asyncio.sleep(_REGISTERED_S)
            for _ in range(2):  # datagrams get lost
                self._link.shout(services.WHO_IS, services.who_is(), tuple(who_is))
                await asyncio.sleep(wait_s / 2)
            self._link.limits.know({(station.host, station.port) for _, station in self._heard})
            found = await asyncio.gather(
                *(self._look(said, station, with_objects=with_objects) for (_, station), said in self._heard.items())
            )
        finally:
            self._link.close()
        return sorted(_marked(found), key=lambda one: (one.instance, one.address))

    def _unconfirmed(self, heard: Heard) -> None:
        if heard.choice == services.I_AM and len(self._heard) < MOST_DEVICES:
            try:
                said = services.introduction(heard.payload)
            except AdapterError:
                return
            self._heard[said.instance, heard.source] = said

    async def _look(self, said: Introduction, station: Station, *, with_objects: bool) -> FoundDevice:
        reader = Reader(self._link.ask, self._clock)
        reader.max_apdu = max(50, min(said.max_apdu, 1476))
        about, found = Ref(DEVICE, said.instance), FoundDevice(said.instance, str(station), said.vendor)
        async with self._slots:
            try:
                wanted = [about.of(one) for one in (OBJECT_NAME, VENDOR_NAME, MODEL_NAME)]
                words = _words(await reader.read(station, wanted, self._timeout), about)
                found = msgspec.structs.replace(found, name=words[0], vendor=words[1], model=words[2])
                if with_objects:
                    objects = await self._objects(reader, station, about)
                    found = msgspec.structs.replace(found, objects=tuple(objects))
            except (TimeoutError, AdapterError) as error:
                said_ = "it doesn't answer" if isinstance(error, TimeoutError) else str(error)
                found = msgspec.structs.replace(found, note=said_)
        return found

    async def _objects(self, reader: Reader, station: Station, about: Ref) -> list[FoundObject]:
        held = [one for one in await self._list(reader, station, about) if one[0] in _POINTS]
        wanted = [Ref(*one, prop) for one in held for prop in (OBJECT_NAME, UNITS) if prop != UNITS or _has_units(one)]
        told = by_object(await reader.read(station, wanted, self._timeout))
        return [_object(one, told.get(one, {})) for one in held]

    async def _list(self, reader: Reader, station: Station, about: Ref) -> list[tuple[int, int]]:
        """The device's objects: as a whole, or one by one where that's too long for it."""
        listed = about.of(OBJECT_LIST)
        whole = await reader.one(station, listed, self._timeout)
        values = list(whole.values)
        if whole.error:
            count = await reader.one(station, about.of(OBJECT_LIST, 0), self._timeout)
            size = count.values[0].value if count.values else 0
            parts = [about.of(OBJECT_LIST, i) for i in range(1, min(int(size or 0), MOST_OBJECTS) + 1)]
            values = [v for read in await reader.read(station, parts, self._timeout) for v in read.values]
        numbers = [int(one.value) for one in values if one.tag == OBJECT and isinstance(one.value, int)]
        return [(number >> 22, number & 0x3F_FFFF) for number in numbers]


def _has_units(one: tuple[int, int]) -> bool:
    return one[0] in ANALOG | WHOLE


def _words(reads: Iterable[Read], about: Ref) -> list[str]:
    told = by_object(reads).get(about.object, {})
    return [_text(told.get(prop)) for prop in (OBJECT_NAME, VENDOR_NAME, MODEL_NAME)]


def _text(read: Read | None) -> str:
    return str(read.values[0].value) if read is not None and read.values else ""


def _object(one: tuple[int, int], told: dict[int, Read]) -> FoundObject:
    kind = one[0]
    said = "bool" if kind in BINARY else "text" if kind in TEXT | MULTI_STATE else "int" if kind in WHOLE else "float"
    units = told.get(UNITS)
    name = services.unit_name(units.values[0].value) if units is not None and units.values else ""
    unit = SENML.get(name, "")
    return FoundObject(written(*one), _text(told.get(OBJECT_NAME)), said, unit, "" if name in SENML else name)


def _marked(found: Sequence[FoundDevice]) -> list[FoundDevice]:
    """Those whose number is there twice say so."""
    numbers = Counter(one.instance for one in found)
    note = "another device has this number too"
    return [msgspec.structs.replace(one, note=note) if numbers[one.instance] > 1 else one for one in found]


def yaml_of(found: Sequence[FoundDevice], address: str) -> str:
    """Settings that read all of it; metrics and what's worth reading are the operator's to say."""
    lines = ["bacnet:", "  building:", f"    address: {address}", "    devices:"]
    taken: set[str] = set()
    for one in found:
        if not one.objects:
            lines.append(f"      # device {one.instance} at {one.address}: {one.note or 'no values'}")
            continue
        at = f" at {one.address}" if one.address else ""
        about = " ".join(filter(None, (one.vendor, one.model)))
        lines.append(f"      {_name(one.name or f'device-{one.instance}', taken)}:  #{at} {_comment(about)}".rstrip())
        lines += [f"        device: {one.instance}", "        objects:"]
        points: set[str] = set()
        lines += [_line(each, points) for each in one.objects]
    return "\n".join(lines) + "\n"


def _line(one: FoundObject, taken: set[str]) -> str:
    name = _name(one.name or one.object, taken, "_")
    said = [f'object: "{one.object}"', f"metric: {name}"]
    if one.unit:
        said.append(f'unit: "{one.unit}"')
    if one.type != "float":
        said.append(f"type: {one.type}")
    about = f"{one.name} ({one.units})" if one.units else one.name
    return f"          {name}: {{{', '.join(said)}}}  # {_comment(about)}".rstrip("# ")


def _comment(text: str) -> str:
    return " ".join(re.sub(r"[^\x20-\x7e\xa0-\U0010ffff]", " ", text).split())


def _name(text: str, taken: set[str], dash: str = "-") -> str:
    """A name that node.yaml takes, and nobody has."""
    plain = re.sub(r"[^a-z0-9]+", dash, text.lower()).strip(dash)[:50] or "x"
    if not plain[0].isalpha():
        plain = f"x{dash}{plain}"
    name, nth = plain, 1
    while name in taken:
        nth += 1
        name = f"{plain}{dash}{nth}"
    taken.add(name)
    return name
