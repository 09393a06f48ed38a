"""What a protocol's module here gives: its maps, and its adapters."""

from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.adapters.port import EdgeAdapter, Inbox
from holdfast.kernel.clock import Clock
from holdfast.kernel.documents import Document, Problem, Where
from holdfast.model.points import PointMap
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
