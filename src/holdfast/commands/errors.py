"""What can go wrong between those who ask and a device.

CommandError
├── CommandInvalid      caller: a name, parameter or deadline that can't be
├── CommandConflicts    caller: another command was taken under this id
├── DeviceRenamed       caller: the device is called otherwise now
├── CommandsCrowded     world: too many wait; ask again when some have ended
├── CommandsBusy        world: the journal takes no writes now; ask again
├── NodeUnknown         caller: the device's node is neither this one nor below it
└── Undeliverable       adapter: there is no way to this device, and waiting won't make one
"""

from holdfast.kernel.errors import HoldfastError


class CommandError(HoldfastError):
    """Something about a command."""


class CommandInvalid(CommandError):
    """It can't be taken as it stands."""

    hint = "see docs/reference/http-api.md, Commands"


class CommandConflicts(CommandError):
    """Under this id there's another command."""

    hint = "an id names one command for ever: give another one its own id"


class DeviceRenamed(CommandError):
    """The name is one that the device had."""

    def __init__(self, device: str, name: str) -> None:
        super().__init__(f"{device} is called {name} now")
        self.hint = f"command it by that name: {name}"


class CommandsCrowded(CommandError):
    """Too many are open. is_total: of all devices together."""

    hint = "wait until some have ended, or raise `commands.per_device` or `commands.total` in node.yaml"

    def __init__(self, sentence: str, *, is_total: bool) -> None:
        super().__init__(sentence)
        self.is_total = is_total


class CommandsBusy(CommandError):
    """Nothing can be stored right now."""

    hint = "send it again with the same id in a moment"


class NodeUnknown(CommandError):
    """No such node is below this one."""

    hint = "name this node, or one that syncs to it: `holdfast status` lists its children"


class Undeliverable(CommandError):
    """Nothing leads to the device."""

    hint = "see which adapters this node runs in node.yaml"
