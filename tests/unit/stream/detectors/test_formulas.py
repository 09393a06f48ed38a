"""Detectors beside plain references: the papers' formulas, one reading at a time."""

import cmath
import math

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.adwin import Adwin
from holdfast.stream.detectors.baselines import Baseline
from holdfast.stream.detectors.bocpd import Bocpd, log_density
from holdfast.stream.detectors.discord import WINDOWS, place_of
from holdfast.stream.detectors.forest import DEPTH, NODES, STRETCH, TREES, Forest, grown
from holdfast.stream.detectors.ports import Scope
from holdfast.stream.detectors.spectral import RING, saliency
from holdfast.stream.detectors.tails import Tail
from holdfast.stream.state import State

Floats = NDArray[np.float64]
ONE = np.zeros(1, int)


def student(x: float, df: float, mean: float, variance: float) -> float:
    """Log density of Student's t with a location and a squared scale."""
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi * variance)
    return constant - (df + 1) / 2 * math.log1p((x - mean) ** 2 / (df * variance))


def test_a_runs_prediction_is_students_t() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        x, mean = rng.normal(size=2) * 5
        kappa, alpha, beta = rng.uniform(0.01, 50), rng.uniform(1, 100), rng.uniform(0.01, 50)
        got = float(log_density(*(np.array([v]) for v in (x, mean, kappa, alpha, beta)))[0])
        assert math.isclose(got, student(x, 2 * alpha, mean, beta * (kappa + 1) / (alpha * kappa)), abs_tol=1e-7)


def test_bocpd_without_outliers_is_adams_and_mackays_posterior_while_every_run_is_kept() -> None:
    values = np.concatenate([np.random.default_rng(2).normal(size=45), np.random.default_rng(3).normal(6, 2, 15)])
    hazard = 1 / 50
    state, twin = State(), State()
    detector, baseline = Bocpd(Scope(state), 50.0, 0.0), Baseline(Scope(twin))
    state.grow(1)
    twin.grow(1)
    runs: list[tuple[int, float, list[float], float, float]] = []  # start, weight, its readings, prior mean and beta
    for n, value in enumerate(values, start=1):
        detector.update(ONE, np.array([n]), np.array([value]))
        usual = baseline.take(ONE, np.array([value]))
        if n <= 30:
            continue
        x = float(usual.x[0])
        runs = [(start, w * (1 - hazard), past, m, b) for start, w, past, m, b in runs]
        runs.append((n, hazard if runs else 1.0, [], float(usual.mean[0]), float(usual.noise[0]) ** 2))
        weighed = []
        for start, w, past, m0, b0 in runs:
            k0, a0, many = 0.05, 1.0, len(past)
            mean = sum(past) / many if many else 0.0
            k, m, a = k0 + many, (k0 * m0 + many * mean) / (k0 + many), a0 + many / 2
            b = b0 + sum((p - mean) ** 2 for p in past) / 2 + k0 * many * (mean - m0) ** 2 / (2 * (k0 + many))
            weighed.append((start, w * math.exp(student(x, 2 * a, m, b * (k + 1) / (a * k))), [*past, x], m0, b0))
        total = sum(w for _, w, *_ in weighed)
        runs = [(start, w / total, past, m, b) for start, w, past, m, b in weighed]
    got = dict(zip(state["run_start"][0], state["run_weight"][0], strict=True))
    kept = sum(got[start] for start, *_ in runs)
    assert len(runs) == 30
    assert all(math.isclose(got[start] / kept, w, rel_tol=1e-5, abs_tol=1e-12) for start, w, *_ in runs)
    assert max(runs, key=lambda run: run[1])[0] in range(45, 48)


def adwin_width(values: Floats, delta: float) -> int:
    """The window that theorem 3.2's bound leaves, every cut of the plain list tried."""
    window: list[float] = []
    for value in values:
        window.append(float(value))
        while len(window) >= 10:
            n, deviation = len(window), float(np.std(window))
            chance = math.log(2 * math.log(n) / delta)
            for i in range(5, n - 4):
                apart = abs(float(np.mean(window[:i])) - float(np.mean(window[i:])))
                h = 1 / i + 1 / (n - i)
                if apart > deviation * (math.sqrt(2 * h * chance) + 2 * 2 / 3 * h * chance):
                    window.pop(0)
                    break
            else:
                break
    return len(window)


def test_adwin_keeps_the_window_of_the_papers_bound_to_within_a_bucket() -> None:
    rng = np.random.default_rng(4)
    for shift in (0.0, 2.0, 5.0):
        values = np.concatenate([rng.normal(size=150), rng.normal(shift, 1, 100)])
        state = State()
        detector = Adwin(Scope(state), 0.002, alike=False)
        state.grow(1)
        for value in values:
            detector.update(ONE, ONE, np.array([value]))
        exact, got = adwin_width(values, 0.002), float(detector.width(ONE)[0])
        assert abs(got - exact) <= 32, (shift, exact, got)  # buckets as large as this are dropped whole


def test_adwins_buckets_hold_the_windows_mean_and_variance() -> None:
    values = np.random.default_rng(5).normal(3, 2, 1000)
    state = State()
    detector = Adwin(Scope(state), 1e-9, alike=False)
    state.grow(1)
    for value in values:
        detector.update(ONE, ONE, np.array([value]))
    assert detector.width(ONE)[0] == 1000
    assert math.isclose(state["sum"][0].sum(), (values - values[0]).sum(), rel_tol=1e-9)
    assert math.isclose(_square_of(state), ((values - values.mean()) ** 2).sum(), rel_tol=1e-9)


def _square_of(state: State) -> float:
    """The window's sum of squares about its mean, from its buckets'."""
    sizes = np.repeat(2.0 ** np.arange(11), 6)
    held = (np.arange(6) < state["count"][0][:, None]).ravel()
    sums, mean = state["sum"][0][held], state["sum"][0].sum() / 1000
    between = ((sums / sizes[held] - mean) ** 2 * sizes[held]).sum()
    return float(state["square"][0].sum() + between)


def test_a_saliency_is_the_papers_by_plain_fourier_sums() -> None:
    window = np.random.default_rng(6).normal(size=RING)
    window[-1] = 7
    last = len(window) - 1
    slope = sum((window[last - 1] - window[last - 1 - i]) / i for i in range(1, 6)) / 5
    full = [*window, *([window[last - 5] + 5 * slope] * 5)]
    n = len(full)
    spectrum = [sum(x * cmath.exp(-2j * math.pi * f * t / n) for t, x in enumerate(full)) for f in range(n)]
    logs = [math.log(abs(s) + 1e-2) for s in spectrum]
    residual = [logs[f] - (logs[f - 1] + logs[f] + logs[(f + 1) % n]) / 3 for f in range(n)]
    parts = [math.exp(r) * s / (abs(s) + 1e-2) for r, s in zip(residual, spectrum, strict=True)]
    back = [abs(sum(p * cmath.exp(2j * math.pi * f * t / n) for f, p in enumerate(parts))) / n for t in range(n)]
    expected = (back[last] / (sum(back[last - 21 : last]) / 21)) ** 2
    assert math.isclose(float(saliency(window[None])[0]), expected, rel_tol=1e-6)


def test_the_tail_alarms_about_as_often_as_it_was_told_of_exponential_numbers() -> None:
    state = State()
    tail = Tail(Scope(state), one_in=1000.0, least=1e-9)
    state.grow(100)
    slots, rng = np.arange(100), np.random.default_rng(7)
    alarms = 0
    for n in range(6000):
        numbers = rng.exponential(3.0, 100)
        if n >= 1000:
            alarms += int((tail.score(slots, numbers) >= 0.5).sum())
        tail.learn(slots, numbers)
    assert 150 <= alarms <= 600  # 500 of 500,000, and fewer as it is cautious
    rising = tail.score(np.zeros(50, int), np.linspace(0, 100, 50))
    assert (np.diff(rising) > 0).all()


def test_every_tree_halves_its_space_and_a_readings_mass_is_counted_on_its_whole_path() -> None:
    which, threshold = grown(2)
    assert which.shape == threshold.shape == (TREES, 2**DEPTH - 1)
    assert set(which.ravel()) == {0, 1}
    assert len({tuple(row) for row in threshold}) == TREES
    state = State()
    forest = Forest(Scope(state), ["value"], 1000.0)
    state.grow(1)
    for value in np.random.default_rng(8).normal(size=STRETCH):
        forest.update(ONE, ONE, np.array([value]))
    mass = state["mass"][0].reshape(TREES, NODES).astype(int)
    assert (mass[:, 0] == STRETCH).all()
    inner = np.arange(2**DEPTH - 1)
    assert np.array_equal(mass[:, inner], mass[:, 2 * inner + 1] + mass[:, 2 * inner + 2])
    assert not state["next_mass"].any()


def test_the_sample_of_windows_keeps_new_ones_and_some_from_long_ago() -> None:
    last = np.full(WINDOWS, -1)
    for n in range(5000):
        last[place_of(np.array([n]))[0]] = n
    ages = 5000 - last
    assert (np.sort(ages)[:21] <= 30).all()
    assert ages.max() >= 600
