"""A model's post: its role in a deployment, with the budget, the counts and what's told of it."""

from dataclasses import dataclass

from holdfast.inference.serving.lanes import Lane
from holdfast.inference.serving.lasts import Lasts
from holdfast.inference.serving.latencies import Latencies
from holdfast.inference.serving.ports import Deployment
from holdfast.inference.serving.pressure import Budget, Pressure
from holdfast.inference.serving.shares import Shares
from holdfast.model.predictions import How, Role


@dataclass(slots=True)
class Counts:
    """Rows, since the start.

    offered:    came; each of them is one of the following, or waits
    scored:     told with what the post's own model says
    fallen:     told with what a fallback says, by `How`
    unusable:   not to be scored, and nothing was told of them
    skipped:    passed over for a newer one of their device, or for want of room; nothing was told of them
    unanswered: no fallback had anything to say
    nan:        the model said nothing finite; they're in `fallen` or `unanswered`, too
    late:       told after the budget
    """

    offered: int = 0
    scored: int = 0
    smaller: int = 0
    rule: int = 0
    last: int = 0
    unusable: int = 0
    skipped: int = 0
    unanswered: int = 0
    nan: int = 0
    late: int = 0

    def told(self, how: How, n: int) -> None:
        """So many were told, by this."""
        match how:
            case How.SMALLER:
                self.smaller += n
            case How.RULE:
                self.rule += n
            case How.LAST:
                self.last += n
            case How.MODEL | How.PARENT:
                self.scored += n

    @property
    def settled(self) -> int:
        """Rows that nobody owes anything."""
        told = self.scored + self.smaller + self.rule + self.last
        return told + self.unusable + self.skipped + self.unanswered


class Post:
    """A role of a deployment with the model that has it."""

    def __init__(self, deployment: Deployment, role: Role, lane: Lane, lasts: Lasts, window_s: float) -> None:
        self.role, self.lane, self.lasts = role, lane, lasts
        self.deployment = deployment
        self.counts = Counts()
        self.latencies = Latencies(window_s)
        self.shares = Shares()
        self.pressure = Pressure(deployment.budget_s, can_fall=bool(deployment.fallback))
        self.seen = 0.0
        """When rows came last (monotonic, s)."""
        self.told_state = Budget.OK
        lane.posts.append(self)

    @property
    def key(self) -> tuple[str, Role, str]:
        """Deployment, role, model's key."""
        return self.deployment.name, self.role, self.lane.key

    @property
    def budget_s(self) -> float:
        """Its latency budget."""
        return self.deployment.budget_s

    @property
    def acts(self) -> bool:
        """Does anything hang on what it says?"""
        return self.role != "shadow"

    def change(self, deployment: Deployment, lane: Lane) -> None:
        """Its deployment's settings were changed, or its model was loaded anew."""
        if deployment is not self.deployment:
            self.deployment = deployment
            self.pressure.settings(deployment.budget_s, can_fall=bool(deployment.fallback))
        if lane is not self.lane:
            self.leave()
            self.lane = lane
            lane.posts.append(self)

    def leave(self) -> None:
        """It has no model any more; rows on their way are still told."""
        if self in self.lane.posts:
            self.lane.posts.remove(self)
