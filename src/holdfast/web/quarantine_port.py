"""What the web room needs of a node's quarantine."""

from typing import Protocol

from holdfast.intake.replay import Replayed, Verdict
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.records import QuarantineRow


class Refusals(Protocol):
    """`intake.replay.Quarantine`. All but `replay` block and are called on worker threads."""

    def page(self, wanted: QuarantineFilter, limit: int, before: int) -> list[QuarantineRow]:
        """Wanted messages with an id below `before`, newest first."""
        ...

    def message(self, number: int) -> QuarantineRow | None:
        """One message by its id."""
        ...

    def verdict(self, message: QuarantineRow) -> Verdict:
        """What the node's profiles say about it."""
        ...

    async def replay(self, wanted: QuarantineFilter, *, dry_run: bool) -> Replayed:
        """Store what decodes now; several calls wait for one another. A caller that goes away doesn't stop it."""
        ...
