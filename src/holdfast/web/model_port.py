"""What the models' routes need of a node."""

from typing import Protocol

from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.states import Command
from holdfast.inference.lifecycle.status import ActDone, LabelList
from holdfast.web.model_answers import ModelDetail, ModelList


class ModelsPort(Protocol):
    """`node.models`: models at work at this node, and their `inference.lifecycle.service.Lives`. Loop thread only.

    What is refused is a `LifecycleError` or an `InferenceError`, and nothing has changed then; `StorageUnusable` when
    it can't be written.
    """

    async def listed(self) -> ModelList:
        """Every deployment as it is now. Each open page asks every few seconds: cheap."""
        ...

    async def detail(self, deployment: str) -> ModelDetail:
        """One deployment, without `offers`; raises `DeploymentUnknown`."""
        ...

    async def act(self, deployment: str, wish: Command) -> ActDone:
        """Do it; answers once it's on disk and at work. Of `add` the model is looked up, verified and tried first."""
        ...

    async def relearn(self, deployment: str) -> object:
        """Take what comes from now on as usual: drift is measured against that."""
        ...

    async def label(self, label: Label) -> Label:
        """Keep what somebody knows; the label with its id once it's on disk."""
        ...

    async def labels(self, deployment: str, limit: int, below: int, device: str) -> LabelList:
        """What people said, newest first, with an id below `below` (0 = any); device: empty = of any."""
        ...
