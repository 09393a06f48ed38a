"""The nodes of a server that are read, as one list: a value's handle is its place there. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import UNSET

from holdfast.adapters.opcua.addresses import Address, parse
from holdfast.adapters.opcua.settings import ROOT, NodePoint, OpcuaDevice
from holdfast.model.points import PointMap


@dataclass(slots=True, eq=False)
class Item:
    """A node that is read. names: of its readings; enum: what its numbers are called; error: why it isn't read."""

    device: str
    name: str
    node: NodePoint
    address: Address
    names: list[str]
    enum: Mapping[int, str] | None = None
    error: str = ""

    @property
    def has_elements(self) -> bool:
        """Is it read as an array?"""
        return self.node.array != "skip"


@dataclass(slots=True)
class Device:
    """A device behind a server."""

    name: str
    map: PointMap
    items: list[int] = field(default_factory=list)
    last_ns: int = 0
    values: int = 0
    lost: int = 0


def items_of(device: str, settings: OpcuaDevice, nodes: Mapping[str, NodePoint]) -> list[Item]:
    """A device's nodes, with its root put in."""
    root = device if settings.root is UNSET else settings.root
    return [
        Item(device, name, node, parse(node.id.replace(ROOT, root)), node.names(name)) for name, node in nodes.items()
    ]
