"""Distances, tails and tests, against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from holdfast.inference.lifecycle import tails
from holdfast.inference.lifecycle.drift.bins import BINS, Baseline, chi2, edges_of, ks, psi
from holdfast.inference.lifecycle.significance import (
    Moments,
    half_width,
    paired,
    sign_evidence,
    two_proportions,
    unpaired,
    welch,
    wilson,
)

COUNTS = st.lists(st.integers(0, 10_000), min_size=BINS, max_size=BINS)


@pytest.mark.parametrize("dof", [1, 2.5, 6, 30, 400])
@pytest.mark.parametrize("x", [0.01, 0.7, 3.0, 12.0, 40.0])
def test_tails_are_scipys(x: float, dof: float) -> None:
    assert tails.t_sf(x, dof) == pytest.approx(stats.t.sf(x, dof), rel=1e-8)
    assert tails.t_sf(-x, dof) == pytest.approx(stats.t.sf(-x, dof), rel=1e-8)
    assert tails.chi2_sf(x, dof) == pytest.approx(stats.chi2.sf(x, dof), rel=1e-7, abs=1e-14)
    assert tails.normal_sf(x / 5) == pytest.approx(stats.norm.sf(x / 5), rel=1e-9)
    for tail in (0.2, 1e-3, 1e-6):
        assert tails.t_quantile(tail, dof) == pytest.approx(stats.t.isf(tail, dof), rel=1e-6)
        assert tails.normal_quantile(tail) == pytest.approx(stats.norm.isf(tail), rel=1e-9)


@given(st.integers(1, 400), st.data())
def test_mcnemars_exact_p_is_the_binomial_tests(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert tails.binomial_two_sided(k, n) == pytest.approx(stats.binomtest(k, n).pvalue, rel=1e-7)


@pytest.mark.parametrize(("distance", "n"), [(0.05, 400), (0.1, 300), (0.2, 100), (0.01, 50)])
def test_the_smirnov_tail_is_scipys_asymptotic_one(distance: float, n: int) -> None:
    expected = stats.kstwobign.sf(distance * math.sqrt(n / 2))
    assert tails.ks_sf(distance, n, n) == pytest.approx(expected, abs=1e-9)


@given(COUNTS, COUNTS)
def test_psi_is_the_sum_of_both_relative_entropies(a: list[int], b: list[int]) -> None:
    p, q = np.array(a) + 1.0, np.array(b) + 1.0
    expected = stats.entropy(p, q) + stats.entropy(q, p)
    assert psi(p, q, smooth=0.0) == pytest.approx(expected, abs=1e-9)
    stacked = psi(np.stack([p, q, p]), np.stack([q, p, p]), smooth=0.0)
    assert stacked == pytest.approx([expected, expected, 0.0], abs=1e-9)


def test_ks_at_fine_edges_is_scipys_two_sample_distance() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, BINS, 500), rng.integers(0, BINS, 300) // 2
    counts = [np.bincount(one, minlength=BINS) for one in (a, b)]
    assert ks(counts[0], counts[1]) == pytest.approx(stats.ks_2samp(a, b).statistic)


@given(COUNTS, COUNTS)
def test_chi2_of_two_rows_is_scipys_contingency(a: list[int], b: list[int]) -> None:
    table = np.array([a, b])
    table = table[:, table.sum(0) > 0]
    found, dof = chi2(np.array(a), np.array(b))
    if table.shape[1] < 2 or (table.sum(1) == 0).any():
        assert dof == 0
        return
    expected = stats.chi2_contingency(table, correction=False)
    assert found == pytest.approx(expected.statistic)
    assert dof == expected.dof


def moments(values: np.ndarray) -> Moments:
    return Moments(len(values), float(values.mean()), float(((values - values.mean()) ** 2).sum()))


def test_welch_and_two_proportions_are_scipys() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 2, 80), rng.normal(1.4, 1, 50)
    assert welch(moments(a), moments(b)) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    x, y = (rng.random(400) < 0.3).astype(float), (rng.random(300) < 0.4).astype(float)
    table = [[x.sum(), 400 - x.sum()], [y.sum(), 300 - y.sum()]]
    expected = stats.chi2_contingency(table, correction=False).pvalue  # z squared
    assert two_proportions(moments(x), moments(y)) == pytest.approx(expected)
    interval = stats.binomtest(int(x.sum()), 400).proportion_ci(0.95, "wilson")
    assert wilson(float(x.mean()), 400, 0.95) == pytest.approx((interval.low, interval.high))


def test_moments_merge_as_if_they_had_been_one() -> None:
    values = np.random.default_rng(1).normal(5, 3, 100)
    both = moments(values[:30])
    rest = moments(values[30:])
    both.add(rest.n, rest.mean, rest.m2)
    assert both.mean == pytest.approx(values.mean())
    assert both.variance == pytest.approx(values.var(ddof=1))


def test_looking_at_every_step_errs_no_more_often_than_promised_where_a_plain_test_does() -> None:
    rng, runs, steps = np.random.default_rng(11), 400, 600
    n = np.arange(1, steps + 1)
    widths = np.array([half_width(float(k), 1.0, 0.05) for k in n])
    means = rng.standard_normal((runs, steps)).cumsum(1) / n
    late = slice(20, None)  # as `least`: asymptotic intervals ask for some observations first
    always = (np.abs(means) > widths)[:, late].any(1).mean()
    naive = (np.abs(means) > 1.96 / np.sqrt(n))[:, late].any(1).mean()
    assert always <= 0.05
    assert naive > 0.25
    ups = (rng.random((runs, steps)) < 0.5).cumsum(1)
    won = [any(sign_evidence(int(run[k]), int(k + 1 - run[k])) >= 20 for k in range(0, steps, 5)) for run in ups]
    assert np.mean(won) <= 0.05


def test_verdicts_are_said_in_words_and_wait_for_a_minimum() -> None:
    few = paired(Moments(5, 0.9, 0.1), 5, 0, 0.05, 20, "the error rate")
    assert few.verdict == "too few rows"
    assert "20 are needed" in few.words
    worse = paired(Moments(60, 0.5, 6.0), 50, 2, 0.05, 20, "the error rate")
    assert worse.verdict == "worse"
    assert worse.words.startswith("the error rate is higher by the new one: +0.5")
    assert worse.p == pytest.approx(stats.binomtest(2, 52).pvalue)
    assert paired(Moments(60, -0.5, 6.0), 2, 50, 0.05, 20, "x").verdict == "better"
    assert paired(Moments(60, 0.0, 6.0), 20, 21, 0.05, 20, "x").verdict == "no difference shown"
    assert paired(Moments(60, 0.0, 0.0), 0, 0, 0.05, 20, "x").verdict == "no difference shown"
    apart = unpaired(Moments(200, 0.4, 40.0), Moments(300, 0.1, 27.0), 0.05, 20, "x", shares=True)
    assert (apart.verdict, apart.test) == ("worse", "two proportions")
    assert apart.low < 0.3 < apart.high


def test_bins_are_quantiles_or_lie_around_a_few_values() -> None:
    values = np.random.default_rng(2).normal(0, 1, 5_000)
    counts = np.bincount(np.searchsorted(edges_of(values), values, "right"), minlength=BINS)
    assert counts[: BINS - 2].min() > 300
    on_off = edges_of(np.array([0.0, 1.0] * 30))
    assert np.searchsorted(on_off, [-1.0, 0.0, 1.0, 2.0], "right").tolist() == [0, 1, 2, 3]
    constant = edges_of(np.full(50, 7.0))
    assert np.searchsorted(constant, [6.9, 7.0, 7.1], "right").tolist() == [0, 1, 2]
    assert np.isinf(edges_of(np.full(9, np.nan))).all()


@pytest.mark.parametrize(
    ("edges", "shares", "bins"),
    [
        ([1.0, 2.0], [0.2, 0.5, 0.3], 3),
        ([0.0, 1.0, 2.0, 3.0], [0.2, 0.5, 0.3], 3),
        (list(range(1, 40)), [1 / 40] * 40, BINS),
    ],
)
def test_a_cards_baseline_is_taken_with_inner_edges_or_with_both_ends(
    edges: list[float], shares: list[float], bins: int
) -> None:
    laid = Baseline(edges, shares).laid()
    assert laid is not None
    assert np.isfinite(laid[0]).sum() == bins - 1
    assert laid[1].sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("edges", "shares"),
    [([2.0, 1.0], [0.2, 0.5, 0.3]), ([1.0], [0.2, 0.5, 0.3]), ([1.0, 2.0], [0.0, 0.0, 0.0]), ([], []),
     ([1.0, math.nan], [0.2, 0.5, 0.3]), ([1.0, 2.0], [-0.2, 0.5, 0.3])],
)  # fmt: skip
def test_a_baseline_that_makes_no_sense_is_left_out(edges: list[float], shares: list[float]) -> None:
    assert Baseline(edges, shares).laid() is None
