"""What an operator sees of the link."""

from dataclasses import dataclass

from holdfast.model.lane import Lane
from holdfast.uplink.pacing import LinkReport


@dataclass(frozen=True, slots=True)
class UplinkStatus:
    """The link as an operator sees it. Times are CLOCK_MONOTONIC seconds."""

    parent: str
    is_up: bool
    since: float
    trouble: str
    backlog: dict[Lane, int]
    link: LinkReport
    rows_sent: int
    batches_sent: int
    failures: int
    sent_bytes: int
    cpu_s: float = 0.0
