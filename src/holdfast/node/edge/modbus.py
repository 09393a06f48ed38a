"""`modbus:` of node.yaml at the node's edge."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdfast.adapters.modbus.adapter import ModbusAdapter
from holdfast.adapters.modbus.maps import RegisterMap, load_map, map_path
from holdfast.adapters.modbus.settings import ModbusSettings
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.node.edge.port import EdgeKind, Making, Mapped

KEY = "modbus"


def maps(document: Document[Any], problems: list[Problem]) -> Iterator[Mapped]:
    """The register maps that devices name; what is wrong with links and files is appended."""
    links: dict[str, ModbusSettings] = document.value.modbus
    owners: dict[str, str] = {}
    read: dict[Path, Document[Any] | None] = {}
    for name, link in links.items():
        problems += [document.problem((KEY, name, *where), text) for where, text in link.findings()]
        problems += list(_twice(document, name, link, owners))
        for device, settings in link.devices.items():
            try:
                path = map_path(settings.map, document.path.absolute().parent)
            except ValueError as error:
                problems.append(document.problem((KEY, name, "devices", device, "map"), str(error)))
                continue
            if path in read:
                continue
            try:
                found, read[path] = load_map(path)
            except SettingsInvalid as invalid:
                read[path] = None
                problems += invalid.problems
                continue
            yield Mapped(found.map, read[path] or document, ("points",))


def _twice(document: Document[Any], name: str, link: ModbusSettings, owners: dict[str, str]) -> Iterator[Problem]:
    """Devices that two links have: their readings would mix."""
    if any(link.findings()):
        return
    for one in link.all():
        owner = owners.setdefault(one.name, name)
        if owner != name:
            yield document.problem((KEY, name, "devices"), f"`{one.name}` is also a device of `{owner}`")


def make(making: Making) -> Iterator[ModbusAdapter]:
    """Its adapters.

    Raises:
        SettingsInvalid: a map was changed since it was checked.
    """
    read: dict[Path, RegisterMap] = {}
    for name, link in making.plan.settings.modbus.items():
        found: dict[str, RegisterMap] = {}
        for text in {device.map for device in link.devices.values()}:
            path = map_path(text, making.plan.folder)
            if path not in read:
                read[path] = load_map(path)[0]
            found[text] = read[path]
        yield ModbusAdapter(name, link, found, making.inbox, making.clock, making.telemetry, making.rng)


KIND = EdgeKind(KEY, maps, make)
