"""What the artifacts room tells the log and the metrics."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class ArtifactKept(Happening, frozen=True):
    """An artifact is whole, verified and on disk."""

    metric = "artifacts_kept"
    how: Literal["put", "fetched"]
    digest: str
    bytes: int
    name: str


class ArtifactLeft(Happening, frozen=True):
    """An artifact went: it was removed, or made room for another."""

    metric = "artifacts_left"
    why: Literal["room", "removed"]
    digest: str
    bytes: int


class ArtifactDamaged(Happening, frozen=True):
    """A stored artifact isn't any more what its digest says: it was set aside, and is fetched when it's asked for."""

    level = Level.ERROR
    metric = "artifacts_damaged"
    digest: str
    aside: str


class ArtifactFetchBegun(Happening, frozen=True):
    """An artifact is fetched from the parent; had: bytes that are here from before."""

    metric = "artifact_fetches_begun"
    digest: str
    had: int


class ArtifactFetchWaits(Happening, frozen=True):
    """An artifact's fetching waits for the parent; what has come is kept, and it goes on by itself."""

    level = Level.WARNING
    metric = "artifact_fetches_waited"
    digest: str
    detail: str


class ArtifactFetchFailed(Happening, frozen=True):
    """An artifact can't be had from the parent."""

    level = Level.WARNING
    metric = "artifact_fetches_failed"
    why: Literal["absent", "lied", "too_large", "full", "disk"]
    digest: str
    detail: str
