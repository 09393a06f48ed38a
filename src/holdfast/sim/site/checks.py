"""What a scenario's types can't say: names that clash, and faults that can never befall. Pure."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from holdfast.kernel.shape import Finding
from holdfast.sim.site.settings import MOST_DEVICES, FaultSettings, MessageFault, Storm, ValueFault

_MOST_STORMY = 200_000


class Named(NamedTuple):
    """A group. pushed: its devices send of their own accord."""

    group: str
    protocol: str
    pushed: bool
    devices: tuple[str, ...]
    points: tuple[str, ...]


def of_names(groups: Sequence[Named]) -> Iterator[Finding]:
    """Devices that are called alike, or too many."""
    seen: dict[str, str] = {}
    for one in groups:
        for device in one.devices:
            if device in seen:
                there = f"in {seen[device]}"
                where = "twice in this group: put {n} into `name`" if seen[device] == one.group else there
                yield ("groups", one.group), f"a device called `{device}` is {where}"
                break
            seen[device] = one.group
    if len(seen) > MOST_DEVICES:
        yield ("groups",), f"{len(seen)} devices; at most {MOST_DEVICES} are simulated at once"


def of_faults(faults: Sequence[FaultSettings], groups: Sequence[Named]) -> Iterator[Finding]:
    """Faults of nobody, of nothing, or at no time."""
    for place, fault in enumerate(faults):
        here = ("faults", place)
        yield from (((*here, *where), said) for where, said in (*_of_whom(fault, groups), *_of_time(fault)))


def _of_whom(fault: FaultSettings, groups: Sequence[Named]) -> Iterator[Finding]:
    mine = [one for one in groups if any(fnmatchcase(device, fault.devices) for device in one.devices)]
    if not mine:
        yield ("devices",), f"no device is called like `{fault.devices}`"
        return
    if getattr(fault, "PUSHED", False) and not any(one.pushed for one in mine):
        yield (), f"{mine[0].protocol} devices are asked; this befalls only those that send of their own accord"
    points = dict.fromkeys(point for one in mine for point in one.points)
    if isinstance(fault, ValueFault) and not any(fnmatchcase(point, fault.points) for point in points):
        yield ("points",), f"no point is called like `{fault.points}`; there are: {', '.join(points)}"
    if isinstance(fault, Storm):
        count = sum(fnmatchcase(device, fault.devices) for one in mine for device in one.devices)
        if count * fault.times > _MOST_STORMY:
            yield (), f"{count} devices by {fault.times} messages; at most {_MOST_STORMY:,} fit into one `every`"


def _of_time(fault: FaultSettings) -> Iterator[Finding]:
    if fault.each is not None and fault.for_ is None and isinstance(fault, MessageFault):
        said = "with `each` say how long it lasts: `for`. For single messages leave `each` out, and name `share`"
        yield ("each",), said
    elif fault.each is not None and (fault.for_ is None or fault.for_ > fault.each):
        yield ("each",), "with `each` say how long it lasts each time: `for`, no longer than `each`"
    if 0 in (fault.each, fault.for_):
        yield (), "`each` and `for` must be above 0"
