"""What can go wrong between an adapter and a device.

HoldfastError
└── AdapterError
    ├── DeviceUnreachable   world: no answer; nothing was done, and trying again may help
    ├── DeviceFaulted       the device answered, and the answer can't be used
    ├── WriteRefused        the device, or its map, won't have it: trying again is of no use
    ├── WriteFailed         it was tried, and the device doesn't show it
    └── ExtraMissing        this installation lacks the library of a protocol
"""

from holdfast.kernel.errors import HoldfastError


class AdapterError(HoldfastError):
    """The root of this room's errors."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(f"{sentence}. {hint}" if hint else sentence)
        self.hint = hint


class DeviceUnreachable(AdapterError):
    """There was no answer."""


class DeviceFaulted(AdapterError):
    """The answer can't be used."""


class WriteRefused(AdapterError):
    """The device says no, or there's no such point that may be written."""


class WriteFailed(AdapterError):
    """It was written, and what is read back is something else, or nothing. The device may have done it."""


class ExtraMissing(AdapterError):
    """A library isn't installed."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"`{kind}` needs an extra", f"pip install 'holdfast[{kind}]'")
