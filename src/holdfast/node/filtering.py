"""A node's filter, where it has one: readings stay here, summaries of them go up."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from holdfast.journal.journal import Journal
from holdfast.model.lane import Lane
from holdfast.node.residency import policy_of
from holdfast.node.settings import NodePlan
from holdfast.node.timekeeper import Timekeeper
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.filtering.rules import SendPolicy
from holdfast.uplink.filtering.service import Filter
from holdfast.uplink.service import UplinkService


class Filtering:
    """The filter of a plan. Without entries, what an earlier one kept is brought to its end."""

    def __init__(
        self,
        plan: NodePlan,
        journal: Journal,
        timekeeper: Timekeeper,
        telemetry: Telemetry,
        is_result: Callable[[str], bool],
    ) -> None:
        """From here on series are asked whether their readings stay. is_result: does a rule store this metric?"""
        self.service: Filter | None = None
        parent = plan.settings.parent
        if parent is None or not (parent.send or journal.head(Lane.LOCAL)):
            return
        policy = SendPolicy(parent.send, journal.node, policy_of(plan).stay, is_result)
        if parent.send:
            journal.catalogue.keep_by(policy.is_local)
        self.service = Filter(policy, journal, timekeeper.clock, telemetry, timekeeper.may_sync)

    def tasks(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run."""
        return [] if self.service is None else [("filter", self.service.run())]

    async def drain(self) -> None:
        """Bring what is committed where it belongs."""
        if self.service is not None:
            await self.service.drain()

    def offered(self, uplink: UplinkService | None) -> Callable[[], Mapping[Lane, int] | None]:
        """How far rows are on their way or summed up, so that their times stand; None = not known just now."""

        def tell() -> Mapping[Lane, int] | None:
            found = {} if uplink is None else uplink.offered()
            return found if found is None or self.service is None else {**found, **self.service.offered}

        return tell
