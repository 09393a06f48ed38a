"""`devices:` in node.yaml: which devices a node takes, and when one is late."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration, Percent

Finding = tuple[tuple[str | int, ...], str]


class DevicesSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a node does about devices."""

    accept: Literal["auto", "listed"] = "auto"
    """`auto`: whoever sends is stored. `listed`: what isn't accepted is kept raw until it is."""
    limit: Annotated[int, Meta(ge=1, le=200_000)] = 20_000
    """Devices followed; about 700 bytes of memory each. Under `auto` others are stored and not followed."""
    late_after: Annotated[float, Meta(ge=1.5, le=1_000)] = 3.0
    """Expected intervals without a message after which a device is late, and a gap is a gap."""
    silent_after: Annotated[float, Meta(ge=1.5, le=10_000)] = 10.0
    """Expected intervals after which it is silent."""
    patience: Duration = 5.0
    """No device is late before so long, nor silent before twice that."""
    refused_budget: Percent = 0.01
    """Share of a device's messages of the last 24 h that may be refused before it's over its budget."""
    store_every: Duration = 5.0
    """How often counts of devices that changed are stored; so much of them a crash may take."""

    def findings(self) -> Iterator[Finding]:
        """What is wrong beyond types."""
        if self.silent_after < self.late_after:
            yield ("devices", "silent_after"), "at least `late_after`: a silent device is late, too"
        if self.patience <= 0:
            yield ("devices", "patience"), "above 0 s"
        if self.store_every < 0.1:
            yield ("devices", "store_every"), "at least 100ms"
