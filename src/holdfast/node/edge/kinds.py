"""The table of kinds: each key of node.yaml that turns device adapters on. A new protocol is a module here and a line.

The libraries of a protocol are imported when an adapter of it is made, so that a gateway without it stays small.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.adapters.port import EdgeAdapter, Inbox
from holdfast.kernel.clock import Clock
from holdfast.kernel.documents import Document, Problem, Where
from holdfast.model.points import PointMap
from holdfast.node.edge import bacnet, ble, coap, modbus, serial
from holdfast.telemetry.happenings import Telemetry

if TYPE_CHECKING:
    from holdfast.node.settings import NodePlan


class Mapped(NamedTuple):
    """A map, and where its points are written: for what is said about them."""

    map: PointMap
    document: Document[Any]
    where: Where


class Making(NamedTuple):
    """What adapters are made from."""

    plan: "NodePlan"
    inbox: Inbox
    clock: Clock
    telemetry: Telemetry
    rng: Random


class EdgeKind(NamedTuple):
    """A protocol.

    key:  in node.yaml, and of `NodeSettings`
    maps: its maps of points, with what is wrong with files and keys appended; may read files
    make: its adapters, not connected yet; raises HoldfastError when a library or file isn't there
    """

    key: str
    maps: Callable[[Document[Any], list[Problem]], Iterable[Mapped]]
    make: Callable[[Making], Iterable[EdgeAdapter]]


KINDS: tuple[EdgeKind, ...] = (
    EdgeKind(bacnet.KEY, bacnet.maps, bacnet.make),
    EdgeKind(coap.KEY, coap.maps, coap.make),
    EdgeKind(ble.KEY, ble.maps, ble.make),
    EdgeKind(serial.KEY, serial.maps, serial.make),
    EdgeKind(modbus.KEY, modbus.maps, modbus.make),
)


def is_on(settings: object) -> bool:
    """Does node.yaml turn any of them on?"""
    return any(getattr(settings, kind.key) for kind in KINDS)
