"""Errors of this room; what they mean to the frame is `adapters.errors`.

HoldfastError
└── AdapterError
    ├── DeviceUnreachable
    │   └── CoapUnreachable   no answer, no way to ask, or a port that can't be had (world: tried again)
    ├── DeviceFaulted
    │   └── CoapFaulted       the device answers what can't be read (peer)
    └── CoapRefused           the device answers 4.xx or 5.xx (operator, or the device)
"""

from holdfast.adapters.errors import AdapterError, DeviceFaulted, DeviceUnreachable


class CoapUnreachable(DeviceUnreachable):
    """There is no answer, or no way to ask."""


class CoapFaulted(DeviceFaulted):
    """An answer that isn't what was agreed."""


class CoapRefused(AdapterError):
    """An error code. code: as text, such as `4.04`."""

    def __init__(self, sentence: str, hint: str = "", code: str = "") -> None:
        super().__init__(sentence, hint)
        self.code = code
