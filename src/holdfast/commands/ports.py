"""What commands need of the world."""

from collections.abc import Callable
from typing import Protocol

from holdfast.model.command import Command
from holdfast.wire.commands import CommandPoll, Orders


class DeviceLink(Protocol):
    """One protocol's way to devices. Loop thread only; never blocks.

    A link hands over what it's given and reports: `heard` when the device's end has it. The answer goes to
    `CommandService.answered`, whenever it comes, also in a later life of the process. The same command may be given
    again under its id: after a restart, and while nobody has said that the device has it.
    """

    def takes(self, address: str) -> bool:
        """Is the device that calls itself so this link's, connected or not?"""
        ...

    def hand(self, command: Command, address: str, left_s: float, heard: Callable[[], None]) -> bool:
        """Hand a command over; False = the device can't be reached now, and is tried again.

        address: what the device calls itself; `command.device` may be another name of it
        left_s: until the deadline; after it the link must not send it any more

        Raises:
            Undeliverable: when trying again is of no use.
        """
        ...


class ParentCommands(Protocol):
    """The parent, as the one who commands."""

    async def commands(self, poll: CommandPoll) -> Orders:
        """Say what was taken, and wait for more.

        Raises:
            LinkDown: no answer came.
            LinkRefused: an answer that is not the protocol's.
        """
        ...
