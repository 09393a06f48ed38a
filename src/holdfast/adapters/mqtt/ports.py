"""What the broker needs of a connection, and a connection of its socket and of the inbox."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from holdfast.adapters.mqtt.reasons import Reason

if TYPE_CHECKING:
    from holdfast.adapters.mqtt.connection import Connection


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


class Wire(Protocol):
    """What a connection may do to its socket. Bytes leave at the end of the loop's turn."""

    def write(self, frames: Sequence[bytes]) -> None:
        """Add packets to what leaves next."""
        ...

    def acknowledge(self, pids: list[bytes]) -> None:
        """Add PUBACKs to what leaves next."""
        ...

    def hang_up(self) -> None:
        """Send what was written, then close."""
        ...

    def hold(self, *, on: bool) -> None:
        """Stop reading, or read on."""
        ...


class Gate(Protocol):
    """The way into the inbox, shared by all connections."""

    @property
    def full(self) -> bool:
        """Nothing more may be offered now."""
        ...

    def shut(self) -> None:
        """The inbox said it is full."""
        ...

    def noted(self, connection: "Connection", reason: Reason, detail: str) -> None:
        """A client was turned away or broke the protocol: for the log."""
        ...


class NoReceipt:
    """The receipt of what nobody waits for: QoS 0, wills."""

    def settle(self) -> None:
        """Nobody waits."""

    def refuse(self) -> None:
        """Nobody can be told."""


NO_RECEIPT = NoReceipt()
