"""Approximate percentiles: how far off they are, exact while few, the same however samples came."""

import numpy as np
import pytest
from numpy.typing import NDArray

from holdfast.stream.aggregates import digests
from holdfast.stream.aggregates.digests import CENTROIDS, WAITING

Sheet = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
SHARES = [0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0]


def blank(count: int) -> Sheet:
    means, waiting = np.full((count, CENTROIDS), np.nan), np.full((count, WAITING), np.nan)
    return means, np.zeros((count, CENTROIDS)), waiting, np.zeros(count)


def put(sheet: Sheet, at: NDArray[np.intp], value: NDArray[np.float64]) -> None:
    means, weights, waiting, n = sheet
    digests.add(means, weights, waiting, n, at, value)
    np.add.at(n, at, 1.0)


def ask(sheet: Sheet, owner: NDArray[np.intp], values: list[NDArray[np.float64]], share: float) -> NDArray[np.float64]:
    ends = np.array([v.min() for v in values]), np.array([v.max() for v in values])
    return digests.quantile(*sheet[:3], owner, ends, share)


def samples(kind: str, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    match kind:
        case "normal":
            return rng.normal(20, 5, count)
        case "cauchy":
            return rng.standard_cauchy(count)
        case "pareto":
            return rng.pareto(0.7, count) * 1e3
        case "sorted":
            return np.sort(rng.exponential(1.0, count))
        case "two heaps":
            return np.where(rng.random(count) < 0.5, rng.normal(0, 1e-3, count), rng.normal(1e6, 1.0, count))
    return rng.integers(0, 4, count).astype(float)


@pytest.mark.parametrize("kind", ["normal", "cauchy", "pareto", "sorted", "two heaps", "few values"])
@pytest.mark.parametrize("panes", [1, 10])
def test_the_rank_is_off_by_no_more_than_is_stated(kind: str, panes: int) -> None:
    rng = np.random.default_rng(5)
    values = samples(kind, rng, 40_000)
    sheet = blank(panes)
    for part, at in zip(np.split(values, 80), np.split(rng.integers(0, panes, len(values)), 80), strict=True):
        put(sheet, at, part)
    ordered = np.sort(values)
    for share in SHARES:
        found = float(ask(sheet, np.zeros(panes, np.intp), [values], share)[0])
        low, high = np.searchsorted(ordered, found, "left"), np.searchsorted(ordered, found, "right")
        off = max(low / len(values) - share, share - high / len(values), 0.0)
        assert off <= np.pi / CENTROIDS * np.sqrt(share * (1 - share)) + 2 / len(values), share


def test_few_samples_are_exact_and_the_extremes_always_are() -> None:
    values = np.random.default_rng(1).standard_cauchy(WAITING - 1)
    sheet = blank(1)
    put(sheet, np.zeros(len(values), np.intp), values)
    for share in SHARES:
        assert ask(sheet, np.zeros(1, np.intp), [values], share)[0] == pytest.approx(np.quantile(values, share))
    many = np.random.default_rng(1).standard_cauchy(5_000)
    sheet = blank(1)
    put(sheet, np.zeros(len(many), np.intp), many)
    assert ask(sheet, np.zeros(1, np.intp), [many], 0.0)[0] == many.min()
    assert ask(sheet, np.zeros(1, np.intp), [many], 1.0)[0] == many.max()


def test_digests_depend_on_the_order_of_samples_alone_not_on_batches_or_neighbours() -> None:
    rng = np.random.default_rng(2)
    at, values = rng.integers(0, 7, 6_000), rng.pareto(1.0, 6_000)
    whole, split, alone = blank(7), blank(7), blank(1)
    put(whole, at, values)
    for part in np.split(np.arange(6_000), np.sort(rng.integers(0, 6_000, 200))):
        if len(part):
            put(split, at[part], values[part])
    put(alone, np.zeros(int((at == 3).sum()), np.intp), values[at == 3])
    for a, b, c in zip(whole, split, alone, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
        assert np.array_equal(a[3:4], c, equal_nan=True)
    assert whole[1].sum() + np.isfinite(whole[2]).sum() == 6_000


def test_windows_that_share_digests_are_asked_at_once_and_empty_ones_are_unknown() -> None:
    rng = np.random.default_rng(4)
    parts = [rng.normal(i, 1, 50) for i in range(3)]
    sheet = blank(4)
    for i, part in enumerate(parts):
        put(sheet, np.full(50, i), part)
    places = np.array([0, 1, 1, 2, 3])
    picked = (sheet[0][places], sheet[1][places], sheet[2][places], sheet[3])
    windows = [np.concatenate(parts[:2]), np.concatenate(parts[1:]), np.array([np.nan])]
    found = ask(picked, np.array([0, 0, 1, 1, 2]), windows, 0.5)
    assert found[:2] == pytest.approx([np.median(w) for w in windows[:2]])
    assert np.isnan(found[2])


def test_infinite_samples_stay_at_the_ends() -> None:
    values = np.concatenate((np.full(100, np.inf), np.full(100, -np.inf), np.zeros(300)))
    sheet = blank(1)
    with np.errstate(invalid="ignore"):
        put(sheet, np.zeros(500, np.intp), values)
        assert ask(sheet, np.zeros(1, np.intp), [values], 0.5)[0] == 0.0
