"""Why a message is refused: a closed set, with a sentence for the person who mends the device."""

from dataclasses import dataclass
from enum import StrEnum

DETAIL_LIMIT = 200


class RejectReason(StrEnum):
    """Label of the rejection counter and of the quarantine row. Append only: the words are stored."""

    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    NOT_A_NUMBER = "not_a_number"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    STALE = "stale"
    NO_PROFILE = "no_profile"
    UNKNOWN_DEVICE = "unknown_device"
    DUPLICATE = "duplicate"
    SCRIPT = "script"
    NO_BIRTH = "no_birth"
    UNSUPPORTED = "unsupported"
    NEW_DEVICE = "new_device"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One message that was refused whole.

    message: index of the message over all runs of the decode call, in order
    detail:  which field, and what was expected; at most `DETAIL_LIMIT` characters
    """

    message: int
    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A refusal inside one group of messages: `at` counts in whatever list the finder was given."""

    at: int
    reason: RejectReason
    detail: str


def shorten(detail: str) -> str:
    """`detail` within the limit: a hostile payload may put anything in there."""
    return detail if len(detail) <= DETAIL_LIMIT else detail[: DETAIL_LIMIT - 3] + "..."
