"""What can go wrong with a question about the past.

HistoryError
└── QueryInvalid    caller: the question can't be answered as asked; says what's allowed
"""

from holdfast.kernel.errors import HoldfastError


class HistoryError(HoldfastError):
    """Something about a question to the past."""


class QueryInvalid(HistoryError):
    """The question can't be answered as asked."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint
