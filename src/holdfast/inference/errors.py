"""What can go wrong between a model's file and its answer.

InferenceError
├── RuntimeMissing   operator: the library that runs this kind of model isn't installed
├── ProviderMissing  operator: the processor that settings ask for isn't there
├── ModelUnknown     caller: there is no such model, or not this version of it
├── ModelExists      caller: this version is there already, and versions don't change
├── ModelInUse       caller: it's at work, so it isn't removed
├── ModelTooLarge    operator: the file, or what it takes in memory, is more than settings allow
├── ModelRefused     the model lied: its file isn't what the card says, doesn't run, or says nothing of use
│   ├── DigestWrong  the file isn't the one that the card names
│   └── ModelHostile it crashed, hung or ate memory when it was tried in a process of its own
├── InputInvalid     caller: values don't have the shape that the card says
└── RunFailed        the model: it loaded, and failed on this very batch
    └── RunInterrupted  it was stopped from outside, as a watchdog does
"""

from pathlib import Path

from holdfast.kernel.errors import HoldfastError


class InferenceError(HoldfastError):
    """Something the inference room can name. `hint` says what to do about it."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint or self.hint


class RuntimeMissing(InferenceError):
    """The library that runs models of this kind isn't installed."""

    def __init__(self, runtime: str, extra: str) -> None:
        self.runtime, self.extra = runtime, extra
        super().__init__(f"{runtime} isn't installed", f"pip install 'holdfast[{extra}]'")


class ProviderMissing(InferenceError):
    """Settings ask for a processor that this machine's runtime doesn't offer."""

    def __init__(self, wanted: str, there: list[str]) -> None:
        self.wanted, self.there = wanted, tuple(there)
        super().__init__(
            f"no provider {wanted} on this machine",
            f"there are: {', '.join(there) or 'none'}; or write `provider: auto`",
        )


class ModelUnknown(InferenceError):
    """There is no such model."""

    hint = "`holdfast model list` shows those that are there"


class ModelExists(InferenceError):
    """This version of the model is there already."""

    hint = "a version never changes: give the card a new `version`, or remove the old one first"


class ModelInUse(InferenceError):
    """The model is at work."""

    hint = "take it out of `models.deploy` first, or force it"


class ModelTooLarge(InferenceError):
    """The model is larger than settings allow. needs, allowed: bytes."""

    def __init__(self, sentence: str, needs: int, allowed: int, hint: str = "") -> None:
        self.needs, self.allowed = needs, allowed
        super().__init__(sentence, hint)


class ModelRefused(InferenceError):
    """The model isn't what its card says, or isn't fit to run."""

    def __init__(self, path: Path, sentence: str, hint: str = "") -> None:
        self.path, self.reason = path, sentence
        super().__init__(f"{path}: {sentence}", hint)


class DigestWrong(ModelRefused):
    """The file isn't the one that the card names. said, found: SHA-256 in hex."""

    def __init__(self, path: Path, said: str, found: str) -> None:
        self.said, self.found = said, found
        super().__init__(
            path,
            f"its SHA-256 is {found}, and the card says {said}",
            "the file was changed or is damaged: fetch it again, or write this digest into the card if you mean it",
        )


class ModelHostile(ModelRefused):
    """The model crashed, hung or ate memory in the process that tried it."""


class InputInvalid(InferenceError):
    """Values don't have the shape that the card says."""


class RunFailed(InferenceError):
    """The model failed on a batch."""


class RunInterrupted(RunFailed):
    """The run was stopped from outside, as a watchdog does."""
