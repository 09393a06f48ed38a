"""Where a connection is in its life, and what each place takes. What a phase doesn't take is a protocol error.

GREETING ── Connect, admitted ──▶ LIVE ── Disconnect, Fault, close() ──▶ CLOSED
└────── refused, Fault, anything else ───────────────────────────────▲
"""

from collections.abc import Mapping
from enum import Enum, auto

from holdfast.adapters.mqtt.packets import Connect, Disconnect, Ping, Subscribe, Unsubscribe
from holdfast.adapters.mqtt.reader import AckRun, Fault, Item, PublishRun


class Phase(Enum):
    """Where a connection is in its life."""

    GREETING = auto()
    LIVE = auto()
    CLOSED = auto()


NEXT: Mapping[Phase, Mapping[type[Item], Phase]] = {
    Phase.GREETING: {Connect: Phase.LIVE, Fault: Phase.CLOSED},
    Phase.LIVE: {
        PublishRun: Phase.LIVE,
        AckRun: Phase.LIVE,
        Subscribe: Phase.LIVE,
        Unsubscribe: Phase.LIVE,
        Ping: Phase.LIVE,
        Disconnect: Phase.CLOSED,
        Fault: Phase.CLOSED,
    },
    Phase.CLOSED: {},
}
"""What each phase takes and where it leads; a refused Connect leads to CLOSED instead."""
