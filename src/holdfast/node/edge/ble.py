"""`ble:` of node.yaml at the node's edge."""

from collections.abc import Iterator
from typing import Any

from holdfast.adapters.ble.listener import BleListener
from holdfast.adapters.ble.scanning import require_library
from holdfast.kernel.documents import Document, Problem
from holdfast.node.edge.port import EdgeKind, Making, Mapped

KEY = "ble"


def maps(document: Document[Any], problems: list[Problem]) -> list["Mapped"]:
    """None: profiles on `KIND/NAME/MAC` say what advertisements mean."""
    listeners = document.value.ble
    for name, settings in listeners.items():
        problems += [document.problem((KEY, name, *where), text) for where, text in settings.findings()]
    if listeners and not document.value.profiles:
        said = "`profiles` is missing: `builtin:ruuvi` and `builtin:bthome` say what advertisements mean"
        problems.append(document.problem((KEY,), said))
    return []


def make(making: Making) -> Iterator[BleListener]:
    """Its adapters.

    Raises:
        ExtraMissing: when the library isn't installed.
    """
    plan = making.plan
    for name, settings in plan.settings.ble.items():
        if settings.file is None:
            require_library()
        file = None if settings.file is None else plan.path(settings.file)
        yield BleListener(name, settings, file, making.inbox, making.clock, making.telemetry)


KIND = EdgeKind(KEY, maps, make)
