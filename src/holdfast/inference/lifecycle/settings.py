"""What may be set of a deployment's life, in node.yaml under its name. Durations are strings, as in `1h`."""

from typing import Literal

from msgspec import Struct, field

from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.scalars import Duration

HOUR_S = 3_600.0
DAY_S = 86_400.0


class LifeInvalid(HoldfastError):
    """A setting that can't be meant."""


class DriftSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How drift is watched.

    window_s:    the short window, and the step in which both are judged; must go into a season
    season_s:    the long window: whole days, so that nights are never compared with days
    learn:       seasons whose data is the reference where the card has none (and each hour's own, always), after one
                 in which the bins are laid
    settle:      seasons after those in which limits are still being tightened
    devices:     devices watched one by one, the first that come; the deployment as a whole is always
    least:       rows that a short window must have to be judged; a long one four times as many
    psi, ks:     smallest population stability index and distance that are alarmed, however steady a feature is
    false_alarms: allowed in a device's month, all features together; limits are set for it
    bad:         share of rows in a season that can't be scored (or are filled or uncertain) that is alarmed
    """

    window_s: Duration = field(default=HOUR_S, name="window")
    season_s: Duration = field(default=DAY_S, name="season")
    learn: int = 7
    settle: int = 21
    devices: int = 256
    least: int = 30
    psi: float = 0.2
    ks: float = 0.15
    false_alarms: float = 0.1
    bad: float = 0.2

    @property
    def panes(self) -> int:
        """Short windows in a season."""
        return round(self.season_s / self.window_s)

    def findings(self) -> list[str]:
        """What is wrong."""
        panes = self.season_s / self.window_s if self.window_s > 0 else 0.0
        wrong = [] if 2 <= panes <= 48 and panes == round(panes) else ["the window must go 2 to 48 times into a season"]
        wrong += [] if 2 <= self.learn <= 60 else ["learn: 2 to 60 seasons"]
        wrong += [] if 0 <= self.devices <= 10_000 else ["devices: 0 to 10,000"]
        wrong += [] if self.least >= 10 else ["least: at least 10 rows"]
        return wrong + ([] if 0 < self.false_alarms <= 10 else ["false_alarms: above 0, at most 10"])


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When a deployment falls back by itself; None = not for this.

    failures: share of rows that its model didn't answer, or answered with no number
    latency_s: 99 of 100 rows must be answered within it
    error:    error rate against labels (or mean absolute error of a regression), of the last labelled rows
    drift:    population stability index over a season of any feature, once it's alarmed
    for_s:    so long must it last; hold_s: after an automatic act none follows for so long, doubled each time it comes
              to nothing, up to a day
    to:       `former`: the version active before, and only without one the fallback chain; `chain`: always the chain
    abort:    take a canary back when it's shown to be worse
    """

    failures: float | None = 0.5
    latency_s: Duration | None = field(default=None, name="latency")
    error: float | None = None
    drift: float | None = None
    for_s: Duration = field(default=60.0, name="for")
    hold_s: Duration = field(default=HOUR_S, name="hold")
    to: Literal["former", "chain"] = "former"
    abort: bool = True
    least: int = 20


class LifeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """All of one deployment.

    salt:     another one deals other devices to canaries
    paired:   beside a canary the active version runs along on the canary's rows, so that both are judged by the same
    block_s:  rows of a device within it are one observation where versions are compared: neighbours say the same
    confidence: of verdicts, however often they're looked at
    least:    observations before a verdict is given
    recent:   predictions kept to be joined with labels that come late
    """

    drift: DriftSettings = DriftSettings()
    limits: LimitSettings = LimitSettings()
    salt: str = ""
    paired: bool = True
    block_s: Duration = field(default=600.0, name="block")
    confidence: float = 0.95
    least: int = 20
    recent: int = 100_000

    def require(self) -> None:
        """Refuse what can't be meant.

        Raises:
            LifeInvalid: with the first such setting.
        """
        if wrong := self.faults():
            raise LifeInvalid(wrong[0])

    def faults(self) -> list[str]:
        """What can't be meant."""
        wrong = self.drift.findings()
        wrong += [] if 0.5 < self.confidence < 1 else ["confidence: between 0.5 and 1"]
        wrong += [] if 1 <= self.recent <= 10_000_000 else ["recent: 1 to 10,000,000"]
        return wrong + ([] if self.block_s > 0 else ["block: above 0"])
