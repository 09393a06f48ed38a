"""Distributions as counts in bins, and how far one is from another. Vectorised over any leading axes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BINS = 12
"""Of every histogram here; unused ones are empty on both sides and count for nothing."""
FEW = 10
"""Up to so many different values each has a bin of its own."""
_SMOOTH = 0.5
"""Rows that every bin has beforehand (Jeffreys): an empty one isn't infinitely far away."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a column was in training, as the card has it.

    edges:  inner edges, ascending, one fewer than shares; or with both ends, one more
    shares: of rows by bin
    """

    edges: Sequence[float]
    shares: Sequence[float]

    def laid(self) -> tuple[Array, Array] | None:
        """Inner edges, shape (BINS - 1,), padded with infinity, and shares, shape (BINS,); None = it can't be used.

        More bins than there's room for are drawn together, the smallest neighbours first.
        """
        edges, shares = np.asarray(self.edges, float), np.asarray(self.shares, float)
        if len(edges) == len(shares) + 1:  # with both ends: the outermost bins take what is beyond
            edges = edges[1:-1]
        fits = len(shares) >= 2 and len(edges) == len(shares) - 1 and np.isfinite(edges).all()
        if not fits or (np.diff(edges) <= 0).any() or (shares < 0).any() or not np.isfinite(shares).all():
            return None
        if (total := shares.sum()) <= 0:
            return None
        while len(shares) > BINS:
            at = int(np.argmin(shares[:-1] + shares[1:]))
            shares = np.concatenate([shares[:at], [shares[at] + shares[at + 1]], shares[at + 2 :]])
            edges = np.delete(edges, at)
        return _padded(edges), np.pad(shares / total, (0, BINS - len(shares)))


def edges_of(sample: Array) -> Array:
    """Inner edges, shape (BINS - 1,), padded with infinity: quantiles of a sample, or around its few values."""
    sample = sample[np.isfinite(sample)]
    if not len(sample):
        return np.full(BINS - 1, np.inf)
    values = np.unique(sample)
    if len(values) <= FEW:
        apart = float(np.diff(values).min()) if len(values) > 1 else max(abs(float(values[0])), 1.0) * 2e-6
        inner = (values[1:] + values[:-1]) / 2
        return _padded(np.concatenate([[values[0] - apart / 2], inner, [values[-1] + apart / 2]]))
    return _padded(np.unique(np.quantile(sample, np.linspace(0, 1, BINS - 1)[1:-1])))


def _padded(edges: Array) -> Array:
    return np.pad(edges, (0, BINS - 1 - len(edges)), constant_values=np.inf)


def psi(counts: Array, reference: Array, *, smooth: float = _SMOOTH) -> Array:
    """Population stability index: sum of (p - q) ln(p / q) over the last axis (the symmetric Kullback-Leibler).

    Bins that are empty on both sides count for nothing. smooth: rows added to every other bin.
    """
    p, q = _shares(counts, reference, smooth)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where((p > 0) & (q > 0), (p - q) * np.log(p / q), 0.0)
    total: Array = parts.sum(-1)
    return total


def psi_by_chance(counts: Array, reference: Array) -> Array:
    """What `psi` is about where nothing differs and rows are independent: (bins - 1)(1/n + 1/m)."""
    used = ((counts > 0) | (reference > 0)).sum(-1)
    n, m = counts.sum(-1), reference.sum(-1)
    chance: Array = np.maximum(used - 1, 0) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    return chance


def ks(counts: Array, reference: Array) -> Array:
    """Kolmogorov-Smirnov's distance at the bins' edges: the largest difference of the cumulated shares."""
    n, m = (np.maximum(one.sum(-1, keepdims=True), 1) for one in (counts, reference))
    distance: Array = np.abs(np.cumsum(counts / n, -1) - np.cumsum(reference / m, -1)).max(-1)
    return distance


def chi2(counts: Array, reference: Array) -> tuple[float, int]:
    """Pearson's statistic of two rows of counts with one distribution, and its degrees of freedom."""
    both = np.stack([counts, reference]).astype(float)
    both = both[:, both.sum(0) > 0]
    if both.shape[1] < 2 or (both.sum(1) == 0).any():
        return 0.0, 0
    expected = both.sum(1, keepdims=True) * both.sum(0) / both.sum()
    return float(((both - expected) ** 2 / expected).sum()), both.shape[1] - 1


def _shares(counts: Array, reference: Array, smooth: float) -> tuple[Array, Array]:
    used = (counts > 0) | (reference > 0)
    sides = [np.where(used, one + smooth, 0.0) for one in (counts, reference)]
    p, q = (one / np.maximum(one.sum(-1, keepdims=True), 1e-300) for one in sides)
    return p, q
