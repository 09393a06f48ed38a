"""`bacnet:` of node.yaml: links of this machine to BACnet/IP networks, and the devices there."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from holdfast.adapters.bacnet.objects import LARGEST_INSTANCE, MAY_BE_COMMANDED, ref
from holdfast.adapters.bacnet.places import address, place
from holdfast.adapters.polling.settings import PollSettings
from holdfast.kernel.documents import Where
from holdfast.kernel.scalars import Duration
from holdfast.model.points import PointName, PointSettings

Instance = Annotated[int, Meta(ge=0, le=LARGEST_INSTANCE)]
DeviceName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
LOWEST_PRIORITY = 16
"""Table 19-1: what a write without a priority gets. The building's own programs stand above it, and so do people at
their controllers; a forgotten value there holds nothing up. Read-back tells when something stronger holds."""
MOST_DEVICES = 1_000
MOST_OBJECTS = 2_000


class ObjectSettings(PointSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A point: the present value of an object.

    object:   `type,instance`, as `analog-input,1`
    cov:      subscribe to it, as the device's `cov` says otherwise
    priority: that it's written at, 1 (life safety) to 16; for objects with a priority array
    """

    object: str
    cov: bool | None = None
    priority: Annotated[int, Meta(ge=1, le=16)] = LOWEST_PRIORITY


class DeviceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A device.

    device:  its instance number
    address: where it is, when it isn't to be looked for: `10.0.0.9`, or `10.0.0.9:47809`
    every:   between polls, when it isn't the link's
    cov:     subscribe to changes (SubscribeCOV); what can't be subscribed to is polled
    objects, map: its points, here or in a file (`objects:` there too)
    """

    device: Instance
    address: str | None = None
    every: Duration | None = None
    cov: bool | None = None
    objects: dict[PointName, ObjectSettings] = field(default_factory=dict)
    map: str | None = None


class MapFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file with the points of devices of one make."""

    objects: dict[PointName, ObjectSettings]


class ForeignSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to be a guest of another subnet: broadcasts go through its BBMD (annex J.5)."""

    bbmd: str
    ttl: Annotated[float, Meta(ge=10, le=65_535, extra={"parse": "duration"})] = 60.0


class BacnetSettings(PollSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A link: one UDP port of this machine.

    address:   of this machine, with its subnet, as `10.0.0.5/24` or `10.0.0.5/24:47808`
    instance:  our own device instance: others may ask who is there
    foreign:   the devices are in another subnet, with a BBMD
    who_is:    where else to ask who is there: machines that broadcasts don't reach
    cov:       subscribe to changes, unless the device says otherwise
    confirmed: notifications are acknowledged, after they're on disk; false = they may get lost
    lifetime:  of subscriptions; they're renewed when half of it is over
    sweep:     how often points with a subscription are read too, for safety
    most_per_s: datagrams a second that one device may send; strangers, all together, a fifth of it
    """

    address: str
    every: Duration = 10.0
    instance: Instance | None = None
    foreign: ForeignSettings | None = None
    who_is: tuple[str, ...] = ()
    cov: bool = True
    confirmed: bool = True
    lifetime: Annotated[float, Meta(ge=10, le=86_400, extra={"parse": "duration"})] = 300.0
    sweep: Duration = 300.0
    most_per_s: Annotated[int, Meta(ge=10, le=100_000)] = 1_000
    devices: Annotated[dict[DeviceName, DeviceSettings], Meta(min_length=1, max_length=MOST_DEVICES)]

    def findings(self) -> Iterator[tuple[Where, str]]:
        """What is wrong beyond types."""
        yield from _tried(("address",), place, self.address)
        if self.foreign is not None:
            yield from _tried(("foreign", "bbmd"), address, self.foreign.bbmd)
        for i, text in enumerate(self.who_is):
            yield from _tried(("who_is", i), address, text)
        for key in ("every", "timeout", "sweep"):
            if not getattr(self, key):
                yield (key,), "must be more than 0"
        numbers: dict[int, str] = {}
        for name, one in self.devices.items():
            other = numbers.setdefault(one.device, name)
            if other != name:
                yield ("devices", name, "device"), f"`{other}` has this instance too: instances are unique on a network"
            yield from _device_findings(("devices", name), one)


def _device_findings(where: Where, one: DeviceSettings) -> Iterator[tuple[Where, str]]:
    if one.address is not None:
        yield from _tried((*where, "address"), address, one.address)
    if one.every == 0:
        yield (*where, "every"), "must be more than 0"
    if bool(one.objects) == (one.map is not None):
        yield where, "expected either `objects` or `map`"
    yield from object_findings((*where, "objects"), one.objects)


def object_findings(where: Where, objects: dict[str, ObjectSettings]) -> Iterator[tuple[Where, str]]:
    """What is wrong with points."""
    if len(objects) > MOST_OBJECTS:
        yield where, f"more than {MOST_OBJECTS} points"
    for name, point in objects.items():
        wrong = list(_tried((*where, name, "object"), ref, point.object))
        yield from wrong
        if not wrong and point.priority != LOWEST_PRIORITY and ref(point.object).type not in MAY_BE_COMMANDED:
            yield (*where, name, "priority"), "objects of this type have no priorities"


def _tried(where: Where, reads: Callable[[str], Any], text: str) -> Iterator[tuple[Where, str]]:
    try:
        reads(text)
    except ValueError as error:
        yield where, str(error)
