"""Walks a server's address space, and writes what can be read there as `devices`. Bounded in nodes and depth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml
from asyncua import ua

from holdfast.adapters.errors import DeviceFaulted
from holdfast.adapters.opcua import binary
from holdfast.adapters.opcua.addresses import Address, parse
from holdfast.adapters.opcua.binary import DataValue, Reader
from holdfast.adapters.opcua.enums import names_of
from holdfast.adapters.opcua.eu import unit_of
from holdfast.adapters.opcua.link import Link, node_id
from holdfast.adapters.opcua.words import sound
from holdfast.model.units import base_of, conversion, payload_unit

MOST_NODES = 5_000
_BATCH = 50
MOST_ELEMENTS = 1_000
_MOST_REFERENCES = 1_000
_READABLE, _WRITABLE = 1, 2
_OBJECTS = "i=85"
_VARIABLE = 2
_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 63
_TEXTS = frozenset((binary.STRING, binary.LOCAL, binary.DATETIME, binary.GUID))


@dataclass(slots=True)
class Found:
    """A node. path: the names from where the walk began; for Variables what they hold, and what is known of it."""

    path: tuple[str, ...]
    address: Address
    is_variable: bool
    type: int = 0
    is_array: int = 0
    access: int = 0
    unit: str = ""
    shown: str = ""
    low: float | None = None
    high: float | None = None
    names: dict[int, str] = field(default_factory=dict)
    value: object = None

    @property
    def is_readable(self) -> bool:
        """May its value be read, and is it one that we know?"""
        return self.is_variable and bool(self.access & _READABLE) and 0 < self.type <= binary.LOCAL

    @property
    def kind(self) -> str:
        """The type of its reading, as in profiles."""
        if self.type == binary.BOOL:
            return "bool"
        if self.type in _TEXTS or self.names:
            return "text"
        return "int" if self.type in binary.INTS else "float"


async def walk(link: Link, under: str = _OBJECTS, depth: int = 6) -> tuple[list[Found], bool]:
    """Every node below one, in the server's order, without its own `Server` object; (nodes, were there more?).

    Raises:
        HoldfastError: when the server doesn't answer, or there's no such node.
    """
    try:
        root = parse(under).resolved(link.spaces)
    except ValueError as error:
        raise DeviceFaulted(str(error)) from None
    if root is None:
        raise DeviceFaulted(f"the server has no namespace of {under}", f"It has: {', '.join(link.spaces)}")
    level, found, seen = [Found((), root, is_variable=False)], list[Found](), {str(root)}
    for _ in range(depth):
        below: list[Found] = []
        for i in range(0, len(level), _BATCH):
            below += await _children(link, level[i : i + _BATCH], seen)
            if len(found) + len(below) >= MOST_NODES:
                break
        found += below
        level = below
        if not level or len(found) >= MOST_NODES:
            break
    is_cut = len(found) > MOST_NODES
    found = sorted(found[:MOST_NODES], key=lambda one: one.path)
    await _describe(link, [one for one in found if one.is_variable])
    return found, is_cut or len(seen) > MOST_NODES


def _description(address: Address, reference: int) -> Any:
    return ua.BrowseDescription(
        NodeId=node_id(address),
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(reference),
        IncludeSubtypes=True,
        NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
        ResultMask=ua.BrowseResultMask.All,
    )


async def _browse(link: Link, addresses: Sequence[Address], reference: int) -> list[list[Any]]:
    """The references of each."""
    wanted = ua.BrowseParameters()
    wanted.RequestedMaxReferencesPerNode = _MOST_REFERENCES
    wanted.NodesToBrowse = [_description(one, reference) for one in addresses]
    answers = await link.call(lambda client: client.uaclient.browse(wanted))
    found = []
    for answer in answers:
        references, more = list(answer.References or ()), answer.ContinuationPoint
        while more and len(references) < MOST_NODES:
            following = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[more])
            (part,) = await link.call(partial(_next, following))
            references += part.References or ()
            more = part.ContinuationPoint
        found.append(references)
    return found


async def _next(following: Any, client: Any) -> Any:
    return await client.uaclient.browse_next(following)


async def _children(link: Link, parents: Sequence[Found], seen: set[str]) -> list[Found]:
    found = []
    told = await _browse(link, [one.address for one in parents], ua.ObjectIds.HierarchicalReferences)
    for parent, references in zip(parents, told, strict=True):
        for reference in references:
            address = _address(reference.NodeId)
            is_own = address.space == 0 and (not parent.path or parent.address.space == 0)
            is_property = reference.ReferenceTypeId == ua.NodeId(ua.ObjectIds.HasProperty)
            if str(address) in seen or is_own or is_property:
                continue
            seen.add(str(address))
            name = sound((reference.BrowseName.Name or "").strip() or str(address))
            is_variable = reference.NodeClass == ua.NodeClass.Variable
            found.append(Found((*parent.path, name), address, is_variable))
    return found


def _address(node: Any) -> Address:
    kinds = {ua.NodeIdType.String: "s", ua.NodeIdType.Guid: "g", ua.NodeIdType.ByteString: "b"}
    kind = kinds.get(node.NodeIdType, "i")
    key = node.Identifier
    return Address(node.NamespaceIndex, kind, key.hex() if isinstance(key, bytes) else str(key))


async def _describe(link: Link, variables: Sequence[Found]) -> None:
    """Fill in what the variables hold, and their units and ranges."""
    nodes = [node_id(one.address) for one in variables]
    if not nodes:
        return
    values = await link.read(nodes)
    access = await link.read(nodes, ua.AttributeIds.UserAccessLevel)
    types = await link.read(nodes, ua.AttributeIds.DataType)
    names: dict[str, dict[int, str]] = {}
    for one, value, allowed, type_ in zip(variables, values, access, types, strict=True):
        one.type, one.access = value.type, allowed.value if isinstance(allowed.value, int) else _READABLE
        one.is_array = len(value.value) if isinstance(value.value, list) else 0
        one.value = value.value
        told = type_.value
        if (
            isinstance(told, str)
            and one.type in binary.INTS
            and not (told.startswith("i=") and int(told[2:]) <= one.type)
        ):
            if told not in names:
                names[told] = await names_of(link, ua.NodeId.from_string(told))
            one.names = names[told]
    for i in range(0, len(variables), _BATCH):
        await _properties(link, variables[i : i + _BATCH])


async def _properties(link: Link, variables: Sequence[Found]) -> None:
    told = await _browse(link, [one.address for one in variables], ua.ObjectIds.HasProperty)
    wanted = [
        (one, reference.BrowseName.Name, reference.NodeId)
        for one, references in zip(variables, told, strict=True)
        for reference in references
        if reference.BrowseName.Name in ("EngineeringUnits", "EURange")
    ]
    if not wanted:
        return
    for (one, name, _), value in zip(wanted, await link.read([node for _, _, node in wanted]), strict=True):
        if name == "EURange":
            one.low, one.high = _range(value)
        else:
            one.unit, one.shown = _unit(value)


def _range(value: DataValue) -> tuple[float | None, float | None]:
    if not isinstance(value.value, bytes):
        return None, None
    reader = Reader(value.value)
    low, high = reader.f64(), reader.f64()
    return (low, high) if low < high else (None, None)


def _unit(value: DataValue) -> tuple[str, str]:
    if not isinstance(value.value, bytes):
        return "", ""
    reader = Reader(value.value)
    reader.text()
    number = reader.u32()
    shown = reader.local() or ""
    return unit_of(number, shown), shown


def tree(found: Sequence[Found]) -> list[str]:
    """As lines, indented by depth."""
    lines = []
    for one in found:
        what = ""
        if one.is_variable:
            name = binary.TYPE_NAMES.get(one.type, "no value")
            what = f"  {name}{f'[{one.is_array}]' if one.is_array else ''}{f' {one.shown}' if one.shown else ''}"
            what += "" if one.access & _READABLE else "  can't be read"
            what += "  may be written" if one.access & _WRITABLE else ""
        lines.append(f"{'  ' * (len(one.path) - 1)}{one.path[-1]}  {one.address}{what}")
    return lines


def devices_yaml(found: Sequence[Found], spaces: Sequence[str]) -> str:
    """`devices:` with the variables that can be read: those of one parent are one device. None is made writable."""
    devices: dict[str, dict[str, Any]] = {}
    for one in found:
        if not one.is_readable:
            continue
        device = _clean("-".join(one.path[:-1])) or "server"
        nodes = devices.setdefault(device, {"nodes": {}})["nodes"]
        said = _settings(one, device, spaces)
        if said["metric"] in {node["metric"] for node in nodes.values()}:
            said["metric"] += f"_{len(nodes) + 1}"
        nodes[_free(_clean(one.path[-1]), nodes)] = said
    text: str = yaml.safe_dump({"devices": devices}, sort_keys=False, allow_unicode=True, width=120)
    return text


def _settings(one: Found, device: str, spaces: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {"id": str(one.address.lasting(spaces))}
    said["metric"] = f"{_metric(device)}.{_metric(one.path[-1])}"
    if one.unit:
        said["unit"] = one.unit
    if one.kind != "float":
        said["type"] = one.kind
    if one.low is not None and not one.unit:  # limits are in the stored unit, and these are in the node's
        said["min"], said["max"] = one.low, one.high
    elif one.low is not None and one.high is not None:
        said |= _limits(one)
    if one.is_array:
        said["array"] = min(one.is_array, MOST_ELEMENTS)
    return said


def _limits(one: Found) -> dict[str, float]:
    """In the stored unit, as profiles want them."""
    unit = payload_unit(one.unit, None)
    a, b = conversion(unit, base_of(unit))
    low, high = sorted(float(a) * end + float(b) for end in (one.low or 0.0, one.high or 0.0))
    return {"min": round(low, 9), "max": round(high, 9)}


def _clean(text: str) -> str:
    return _NAME.sub("_", text).strip("_")[:_LONGEST] or "node"


def _metric(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_") or "value"


def _free(name: str, taken: dict[str, Any]) -> str:
    name = name if name[0].isalpha() or name[0] == "_" else f"n_{name}"
    number = 2
    found = name
    while found in taken:
        found, number = f"{name[: _LONGEST - 5]}_{number}", number + 1
    return found
