"""`telemetry.metrics:` in node.yaml: the node's own health as readings."""

from collections.abc import Iterator

from msgspec import Struct

from holdfast.kernel.scalars import Duration
from holdfast.kernel.shape import Finding

LEAST_EVERY_S = 1.0


class HealthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The node's own health as readings of a device called `node`.

    every: time between readings
    send:  False keeps them at the site
    keep:  how long they stay in files; 0 = as `history.keep` says
    """

    every: Duration = 60.0
    send: bool = True
    keep: Duration = 0.0

    def findings(self) -> Iterator[Finding]:
        """What types can't tell, each with where it stands."""
        if self.every < LEAST_EVERY_S:
            yield ("every",), f"at least {LEAST_EVERY_S:.0f}s lie between two readings"
