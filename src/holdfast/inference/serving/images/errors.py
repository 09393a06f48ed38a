"""What can be wrong with a picture.

ImageRefused  whoever sent it: it isn't a picture, or not one that is taken; `reason` is of a closed set
"""

from typing import Literal

from holdfast.kernel.errors import HoldfastError

Reason = Literal["too_large", "unreadable", "busy", "name"]
"""name: of the camera"""


class ImageRefused(HoldfastError):
    """A picture that isn't scored."""

    def __init__(self, reason: Reason, sentence: str, hint: str = "") -> None:
        self.reason: Reason = reason
        super().__init__(sentence)
        self.hint = hint


class VisionMissing(HoldfastError):
    """Pillow isn't installed."""

    hint = "pip install 'holdfast[vision]'"

    def __init__(self) -> None:
        super().__init__("pictures can't be decoded: Pillow isn't installed")
