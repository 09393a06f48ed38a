"""What the artifacts room needs of the world around it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from holdfast.artifacts.ranges import Span


@dataclass(frozen=True, slots=True)
class Coming:
    """Bytes on their way. span: which; size: of the whole artifact; pieces: raise `LinkDown` when they're cut.

    name: what the parent calls it
    """

    span: Span
    size: int
    pieces: AsyncIterator[bytes]
    name: str = ""


class ParentArtifacts(Protocol):
    """Where artifacts come from."""

    def read(self, digest: str, start: int, end: int | None) -> AbstractAsyncContextManager[Coming]:
        """Bytes of an artifact; end None: to its end.

        Raises:
            LinkDown: no answer came.
            LinkRefused: not now, or not for this node.
            ArtifactAbsent: it has none.
            ParentLied: the answer contradicts itself, or what was asked.
        """
        ...


class Pace(Protocol):
    """What the link may carry of artifacts: they're bulk, behind everything else."""

    def pause_s(self) -> float:
        """How long to wait before the next request; 0 = none."""
        ...

    def span(self) -> int:
        """Bytes to ask for at once."""
        ...

    def carried(self, size: int, seconds: float) -> None:
        """So many bytes came, and took so long."""
        ...


class NoPace:
    """A link that costs nothing."""

    def pause_s(self) -> float:
        """Never."""
        return 0.0

    def span(self) -> int:
        """Much."""
        return 8 << 20

    def carried(self, size: int, seconds: float) -> None:
        """Counted nowhere."""
