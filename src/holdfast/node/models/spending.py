"""Feature sets that cost much: told once, with what to do, until they cost less again."""

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from holdfast.stream.language.featuring import line_name
from holdfast.telemetry.happenings import Happening, Level

DEAR, CHEAP = 0.25, 0.2
"""Shares of a core: a set that takes more is told of; of one that takes less it's over."""
EVERY_S = 10.0
PATIENCE = 3
"""Looks in a row at which it's so: a burst is no news."""
HINT = (
    "let messages gather (`intake: {decide_within: 10ms}`), send less often, choose fewer devices (`from`), or a set "
    "with fewer detectors and shorter windows"
)


class FeaturesDear(Happening, frozen=True):
    """A deployment's features take more than a quarter of a core: other readings wait meanwhile."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "model_features_dear"
    deployment: str
    share: float
    hint: str


class FeaturesCheap(Happening, frozen=True):
    """They don't any more."""

    deployment: str
    share: float


class Spending:
    """Watches what the features of deployments cost. Pure: time is an argument."""

    def __init__(
        self, shares: Callable[[Iterable[str]], Mapping[str, float]], emit: Callable[[Happening], None]
    ) -> None:
        """shares: by names of rules the share of a core that each took in the last 10 s or so."""
        self._shares, self._emit = shares, emit
        self._looked = float("-inf")
        self._over: dict[str, int] = {}
        self._dear: dict[str, float] = {}

    def look(self, deployments: Iterable[str], now: float) -> None:
        """Call it about once a second. now: s, from anywhere."""
        if now - self._looked < EVERY_S:
            return
        self._looked = now
        names = {one: line_name(one) for one in deployments}
        found = self._shares(names.values())
        for one, name in names.items():
            self._judge(one, found.get(name, 0.0))

    def _judge(self, deployment: str, share: float) -> None:
        if deployment in self._dear:
            self._dear[deployment] = share
            if share < CHEAP:
                del self._dear[deployment]
                self._over[deployment] = 0
                self._emit(FeaturesCheap(deployment, round(share, 3)))
            return
        self._over[deployment] = self._over.get(deployment, 0) + 1 if share > DEAR else 0
        if self._over[deployment] >= PATIENCE:
            self._dear[deployment] = share
            self._emit(FeaturesDear(deployment, round(share, 3), HINT))

    def words(self, deployment: str) -> str:
        """What is to be known of a deployment's costs; empty for nothing."""
        share = self._dear.get(deployment)
        if share is None:
            return ""
        return f"its features take {share:.0%} of a core, and other readings wait meanwhile: {HINT}"
