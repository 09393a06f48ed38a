"""Where this node stands with its parent: what it has, what it may know, and the ledger's account of it. Pure."""

from dataclasses import dataclass, field, replace

from holdfast.journal.parent import Account
from holdfast.journal.records import Bound
from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.uplink.naming import Trust
from holdfast.uplink.offers import Encoded
from holdfast.wire.messages import BatchReply, Welcome


@dataclass(slots=True)
class Standing:
    """As last told. The rest comes with the first welcome.

    bounds: where the parent is, with the chain there: the group that ends there may have been dropped since
    safe:   what the parent has safely, by lane
    """

    trust: Trust
    account: Account
    bounds: dict[Lane, Bound] = field(default_factory=dict)
    safe: dict[Lane, int] = field(default_factory=dict)

    @property
    def takes_any_kind(self) -> bool:
        """Does the parent take events that it doesn't know? As last told; True before it was ever met."""
        return self.account.any_kind or not self.account.parent

    def welcomed(self, welcome: Welcome) -> None:
        """The parent told the truth about what it has."""
        same = welcome.takes_region(self.trust.region)
        region = welcome.region_lane if same else None
        self.trust = replace(self.trust, same_region=same, knows_again=welcome.knows_again, any_kind=welcome.any_kind)
        self.bounds = {lane: Bound(mark.wm, mark.chain) for lane, mark in zip(OPEN_LANES, welcome.marks, strict=True)}
        self.safe = dict(zip(OPEN_LANES, welcome.safe, strict=True))
        # A region lane that is closed (again) stays where it was.
        start, gap_rows = self.account.start[Lane.REGION :], self.account.gap_rows[Lane.REGION :]
        if region is not None:
            self.bounds[Lane.REGION] = Bound(region.mark.wm, region.mark.chain)
            self.safe[Lane.REGION] = region.safe
            start, gap_rows = (region.start, 0), (region.gap_rows, 0)
        self.account = Account(
            welcome.parent,
            welcome.branch,
            welcome.start + start,
            welcome.gap_rows + gap_rows,
            same_region=same,
            any_kind=welcome.any_kind,
        )

    def applied(self, lane: Lane, encoded: Encoded) -> None:
        """The parent took a batch."""
        self.bounds[lane] = encoded.end
        self.account = self.account.with_gaps(lane, encoded.gap_rows)

    def made_safe(self, lane: Lane, reply: BatchReply) -> None:
        """The parent has so much safely."""
        self.safe |= dict(zip(OPEN_LANES, reply.safe, strict=False))
        if lane is Lane.REGION:
            self.safe[lane] = reply.region_safe
