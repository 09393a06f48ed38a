"""What can go wrong between two nodes. Here, below `transport/`, because the door to the network raises them too.

WireError          peer: the bytes are not what the protocol says; a sentence says what is wrong
LinkError
├── LinkDown       world: no answer (refused, cut, timed out); whether the parent applied it is unknown
└── LinkRefused    world or operator: an answer that is not for us (429, 503, wrong token); ask again later
    └── BodyTooLarge   the parent, or a proxy before it, takes no body of this size (413): send less at once
"""

from holdfast.kernel.errors import HoldfastError


class WireError(HoldfastError):
    """A message from another node is malformed. Nothing of it was used."""

    hint = "the two nodes may run versions that don't fit, or something on the way alters the bytes"


class LinkError(HoldfastError):
    """The parent gave no usable answer."""


class LinkDown(LinkError):
    """No answer came. The parent may or may not have applied what was sent: offering it again is always right."""


class LinkRefused(LinkError):
    """The parent answered, but not with a reply of the protocol; nothing was applied."""

    def __init__(self, reason: str, retry_after_s: float = 0.0) -> None:
        self.reason, self.retry_after_s = reason, retry_after_s
        later = f"; it asks to wait {retry_after_s:g} s" if retry_after_s else ""
        super().__init__(f"the parent refused: {reason}{later}")


class BodyTooLarge(LinkRefused):
    """The parent or something before it takes no body of this size (413); nothing was applied."""
