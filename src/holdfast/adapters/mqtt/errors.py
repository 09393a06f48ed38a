"""Errors of the MQTT server.

HoldfastError
└── MqttError
    ├── ProtocolFault   a client broke the protocol: its connection is closed, nothing else suffers
    ├── ListenFailed    the operator must free or change the address
    └── UsersUnusable   the operator must mend the users file
"""

from pathlib import Path

from holdfast.adapters.mqtt.reasons import Reason
from holdfast.kernel.errors import HoldfastError


class MqttError(HoldfastError):
    """The root of this room's errors."""


class ProtocolFault(MqttError):
    """Bytes that break MQTT; `reason` is what MQTT 5 calls it."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class ListenFailed(MqttError):
    """The listening address can't be used."""

    def __init__(self, listen: str, cause: str, hint: str) -> None:
        self.listen = listen
        self.hint = hint
        super().__init__(f"MQTT can't listen on {listen}: {cause}. {hint}")


class UsersUnusable(MqttError):
    """The users file can't be used."""

    hint = "Mend it, or make it anew with `holdfast mqtt user add`"

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(f"{path}: {cause}. {self.hint}")
