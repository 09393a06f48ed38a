"""A node's models, or none: what neither loads nor costs anything."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.node.models.service import Models
    from holdfast.node.node import Node


class NoModels:
    """In a node without `models`."""

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Nothing."""
        return []

    async def stop(self, deadline_s: float) -> None:
        """Nothing."""


def make_models(node: "Node") -> "Models | NoModels":
    """Those of a node's settings."""
    if node.plan.settings.models is None:
        return NoModels()
    from holdfast.node.models.service import Models  # noqa: PLC0415  # for those with models

    return Models(node)
