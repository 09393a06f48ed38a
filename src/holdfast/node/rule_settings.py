"""What rules may use of a node."""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.clock import NS_PER_S
from holdfast.kernel.scalars import Duration, Percent
from holdfast.stream.engine import Limits


class RuleLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """`rule_limits:` in node.yaml: for rules that don't say it themselves (`limits:`)."""

    cpu: Percent = 0.5
    """Share of a core that a rule may use; one that needs more misses readings, which are counted."""
    keys: Annotated[int, Meta(ge=1)] = 100_000
    """Devices that a rule keeps apart; more are refused, and counted."""
    forget: Duration = 30 * 86_400.0
    """A device's windows are forgotten once it was silent for so long; an alert that is raised stays. 0 = never."""

    backtest: Duration = 300.0
    """How long one backtest that somebody asked the node for may take."""

    @property
    def limits(self) -> Limits:
        """For the engine."""
        return Limits(self.cpu, self.keys, round(self.forget * NS_PER_S))
