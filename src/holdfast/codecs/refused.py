"""How a parser says no: an exception that never leaves this room (the reader makes a `Rejection` of it)."""

from typing import NoReturn

from holdfast.codecs.reject import RejectReason, shorten


class Refused(Exception):
    """A payload that isn't taken, and why."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        self.reason, self.detail = reason, shorten(detail)
        super().__init__(self.detail)


def malformed(detail: str) -> NoReturn:
    """Refuse what can't be parsed.

    Raises:
        Refused: always.
    """
    raise Refused(RejectReason.MALFORMED, detail)


def wrong(detail: str) -> NoReturn:
    """Refuse what has another type than the profile says.

    Raises:
        Refused: always.
    """
    raise Refused(RejectReason.WRONG_TYPE, detail)
