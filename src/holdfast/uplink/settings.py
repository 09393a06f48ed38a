"""`parent:` in node.yaml: where this node syncs to, and how."""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration

Rows = Annotated[int, Meta(ge=1, le=1_000_000)]


class ParentSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The parent and the link to it. Files are relative to node.yaml."""

    url: str
    """https://host:port; plain HTTP is refused."""
    ca: str
    """PEM of the CA that signed the parent's certificate; nothing else is trusted."""
    token_file: str
    linger: Duration = 0.5
    """How long bulk rows gather before a batch leaves; critical rows never wait."""
    min_rows: Rows = 10_000
    """Waiting rows that send a bulk batch at once."""
    max_rows: Rows = 20_000
    """Rows in one batch."""
    timeout: Duration = 10.0
    """Longest silence while the parent should answer."""
    backoff_min: Duration = 0.2
    backoff_max: Duration = 30.0
    """Bounds of the pause after a failure; jittered in between."""
    trip_after: Annotated[int, Meta(ge=1)] = 3
    """Failures in a row that open the breaker: then one probe at a time."""
