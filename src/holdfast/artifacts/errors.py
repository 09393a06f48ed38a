"""What can go wrong with artifacts.

ArtifactError
├── DigestInvalid     caller: that's no SHA-256
├── ArtifactAbsent    world: it isn't here, and the parent has none either
├── ArtifactWrong     caller or disk: the bytes aren't those that the digest names; nothing of them is used
├── ArtifactTooLarge  caller or operator: larger than `artifacts.largest`
├── ArtifactsFull     operator: no room, though everything that isn't pinned was let go
├── ArtifactPinned    caller: pinned, or in use: it isn't removed
├── ArtifactLate      world: it isn't here yet; fetching goes on, ask again
├── ParentLied        peer: the parent's answers contradict themselves, or aren't what the digest names
└── BundleInvalid     caller: a folder or an archive that can't be a bundle
"""

from holdfast.kernel.errors import HoldfastError


class ArtifactError(HoldfastError):
    """Something about a file that is named by its digest."""


class DigestInvalid(ArtifactError):
    """A text is no digest."""

    hint = "64 hex digits, as `sha256sum` prints them; `sha256:` may stand before them"


class ArtifactAbsent(ArtifactError):
    """The artifact isn't here, nor above."""

    hint = "`holdfast artifact list` shows what a node has; `holdfast artifact put` publishes a file"


class ArtifactWrong(ArtifactError):
    """The bytes aren't those that the digest names."""

    hint = "send the file again; if it happens at rest, check the disk (dmesg, SMART)"


class ArtifactTooLarge(ArtifactError):
    """It's larger than it may be."""

    hint = "raise `artifacts.largest` on every node that it goes through"


class ArtifactsFull(ArtifactError):
    """There's no room for it."""

    hint = "raise `artifacts.max_bytes`, or unpin or remove some: `holdfast artifact list`"


class ArtifactPinned(ArtifactError):
    """It isn't removed while it's pinned or in use."""

    hint = "unpin it first: `holdfast artifact pin --off`"


class ArtifactLate(ArtifactError):
    """It isn't here yet."""

    hint = "it goes on being fetched; ask again, or see `holdfast artifact list`"

    def __init__(self, sentence: str, retry_after_s: float = 5.0) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class ParentLied(ArtifactError):
    """What the parent sends can't be the artifact. What had come was thrown away."""

    hint = "on the parent: `holdfast artifact list`; a damaged file there is found when it's read, and fetched anew"


class BundleInvalid(ArtifactError):
    """A folder that can't be packed, or an archive that can't be unpacked safely."""

    hint = "a bundle holds plain files in plain folders, and was made by `holdfast model publish`"
