"""Is one better than another? Verdicts that may be looked at as often as one likes, and the classic tests beside them.

A classic p-value is right for one look at a sample whose size was fixed before. A running comparison is looked at all
the time, and the first "significant" moment comes sooner or later even where nothing differs. So verdicts rest on
confidence sequences: intervals that hold at every moment together with the stated probability (Robbins 1970; for
means asymptotically, with the Gaussian mixture's boundary, Waudby-Smith et al. 2021, arXiv:2103.06476), and on a test
martingale for paired signs (the beta mixture; Ville 1939). The price is a sample about twice as big.
"""

import math
from dataclasses import dataclass
from typing import Literal

from msgspec import Struct

from holdfast.inference.lifecycle.tails import binomial_two_sided, log_beta, normal_quantile, normal_sf, t_sf

Verdict = Literal["better", "worse", "no difference shown", "too few rows"]
_TIGHTEST_AT = 100
"""The boundary is tightest around so many observations."""


@dataclass(slots=True)
class Moments:
    """Observations as count, mean and sum of squared deviations (Welford; mergeable)."""

    n: float = 0.0
    mean: float = 0.0
    m2: float = 0.0

    def add(self, n: float, mean: float, m2: float = 0.0) -> None:
        """So many more, with their own mean and sum of squares."""
        total = self.n + n
        if total <= 0:
            return
        delta = mean - self.mean
        self.m2 += m2 + delta * delta * self.n * n / total
        self.mean += delta * n / total
        self.n = total

    @property
    def variance(self) -> float:
        """Of the sample; 0 of fewer than two."""
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0


class Difference(Struct, frozen=True):
    """New less old, with an interval that holds however often it's looked at.

    n:    observations (of the smaller side, where there are two)
    p:    of the classic test, right for a single look: `test` says which
    """

    verdict: Verdict
    difference: float
    low: float
    high: float
    n: int
    p: float
    test: str
    words: str


def half_width(n: float, variance: float, alpha: float) -> float:
    """Half of the asymptotic confidence sequence's width at n observations; infinite before there are two.

    sigma * sqrt((2 (n rho^2 + 1) / (n^2 rho^2)) * ln(sqrt(n rho^2 + 1) / alpha)), rho so that it's tightest at
    `_TIGHTEST_AT` (ibid., eq. 2 and B.2).
    """
    if n < 2:
        return math.inf
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / _TIGHTEST_AT
    grown = n * rho2 + 1
    return math.sqrt(variance * 2 * grown / (n * n * rho2) * math.log(math.sqrt(grown) / alpha))


def sign_evidence(ups: int, downs: int) -> float:
    """The evidence against "either sign is as likely": how much one would have won betting on it, fairly.

    It exceeds 1/alpha ever, at any moment, with a probability of at most alpha where there's nothing in it.
    """
    log = log_beta(1 + ups, 1 + downs) - log_beta(1, 1) + (ups + downs) * math.log(2.0)
    return math.exp(min(log, 700.0))


def paired(each: Moments, ups: int, downs: int, alpha: float, least: int, what: str) -> Difference:
    """Of differences observed on the same rows. ups: observations in which the new one erred more; downs: less.

    Better or worse where the confidence sequence leaves 0 out, or the signs say so: each has half of alpha.
    """
    half = half_width(each.n, each.variance, alpha / 2)
    low, high = each.mean - half, each.mean + half
    p = binomial_two_sided(ups, ups + downs)
    sure = sign_evidence(ups, downs) >= 2 / alpha
    verdict: Verdict = "no difference shown"
    if each.n < least:
        verdict = "too few rows"
    elif (low > 0 and each.variance > 0) or (sure and ups > downs and each.mean > 0):
        verdict = "worse"
    elif (high < 0 and each.variance > 0) or (sure and downs > ups and each.mean < 0):
        verdict = "better"
    words = _words(verdict, what, each.mean, low, high, int(each.n), least, 1 - alpha)
    return Difference(verdict, each.mean, _finite(low), _finite(high), int(each.n), p, "McNemar, exact", words)


def unpaired(new: Moments, old: Moments, alpha: float, least: int, what: str, *, shares: bool) -> Difference:
    """Of two groups of devices.

    shares: the observations are shares of rows, so that the classic test is of two proportions; else it's Welch's
    """
    difference = new.mean - old.mean
    half = half_width(new.n, new.variance, alpha / 2) + half_width(old.n, old.variance, alpha / 2)
    low, high = difference - half, difference + half
    n = int(min(new.n, old.n))
    test, p = ("two proportions", two_proportions(new, old)) if shares else ("Welch", welch(new, old))
    verdict: Verdict = "no difference shown"
    if n < least:
        verdict = "too few rows"
    elif low > 0 or high < 0:
        verdict = "worse" if low > 0 else "better"
    words = _words(verdict, what, difference, low, high, n, least, 1 - alpha)
    return Difference(verdict, difference, _finite(low), _finite(high), n, p, test, words)


def two_proportions(new: Moments, old: Moments) -> float:
    """Two-sided p of the pooled z-test of two shares; observations in [0, 1]."""
    if not new.n or not old.n:
        return 1.0
    pooled = (new.mean * new.n + old.mean * old.n) / (new.n + old.n)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / new.n + 1 / old.n)) if 0 < pooled < 1 else 0.0
    return 2 * normal_sf(abs(new.mean - old.mean) / spread) if spread > 0 else 1.0


def welch(new: Moments, old: Moments) -> float:
    """Two-sided p of Welch's t-test."""
    if new.n < 2 or old.n < 2:
        return 1.0
    a, b = new.variance / new.n, old.variance / old.n
    if a + b <= 0:
        return 1.0 if new.mean == old.mean else 0.0
    dof = (a + b) ** 2 / (a * a / (new.n - 1) + b * b / (old.n - 1))
    return min(1.0, 2 * t_sf(abs(new.mean - old.mean) / math.sqrt(a + b), dof))


def wilson(share: float, n: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share, for one look."""
    if n <= 0:
        return 0.0, 1.0
    z = normal_quantile((1 - confidence) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _words(
    verdict: Verdict, what: str, difference: float, low: float, high: float, n: int, least: int, sure: float
) -> str:
    if verdict == "too few rows":
        return f"{what}: {n:,} observations, {least:,} are needed before anything is said"
    told = f"{difference:+.4g} (from {low:+.4g} to {high:+.4g}, {sure:.0%} sure at every look)"
    ends = {
        "better": f"{what} is lower by the new one: {told}",
        "worse": f"{what} is higher by the new one: {told}",
        "no difference shown": f"{what} doesn't differ as far as {n:,} observations can tell: {told}",
    }
    return ends[verdict]


def _finite(x: float) -> float:
    return x if math.isfinite(x) else math.copysign(1e300, x)
