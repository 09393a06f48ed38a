"""What a lifecycle refuses.

LifecycleError
├── DeploymentUnknown   caller: there is no such deployment here
├── VersionUnknown      caller: the deployment has no such version
├── ActRefused          caller: it may not become that; the hint says what it takes
└── LabelInvalid        caller: no label like this
"""

from holdfast.kernel.errors import HoldfastError


class LifecycleError(HoldfastError):
    """Something about models' lives."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class DeploymentUnknown(LifecycleError):
    """Nothing is deployed under this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no deployment {name[:80]!r}", "`models: deploy:` in node.yaml names them")


class VersionUnknown(LifecycleError):
    """The deployment doesn't have it."""

    def __init__(self, deployment: str, version: str, known: str) -> None:
        super().__init__(f"{deployment} has no version {version[:120]!r}", f"it has {known}")


class ActRefused(LifecycleError):
    """A version may not become that from what it is."""


class LabelInvalid(LifecycleError):
    """A label that can't be joined with anything."""
