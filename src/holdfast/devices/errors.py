"""What can go wrong about devices.

DeviceError
├── DeviceUnknown    caller: there's no device of that name here
├── DeviceNameTaken  caller: another device has that name, or had it
└── DeviceUnfit      caller: this can't be done with that device, or with that name
"""

from holdfast.kernel.errors import HoldfastError


class DeviceError(HoldfastError):
    """Something about a device."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        if hint:
            self.hint = hint


class DeviceUnknown(DeviceError):
    """No device of this node has that name."""

    hint = "`holdfast devices list` shows which there are"


class DeviceNameTaken(DeviceError):
    """The name is another device's."""


class DeviceUnfit(DeviceError):
    """It can't be done with this device."""
