"""What the models' routes need of a node, and what it may refuse.

ModelRefused        caller: it isn't done, and nothing has changed (409)
├── ModelAbsent     caller: there is no such deployment, version or model (404)
└── ModelInvalid    caller: the wish can't be meant (400)
"""

from typing import Protocol

from holdfast.kernel.errors import HoldfastError
from holdfast.web.model_answers import (
    Deed,
    ModelChanged,
    ModelDetail,
    ModelList,
    ModelWish,
    Truth,
    TruthRow,
)


class ModelRefused(HoldfastError):
    """Something about a model that isn't done. status: HTTP's."""

    status = 409

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class ModelAbsent(ModelRefused):
    """It isn't there."""

    status = 404


class ModelInvalid(ModelRefused):
    """It can't be meant."""

    status = 400


class ModelsPort(Protocol):
    """`node.models`: models at work at this node. Loop thread only; raises `ModelRefused`, or `StorageUnusable`."""

    async def listed(self) -> ModelList:
        """Every deployment as it is now. Asked for every few seconds by each page: cheap."""
        ...

    async def detail(self, deployment: str) -> ModelDetail:
        """One deployment; raises `ModelAbsent`."""
        ...

    async def act(self, deployment: str, deed: Deed, wish: ModelWish, by: str) -> ModelChanged:
        """Do it; answers once it's on disk and at work.

        `wish.percent` is of a canary, above 0 and at most 100, and else None; `wish.model` is empty only of a rollback.
        """
        ...

    async def labels(self, deployment: str, limit: int, before: int) -> list[TruthRow]:
        """What people said, newest first, with an id below `before`."""
        ...

    async def label(self, deployment: str, truth: Truth) -> TruthRow:
        """Keep what somebody says; answers once it's on disk."""
        ...
