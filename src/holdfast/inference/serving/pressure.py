"""Is a deployment inside its budget? A state with hysteresis. Pure.

Ratios are latencies in units of the budget: `foreseen` from what waits, `measured` from what was handed over or still
waits.

| state   | leaves it when                                                                            | to      |
|---------|-------------------------------------------------------------------------------------------|---------|
| ok      | foreseen or measured ≥ 0.8                                                                | pressed |
| pressed | all < 0.5 for `CALM` budgets, at least a second                                           | ok      |
| pressed | measured ≥ 1 for `HOLD` budgets without one below, and there is a fallback                | falling |
| falling | three probes in a row ≤ 0.5; they start a second apart, twice as far each time it falls   | pressed |

A probe is a batch that the model gets although its rows have a fallback. Falling again soon after having come back
doubles their distance (up to a minute): a load that the model can't carry isn't tried every second.
"""

from enum import StrEnum

PRESSED_AT = 0.8
CALM_AT = 0.5
CALM = 20.0
CALM_MIN_S = 1.0
HOLD = 2.0
HOLD_MIN_S = 0.05
PROBES = 3
PROBE_S = 1.0
PROBE_MAX_S = 60.0


class Budget(StrEnum):
    """How a budget stands."""

    OK = "ok"
    PRESSED = "pressed"
    FALLING = "fallback"


class Pressure:
    """One deployment's model against its budget."""

    def __init__(self, budget_s: float, *, can_fall: bool) -> None:
        self.state = Budget.OK
        self.budget_s, self.can_fall = budget_s, can_fall
        self._calm_since: float | None = None
        self._late_since: float | None = None
        self._late = 0
        self._good = 0
        self._apart = PROBE_S
        self._fell = 0.0
        self._probe_at = 0.0

    def settings(self, budget_s: float, *, can_fall: bool) -> None:
        """The deployment was changed."""
        self.budget_s, self.can_fall = budget_s, can_fall
        if self.state is Budget.FALLING and not can_fall:
            self.state = Budget.PRESSED

    def start_over(self) -> None:
        """The model was away, and is warm now."""
        self.state = Budget.OK
        self._calm_since, self._late_since, self._late = None, None, 0

    def foreseen(self, ratio: float, now: float) -> None:
        """What has just come will take so many budgets."""
        if self.state is Budget.OK and ratio >= PRESSED_AT:
            self._press()
        elif self.state is Budget.PRESSED:
            self._calm(ratio, now)

    def measured(self, ratio: float, now: float) -> None:
        """Rows took, or have waited for, so many budgets."""
        if self.state is Budget.FALLING:
            return
        if self.state is Budget.OK and ratio >= PRESSED_AT:
            self._press()
        if self.state is Budget.PRESSED:
            self._calm(ratio, now)
        if ratio < 1.0:
            self._late_since, self._late = None, 0
            return
        self._late += 1
        self._late_since = now if self._late_since is None else self._late_since
        if self.can_fall and self._late >= 3 and now - self._late_since >= max(HOLD * self.budget_s, HOLD_MIN_S):
            self._fall(now)

    def wants_probe(self, now: float) -> bool:
        """While falling back: is it time to try the model? Asking starts the next pause."""
        if self.state is not Budget.FALLING or now < self._probe_at:
            return False
        self._probe_at = now + self._apart
        return True

    def probed(self, ratio: float, now: float) -> None:
        """A probe took so many budgets."""
        if self.state is not Budget.FALLING:
            return
        self._good = self._good + 1 if ratio <= CALM_AT else 0
        self._probe_at = now + self._apart
        if self._good >= PROBES:
            self._press()

    def _press(self) -> None:
        self.state = Budget.PRESSED
        self._calm_since, self._late_since, self._late = None, None, 0

    def _calm(self, ratio: float, now: float) -> None:
        if ratio >= CALM_AT:
            self._calm_since = None
            return
        self._calm_since = now if self._calm_since is None else self._calm_since
        if now - self._calm_since >= max(CALM * self.budget_s, CALM_MIN_S):
            self.state = Budget.OK

    def _fall(self, now: float) -> None:
        again = self._fell and now - self._fell < 10 * PROBES * self._apart
        self._apart = min(self._apart * 2, PROBE_MAX_S) if again else PROBE_S
        self.state, self._fell, self._good = Budget.FALLING, now, 0
        self._probe_at = now + self._apart
