"""The table of kinds: each key of node.yaml that turns device adapters on. A new protocol is a module here and a name.

The libraries of a protocol are imported when an adapter of it is made, so that a gateway without it stays small.
"""

from holdfast.node.edge import bacnet, ble, coap, modbus, opcua, serial
from holdfast.node.edge.port import EdgeKind

KINDS: tuple[EdgeKind, ...] = (modbus.KIND, opcua.KIND, bacnet.KIND, coap.KIND, serial.KIND, ble.KIND)


def is_on(settings: object) -> bool:
    """Does node.yaml turn any of them on?"""
    return any(getattr(settings, kind.key) for kind in KINDS)
