"""`artifacts:` in node.yaml: how much is kept of files named by their digests, and who gets how many at once."""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration, Size


class ArtifactSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of a node's artifacts."""

    max_bytes: Size = 1_000_000_000
    """All files together, parts of unfinished ones included; beyond it the ones longest unused go, but pinned ones."""
    largest: Size = 256_000_000
    """Bytes of one artifact, put here or fetched."""
    downloads: Annotated[int, Meta(ge=1, le=1_000)] = 16
    """Answers with an artifact's bytes under way at once; who comes then is told to come again."""
    per_child: Annotated[int, Meta(ge=1, le=100)] = 4
    """Of these, for one child or person."""
    fetches: Annotated[int, Meta(ge=1, le=16)] = 2
    """Artifacts fetched from the parent at once; the others wait in line."""
    fetch_within: Duration = 20.0
    """How long somebody who asks for an artifact's first byte is kept waiting for the parent."""

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other."""
        if self.largest > self.max_bytes:
            msg = "`largest` must not be above `max_bytes`"
            raise ValueError(msg)
