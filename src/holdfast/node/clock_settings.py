"""What an operator may turn about the clock."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import Duration


class ClockSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`clock:` in node.yaml."""

    step: Duration = 1.0
    """A smaller disagreement between wall clock and boot time is no step."""
    settle: Duration = 3600.0
    """How long after a boot a clock that nobody confirms may turn out to have been wrong."""
    floor: Annotated[datetime, Meta(tz=True)] | None = None
    """Before this time the clock is unset for sure; never earlier than the program itself."""
    restamp: bool = True
    """Move rows to the right time once the clock is set; until then nothing is sent to the parent."""
    restamp_rows: int = 2_000_000
    """A lane with more rows waiting than that is not moved; an event says so."""

    @property
    def floor_ns(self) -> int:
        """`floor` as ns UTC, 0 without one."""
        return 0 if self.floor is None else round(self.floor.timestamp()) * NS_PER_S
