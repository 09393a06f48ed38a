"""`coap:` of node.yaml: links by name."""

from collections.abc import Iterator
from typing import Any

from holdfast.adapters.coap.settings import CoapLink
from holdfast.adapters.errors import ExtraMissing
from holdfast.adapters.port import EdgeAdapter
from holdfast.kernel.documents import Document, Problem
from holdfast.model.points import PointMap
from holdfast.node.edge.port import EdgeKind, Making, Mapped

KEY = "coap"


def maps(document: Document[Any], problems: list[Problem]) -> Iterator[Mapped]:
    """The maps of all links; what is wrong with links is appended."""
    links: dict[str, CoapLink] = document.value.coap
    for name, link in links.items():
        problems += [document.problem((KEY, name, *where), text) for where, text in link.findings()]
        for key, found in link.maps.items():
            yield Mapped(PointMap(KEY, key, found.points), document, (KEY, name, "maps", key, "points"))


def make(making: Making) -> list[EdgeAdapter]:
    """Its adapters, not connected yet.

    Raises:
        ExtraMissing: without aiocoap.
    """
    try:
        from holdfast.adapters.coap.adapter import CoapAdapter  # noqa: PLC0415  # aiocoap is an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "aiocoap":
            raise
        raise ExtraMissing(KEY) from error
    links: dict[str, CoapLink] = making.plan.settings.coap
    return [
        CoapAdapter(name, link, making.inbox, making.clock, making.telemetry, making.rng)
        for name, link in links.items()
    ]


KIND = EdgeKind(KEY, maps, make)
