"""A node's models, or none: what neither loads nor costs anything."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from holdfast.journal.alert_labels import Labelled

if TYPE_CHECKING:
    from holdfast.node.models.service import Models
    from holdfast.node.node import Node
    from holdfast.web.model_port import ModelsPort


class NoModels:
    """In a node without `models`."""

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """Nothing."""
        return []

    def label(self, one: Labelled) -> None:
        """Of a model that isn't there any more: told again when there are models."""

    def largest_picture(self, _topic: str) -> int:
        """None is taken."""
        return 0

    async def stop(self, deadline_s: float) -> None:
        """Nothing."""


def models_desk(node: "Node") -> "ModelsPort | None":
    """What the API asks of them; None: there are none."""
    if isinstance(node.models, NoModels):
        return None
    from holdfast.node.models.desk import Desk  # noqa: PLC0415  # for those with models

    return Desk(node.models, node.rulebook)


def make_models(node: "Node") -> "Models | NoModels":
    """Those of a node's settings."""
    if node.plan.settings.models is None:
        return NoModels()
    from holdfast.node.models.service import Models  # noqa: PLC0415  # for those with models

    return Models(node)
