"""Errors of the broker client.

HoldfastError
└── BrokerError         the client tries again
    ├── BrokerUnreachable   no connection, or it was lost
    ├── BrokerRefused       the broker said no; the hint says what to change
    └── BrokerFaulted       what came isn't MQTT as agreed
"""

from holdfast.kernel.errors import HoldfastError


class BrokerError(HoldfastError):
    """The root of this room's errors."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(f"{sentence}. {hint}" if hint else sentence)
        self.hint = hint


class BrokerUnreachable(BrokerError):
    """There is no connection, or it was lost."""


class BrokerRefused(BrokerError):
    """The broker answered, and the answer was no. code: MQTT 5's reason (§2.4)."""

    def __init__(self, sentence: str, hint: str = "", code: int = 0x80) -> None:
        super().__init__(sentence, hint)
        self.sentence, self.code = sentence, code


class BrokerFaulted(BrokerError):
    """The broker sent bytes that aren't MQTT as agreed."""
