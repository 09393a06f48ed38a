"""What the API refuses, as an error with its HTTP status.

WebError
└── Refused    caller: the request can't be served as it stands; becomes JSON {error, hint}
"""

from holdfast.kernel.errors import HoldfastError


class AnswerCut(Exception):  # no HoldfastError: no handler may answer any more
    """An answer had begun when its work failed; the caller was told why, and the connection must be cut."""


class WebError(HoldfastError):
    """Something about a request."""


class Refused(WebError):
    """The request can't be served. retry_after_s: when to ask again, None = asking again won't help."""

    def __init__(self, status: int, sentence: str, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.status, self.hint, self.retry_after_s = status, hint, retry_after_s
