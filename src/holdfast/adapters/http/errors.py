"""What can be wrong with a post, known before anything of it is stored.

HttpIntakeError
├── BodyInvalid      caller: it can't be read; 400
├── BodyTooLarge     caller: 413
├── KindUnknown      caller: packed in a way, or of a kind, that isn't taken; 415
├── TopicUnusable    caller: no topic, or none that a profile of this node takes; 422
└── IntakeBusy       world: nothing can be stored now; 503, and to be sent again
"""

from typing import Literal

from holdfast.kernel.errors import HoldfastError

Reason = Literal["malformed", "too_large", "kind", "topic", "busy", "stalled", "token", "rights"]


class HttpIntakeError(HoldfastError):
    """Something about a post. status: of the answer; reason: for the metrics."""

    status = 400
    reason: Reason = "malformed"

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class BodyInvalid(HttpIntakeError):
    """The body can't be read; nothing of it was stored."""


class BodyTooLarge(HttpIntakeError):
    """The body, as it came or unpacked, is larger than what is taken at once."""

    status = 413
    reason: Reason = "too_large"


class KindUnknown(HttpIntakeError):
    """Its `Content-Encoding` or `Content-Type` isn't taken."""

    status = 415
    reason: Reason = "kind"


class TopicUnusable(HttpIntakeError):
    """There is no such topic, or nobody here reads it."""

    status = 422
    reason: Reason = "topic"


class IntakeBusy(HttpIntakeError):
    """Nothing can be stored now; whoever sent it must send it again."""

    status = 503
    reason: Reason = "busy"
