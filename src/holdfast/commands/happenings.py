"""What commands tell the log and the metrics. How many ended and how is counted in the journal: `commands_ended`."""

from typing import Literal

from holdfast.telemetry.happenings import Happening, Level


class CommandEnded(Happening, frozen=True):
    """A command is over."""

    id: str
    device: str
    name: str
    origin: str
    state: str
    detail: str


class CommandTurnedAway(Happening, frozen=True):
    """A command of a rule or a local client wasn't taken."""

    level = Level.WARNING
    metric = "commands_turned_away"
    origin: str
    device: str
    detail: str
    reason: Literal["invalid", "conflict", "crowded", "busy"]


class CommandByOldName(Happening, frozen=True):
    """A rule names a device as it was called before; it was commanded all the same. Write the new name there."""

    level = Level.WARNING
    metric = "commands_by_old_names"
    origin: str
    device: str
    name: str


class CommandAnswerUnused(Happening, frozen=True):
    """A device answered what isn't open here, or in a way that can't be read."""

    level = Level.WARNING
    metric = "command_answers_unused"
    device: str
    id: str
    reason: Literal["unknown", "malformed", "ended"]


class CommandLinkLost(Happening, frozen=True):
    """The parent can't be asked for commands."""

    level = Level.WARNING
    metric = "command_link_losses"
    detail: str


class CommandLinkRestored(Happening, frozen=True):
    """The parent can be asked again."""
