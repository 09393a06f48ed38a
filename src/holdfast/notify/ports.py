"""What the notify room needs of others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from holdfast.journal.alert_labels import Labelled
from holdfast.journal.alerts import Alert
from holdfast.journal.transaction import Transaction
from holdfast.notify.messages import Message


class Words(Protocol):
    """A rule's own message: `stream.templates.Template`."""

    def render(self, values: Mapping[str, object]) -> str:
        """The text with its places filled."""
        ...


class RuleNotice(Protocol):
    """What a rule does to have people told: `stream.notifying.CompiledNotice`. One of channel and escalation."""

    @property
    def channel(self) -> str:
        """Tell here; empty = it's an escalation."""
        ...

    @property
    def escalation(self) -> str:
        """Begin this."""
        ...

    @property
    def kinds(self) -> frozenset[str]:
        """Of the events told."""
        ...

    @property
    def message(self) -> Words | None:
        """In the rule's own words; None = the event's."""
        ...


RuleNotices = Callable[[str], Sequence[RuleNotice]]
"""What the rule of a name does, as it is now."""
RuleText = Callable[[str], tuple[str, str]]
"""A rule's version and text (JSON) as it is now; empty where it isn't known. Any thread."""
Acknowledged = Callable[[Alert], None]
"""Called when somebody has acknowledged an alert, after the commit."""
Also = Callable[[Transaction], None]
"""What is written in the same commit, all or nothing."""
OnLabel = Callable[[Labelled], None]
"""Called with every label made here, after the commit and until its `known` says that it was understood."""


def nothing(_tx: Transaction) -> None:
    """Nothing else is written."""


class Way(Protocol):
    """One way to the outside, used by its channel's task only."""

    kind: str
    where: str
    """For people: nothing secret."""

    async def tell(self, message: Message) -> str:
        """Have it told; returns what is odd about it, empty = nothing.

        Raises:
            TellingFailed: try this message again later.
            TellingRefused: this message won't be taken, others may be.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
