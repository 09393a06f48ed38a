"""`serial:` of node.yaml at the node's edge."""

from collections.abc import Iterator
from typing import Any

from holdfast.adapters.serial.line import SerialLine
from holdfast.adapters.serial.wire import require_library
from holdfast.kernel.documents import Document, Problem
from holdfast.node.edge.port import EdgeKind, Making, Mapped

KEY = "serial"


def maps(document: Document[Any], problems: list[Problem]) -> list["Mapped"]:
    """None: profiles on `serial/NAME` say what frames mean."""
    lines = document.value.serial
    for name, settings in lines.items():
        problems += [document.problem((KEY, name, *where), text) for where, text in settings.findings()]
    if lines and not document.value.profiles:
        problems.append(
            document.problem((KEY,), "`profiles` is missing: one on `serial/{device}` says what frames mean")
        )
    ports = [one.port for one in lines.values()]
    for name, settings in lines.items():
        if ports.count(settings.port) > 1:
            problems.append(document.problem((KEY, name, "port"), "two instruments have this port"))
    return []


def make(making: Making) -> Iterator[SerialLine]:
    """Its adapters.

    Raises:
        ExtraMissing: when the library isn't installed.
    """
    for name, settings in making.plan.settings.serial.items():
        if settings.address is None:
            require_library()
        yield SerialLine(name, settings, making.inbox, making.clock, making.telemetry, making.rng)


KIND = EdgeKind(KEY, maps, make)
