"""A node's artifacts put together: the folder, and the way to the parent's."""

import random
from collections.abc import Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from holdfast.artifacts.service import Artifacts
from holdfast.artifacts.store import ArtifactStore
from holdfast.node.parent_artifacts import HttpsParentArtifacts, UplinkPace
from holdfast.node.parent_calls import breaker_of

if TYPE_CHECKING:
    from holdfast.node.node import Node

FOLDER = "artifacts"


class NodeArtifacts:
    """The artifacts of one node. `room` is what others ask; made on the loop, once the uplink is there."""

    def __init__(self, node: "Node") -> None:
        """Connect to nothing yet.

        Raises:
            HoldfastError: when the folder or the parent's files can't be used.
        """
        plan, settings = node.plan, node.plan.settings.artifacts
        self._link: HttpsParentArtifacts | None = None
        parent, uplink, patience, pace = plan.settings.parent, node.uplink, None, None
        if parent is not None and uplink is not None:
            self._link = HttpsParentArtifacts(parent, plan.path, settings.fetches)
            patience, pace = breaker_of(parent), UplinkPace(uplink.plan.pacing, node.clock)
        store = ArtifactStore(plan.data / FOLDER, settings, node.clock, node.telemetry.emit)
        self.room = Artifacts(settings, store, node.clock, node.telemetry, random.Random(), self._link, patience, pace)

    def tasks(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """What fetches."""
        yield "artifacts", self.room.run()

    async def close(self) -> None:
        """Close the kept connections."""
        if self._link is not None:
            await self._link.close()
