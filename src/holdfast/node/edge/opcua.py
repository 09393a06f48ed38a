"""`opcua:` of node.yaml: what its maps mean, and its adapters."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.adapters.errors import ExtraMissing
from holdfast.adapters.opcua.items import Device, Item, items_of
from holdfast.adapters.opcua.settings import NodeMap, OpcuaDevice, OpcuaSettings, points_of
from holdfast.adapters.port import EdgeAdapter
from holdfast.kernel.documents import Document, Problem, SettingsInvalid, Where, load
from holdfast.model.points import PointMap
from holdfast.node.edge.port import EdgeKind, Making, Mapped
from holdfast.telemetry.numbers import Rows

if TYPE_CHECKING:
    from holdfast.adapters.opcua.adapter import OpcuaAdapter

KEY = "opcua"
_LONGEST = 63


def maps(document: Document[Any], problems: list[Problem]) -> Iterator[Mapped]:
    """The maps of every device of every server."""
    servers: dict[str, OpcuaSettings] = getattr(document.value, KEY)
    files: dict[Path, Document[NodeMap] | None] = {}
    for link, settings in servers.items():
        at: Where = (KEY, link)
        problems += [document.problem((*at, *where), text) for where, text in settings.findings()]
        for name, device in settings.devices.items():
            here = (*at, "devices", name)
            if device.nodes and not device.map:
                yield Mapped(
                    PointMap(KEY, inline_name(link, name), points_of(device.nodes)), document, (*here, "nodes")
                )
            elif device.map:
                path = document.path.absolute().parent / device.map
                if path not in files:
                    files[path] = _read(path, document, (*here, "map"), problems)
                found = files[path]
                if found is not None:
                    yield Mapped(PointMap(KEY, path.stem, points_of(found.value.nodes)), found, ("nodes",))


def inline_name(link: str, device: str) -> str:
    """The name of a map that is written within its device."""
    kept = "".join(c if (c.isalnum() and c.isascii()) or c in "._-" else "_" for c in f"{link}.{device}")
    return kept[:_LONGEST]


def _read(path: Path, document: Document[Any], where: Where, problems: list[Problem]) -> Document[NodeMap] | None:
    try:
        found = load(path, NodeMap)
    except SettingsInvalid as invalid:
        problems += invalid.problems
        return None
    for name, node in found.value.nodes.items():
        problems += [found.problem(("nodes", name, *key), text) for key, text in node.findings()]
    if not found.value.nodes:
        problems.append(document.problem(where, f"{path} names no nodes"))
    return found


def make(making: Making) -> Iterator[EdgeAdapter]:
    """An adapter a server.

    Raises:
        ExtraMissing: when asyncua isn't installed.
        DeviceFaulted: when a file can't be read.
    """
    try:
        from holdfast.adapters.opcua.adapter import OpcuaAdapter, Parts  # noqa: PLC0415  # needs an extra
        from holdfast.adapters.opcua.link import Link  # noqa: PLC0415  # as above
    except ImportError as error:
        raise ExtraMissing(KEY) from error
    made: list[OpcuaAdapter] = []
    for name, settings in making.plan.settings.opcua.items():
        link = Link(settings, making.plan.path, f"{making.plan.settings.node}:{name}")
        link.check_files()
        parts = Parts(settings, *_parts(name, settings, making.plan.path))
        made.append(OpcuaAdapter(name, parts, link, making.inbox, making.clock, making.telemetry, making.rng))
    _measure(making, made)
    yield from made


def _parts(link: str, settings: OpcuaSettings, path: Callable[[str], Path]) -> tuple[list[Item], dict[str, Device]]:
    items, devices = list[Item](), dict[str, Device]()
    for name, one in settings.devices.items():
        nodes, found = _map_of(link, name, one, path)
        own = items_of(name, one, nodes)
        devices[name] = Device(name, found, list(range(len(items), len(items) + len(own))))
        items += own
    return items, devices


def _map_of(link: str, name: str, device: OpcuaDevice, path: Callable[[str], Path]) -> tuple[dict[str, Any], PointMap]:
    if not device.map:
        return device.nodes, PointMap(KEY, inline_name(link, name), points_of(device.nodes))
    file = path(device.map)
    nodes = load(file, NodeMap).value.nodes
    return nodes, PointMap(KEY, file.stem, points_of(nodes))


def _measure(making: Making, made: "list[OpcuaAdapter]") -> None:
    def rows(key: str) -> Callable[[], Rows]:
        return lambda: [((one.name,), float(getattr(one.delivery.counts, key))) for one in made]

    for key, name, said in (
        ("values", "opcua_values", "Values that OPC UA servers told."),
        (
            "bad",
            "opcua_values_not_good",
            "Of them those that weren't good, by their StatusCode or for want of a value.",
        ),
        ("lost", "opcua_queue_overflows", "Values with the overflow bit: the server's queue lost some before them."),
        ("gaps", "opcua_gaps", "Times that messages of a server were lost for good."),
        ("skipped", "opcua_values_skipped", "Arrays that the map doesn't want."),
    ):
        making.telemetry.table("counter", name, said, ("adapter",), rows(key))


KIND = EdgeKind(KEY, maps, make)
