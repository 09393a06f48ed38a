"""When a deployment falls back by itself, and when it tries again. No flapping: each act is followed by a pause.

Told of counts, asked on every tick. A limit that has been passed for as long as the settings say trips: to the version
that was active before, or where there's none (or it's no better) to the chain of fallbacks. A version that was rolled
back stays so until a person promotes it. From the chain the active version is tried again after a pause; fails it
again, the pause is twice as long, up to a day.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

from holdfast.inference.lifecycle.settings import LimitSettings
from holdfast.kernel.clock import NS_PER_S

SLICES = 30
"""Of the time that is looked back on."""
LOOK_BACK_S = 300.0
LONGEST_HOLD_S = 86_400.0
_LATE_SHARE = 0.01
Act = Literal["former", "chain", "return"]


@dataclass(frozen=True, slots=True)
class Trip:
    """What is to be done, and why: limit by name, what it was, what it may be."""

    act: Act
    limit: str
    value: float
    allowed: float
    why: str


@dataclass(slots=True)
class Guard:
    """Of one deployment."""

    settings: LimitSettings
    fallen: bool = False
    """The chain answers."""
    hold_ns: int = 0
    """Nothing is done by itself before then."""
    pause_s: float = 0.0
    _slices: list[list[float]] = field(default_factory=list)
    _since: dict[str, int] = field(default_factory=dict)

    def count(self, now_ns: int, rows: int, failed: int, late: int) -> None:
        """Rows that the active version was asked about lately."""
        number = now_ns // round(LOOK_BACK_S / SLICES * NS_PER_S)
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0, 0])
        last = self._slices[-1]
        last[1] += rows
        last[2] += failed
        last[3] += late
        while self._slices and self._slices[0][0] <= number - SLICES:
            self._slices.pop(0)

    def forget(self) -> None:
        """Another version acts."""
        self._slices.clear()
        self._since.clear()

    def tick(self, now_ns: int, error: tuple[float, int], drift: float, former: str) -> Trip | None:
        """What is to be done now. error: of late, and of how many labelled rows; drift: the largest alarmed PSI.

        former: the version that could act instead; empty = none.
        """
        trip = self._passed(now_ns, error, drift)
        if self.fallen:
            return self._back(now_ns, trip)
        if trip is None or now_ns < self.hold_ns:
            if trip is None and self.pause_s and now_ns >= self.hold_ns + round(self.settings.hold_s * NS_PER_S):
                self.pause_s = 0.0  # it went well for a while
            return None
        act: Act = "former" if former and self.settings.to == "former" and not self.pause_s else "chain"
        self._hold(now_ns)
        self.fallen = act == "chain"
        self.forget()
        return Trip(act, trip.limit, trip.value, trip.allowed, trip.why)

    def _back(self, now_ns: int, trip: Trip | None) -> Trip | None:
        if now_ns < self.hold_ns or (trip is not None and trip.limit == "drift"):
            return None
        self.fallen, self.hold_ns = False, now_ns
        self.forget()
        return Trip("return", "", 0.0, 0.0, "the pause is over: the active version is tried again")

    def _hold(self, now_ns: int) -> None:
        self.pause_s = min(LONGEST_HOLD_S, max(self.settings.hold_s, 2 * self.pause_s))
        self.hold_ns = now_ns + round(self.pause_s * NS_PER_S)

    def _passed(self, now_ns: int, error: tuple[float, int], drift: float) -> Trip | None:
        """The first limit that has been passed for long enough."""
        limits, found = self.settings, None
        edge = now_ns // round(LOOK_BACK_S / SLICES * NS_PER_S) - SLICES
        recent = [one for one in self._slices if one[0] > edge]
        rows, failed, late = (sum(one[at] for one in recent) for at in (1, 2, 3))
        enough = rows >= limits.least
        measured = (
            ("failures", failed / rows if enough else 0.0, limits.failures, "{:.0%} of its rows aren't answered"),
            (
                "latency",
                late / rows if enough else 0.0,
                None if limits.latency_s is None else _LATE_SHARE,
                "{:.1%} of its answers come too late",
            ),
            (
                "error",
                error[0] if error[1] >= limits.least else 0.0,
                limits.error,
                "its error against labels is {:.3g}",
            ),
            ("drift", drift, limits.drift, "an input or its predictions drifted to a PSI of {:.3g}"),
        )
        for name, value, allowed, words in measured:
            if allowed is None or math.isnan(value) or not value > allowed:
                self._since.pop(name, None)
                continue
            since = self._since.setdefault(name, now_ns)
            if found is None and now_ns - since >= limits.for_s * NS_PER_S:
                found = Trip("chain", name, value, allowed, words.format(value) + f", allowed is {allowed:g}")
        return found

    def keep(self) -> dict[str, float]:
        """For a snapshot: a restart is no way around a pause."""
        return {"fallen": float(self.fallen), "hold_ns": float(self.hold_ns), "pause_s": self.pause_s}

    def restore(self, kept: dict[str, float]) -> None:
        """From a snapshot."""
        self.fallen, self.hold_ns, self.pause_s = bool(kept["fallen"]), int(kept["hold_ns"]), kept["pause_s"]
