"""`bacnet:` of node.yaml: BACnet/IP networks."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.adapters.bacnet.settings import DeviceSettings, MapFile, ObjectSettings, object_findings
from holdfast.adapters.errors import ExtraMissing
from holdfast.adapters.port import EdgeAdapter
from holdfast.kernel.documents import Document, Problem, SettingsInvalid, load
from holdfast.model.points import PointMap
from holdfast.node.edge.port import EdgeKind, Making, Mapped

if TYPE_CHECKING:
    from holdfast.adapters.bacnet.adapter import Mapped as DeviceMap

KEY = "bacnet"


def maps(document: Document[Any], problems: list[Problem]) -> Iterator[Mapped]:
    """A map for each device, or for each file of points."""
    files: dict[Path, Mapped | None] = {}
    for name, link in document.value.bacnet.items():
        problems += [document.problem((KEY, name, *where), text) for where, text in link.findings()]
        for key, device in link.devices.items():
            where = (KEY, name, "devices", key)
            if device.map is None:
                yield Mapped(PointMap(KEY, _name(name, key), device.objects), document, (*where, "objects"))
                continue
            path = document.path.absolute().parent / device.map
            if path not in files:
                files[path] = _file(path, problems)
            found = files[path]
            if found is not None:
                yield found


def _file(path: Path, problems: list[Problem]) -> "Mapped | None":
    try:
        found = load(path, MapFile)
    except SettingsInvalid as invalid:
        problems += invalid.problems
        return None
    problems += [found.problem(where, text) for where, text in object_findings(("objects",), found.value.objects)]
    return Mapped(PointMap(KEY, path.stem, found.value.objects), found, ("objects",))


def _name(link: str, device: str) -> str:
    return f"{link}.{device}"


def make(making: Making) -> Sequence[EdgeAdapter]:
    """The adapters of node.yaml, not bound yet.

    Raises:
        ExtraMissing: bacpypes3 isn't installed.
        SettingsInvalid: a file of points can't be read.
    """
    if find_spec("bacpypes3") is None:
        raise ExtraMissing(KEY)
    from holdfast.adapters.bacnet.adapter import BacnetAdapter  # noqa: PLC0415  # only where it's used

    plan, made = making.plan, list[BacnetAdapter]()
    for name, link in plan.settings.bacnet.items():
        found = {key: _points(name, key, device, plan.folder) for key, device in link.devices.items()}
        made.append(BacnetAdapter(name, link, found, making.inbox, making.clock, making.telemetry, making.rng))
    said = "BACnet/IP datagrams by what became of them: read, sent, invalid, unwanted, or dropped over the limit."
    making.telemetry.table(
        "counter",
        "bacnet_datagrams",
        said,
        ("adapter", "what"),
        lambda: [((one.name, what), float(count)) for one in made for what, count in one.counts().items()],
    )
    return made


def _points(link: str, key: str, device: DeviceSettings, folder: Path) -> "DeviceMap":
    from holdfast.adapters.bacnet.adapter import Mapped as DeviceMap  # noqa: PLC0415  # as above

    points: dict[str, ObjectSettings] = device.objects
    name = _name(link, key)
    if device.map is not None:
        path = (folder / device.map).absolute()
        points, name = load(path, MapFile).value.objects, path.stem
    return DeviceMap(PointMap(KEY, name, points), points)


KIND = EdgeKind(KEY, maps, make)
