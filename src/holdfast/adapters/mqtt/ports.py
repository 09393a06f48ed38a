"""What the broker needs of a connection."""

from collections.abc import Sequence
from typing import Protocol

from holdfast.adapters.mqtt.reasons import Reason


class Link(Protocol):
    """A live connection. Nothing here blocks; bytes leave at the end of the loop's turn."""

    def send(self, frames: Sequence[bytes]) -> None:
        """Send packets, in order."""
        ...

    def recorded(self, pids: Sequence[bytes]) -> None:
        """QoS 2 messages are on disk: PUBREC those that came on this connection."""
        ...

    def completed(self, pids: Sequence[bytes], reason: Reason) -> None:
        """PUBCOMP these: the client may use the identifiers again."""
        ...

    def close(self, reason: Reason) -> None:
        """Tell an MQTT 5 client why, send what was pending, close. Closing twice is nothing."""
        ...


class NoReceipt:
    """The receipt of what nobody waits for: QoS 0, wills."""

    def settle(self) -> None:
        """Nobody waits."""

    def refuse(self) -> None:
        """Nobody can be told."""


NO_RECEIPT = NoReceipt()
