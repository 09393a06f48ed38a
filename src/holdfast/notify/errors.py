"""What can go wrong between an alert and a person.

NotifyError
├── TellingFailed     world: the other end isn't there, or says "later"; the same message is tried again
├── TellingRefused    world or operator: it won't take this very message; others may pass
├── AlertUnknown      caller: there is no such alert
├── AlertOver         caller: it's cleared, so there's nothing to acknowledge
├── SilenceUnknown    caller: there is no such silence, or it's over
├── MaintenanceUnknown  caller: there is no such maintenance window, or it's over
├── ChannelUnknown    caller: node.yaml has no such channel
├── RequestInvalid    caller: what was asked makes no sense; says what to write
└── NotifyBusy        node: the journal takes no writes now
"""

from holdfast.kernel.errors import HoldfastError


class NotifyError(HoldfastError):
    """Something the notify room can name."""


class TellingFailed(NotifyError):
    """Nobody was told, or that isn't known. pause_s: what the other end asked for, 0 = nothing."""

    def __init__(self, sentence: str, hint: str = "", pause_s: float = 0.0) -> None:
        super().__init__(sentence)
        self.hint, self.pause_s = hint, pause_s


class TellingRefused(NotifyError):
    """The other end won't take this message."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class AlertUnknown(NotifyError):
    """There is no alert with this number."""

    hint = "`holdfast alerts list` shows those that are open"


class AlertOver(NotifyError):
    """The alert is cleared."""

    hint = "nothing is left to acknowledge; `holdfast alerts list --all` shows what became of it"


class SilenceUnknown(NotifyError):
    """There is no silence with this number, or it's over."""

    hint = "`holdfast alerts silences` shows those that last"


class MaintenanceUnknown(NotifyError):
    """There is no maintenance window with this number, or it's over."""

    hint = "`holdfast alerts maintenance list` shows those that are planned"


class ChannelUnknown(NotifyError):
    """There is no channel of this name."""

    hint = "`channels:` in node.yaml names them; `holdfast channels list` shows them"


class RequestInvalid(NotifyError):
    """What was asked makes no sense."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class NotifyBusy(NotifyError):
    """The journal takes no writes now."""

    hint = "`holdfast status` says why; try again in a moment"
