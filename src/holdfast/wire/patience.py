"""What whoever calls a parent asks first. A port, here because rooms on several floors call."""

from typing import Protocol


class Patience(Protocol):
    """When the parent may be called; `uplink.breaker.Breaker`. Times are CLOCK_MONOTONIC seconds."""

    quiet_until: float

    def may_call(self, now: float) -> bool:
        """May a call start now?"""
        ...

    def succeeded(self) -> None:
        """The parent answered."""
        ...

    def failed(self, now: float, asked_s: float = 0.0) -> None:
        """A call failed; `asked_s`: the pause that the parent asked for."""
        ...
