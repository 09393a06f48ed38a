"""Raw vibration in rules: levels, spectra and bearings over windows of samples, run by the engine."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stream.vibration.machines import impacts, noise

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rowops.speeds import apart, together
from holdfast.stream.vibration import levels, spectra
from holdfast.stream.vibration.bearings import bearing
from holdfast.stream.vibration.naming import diagnose

RATE, RPM, T0 = 12_000, 1797.0, 1_800_000_000_000_000_000
ORDERS = bearing("6205")
BEARING = ", ".join(
    f"bearing_{what}(x, 12000, {{rpm}}, '6205') as {what}" for what in ("fault", "hz", "expected_hz", "times")
)


def inner_race(seconds: float = 1.0, seed: int = 1) -> np.ndarray:
    rng, n = np.random.default_rng(seed), round(seconds * RATE)
    struck = 2 * impacts(rng, n, RATE, RPM / 60, ORDERS, "inner race") + noise(rng, n)
    return struck.astype(np.float32).astype(np.float64)


class Machine:
    """An engine with one rule, and a device that sends x and rpm."""

    def __init__(self, folder: Path, select: str, **keys: str) -> None:
        more = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in keys.items())
        self.path = folder / "rules.yaml"
        self.path.write_text(
            f"rules:\n  r:\n    select: {json.dumps(select)}\n{more}    do: [{{publish: x, on: result}}]\n",
            encoding="utf-8",
        )
        self.catalogue = Catalogue()
        self.start()

    def start(self) -> None:
        """With nothing remembered."""
        self.engine = Engine(load_rules([self.path]), self.catalogue, "site")

    def feed(self, ts: np.ndarray, metric: str, values: np.ndarray) -> list[dict[str, Any]]:
        """The results."""
        series = self.catalogue.intern(Series("site", "m", metric, "", Kind.FLOAT))
        n = len(values)
        found = self.engine.evaluate(Batch(np.full(n, series, np.int32), ts, values, np.zeros(n, np.uint8)))
        return [json.loads(payload)["values"] for _, payload in found.published]

    def at(self, rpm: float, after_s: float = 0.0) -> None:
        self.feed(np.array([T0 + round(after_s * 1e9)]), "rpm", np.array([rpm]))


def times(n: int, rate: float = RATE) -> np.ndarray:
    return np.asarray(T0 + np.rint(np.arange(n) * 1e9 / rate).astype(np.int64))


@pytest.mark.parametrize("window", ["count 12000", "tumbling 1s", "session 100ms max 900ms", "hopping 1s every 500ms"])
def test_a_fault_is_named_with_its_frequency_in_any_window_of_a_second(tmp_path: Path, window: str) -> None:
    machine = Machine(tmp_path, BEARING.format(rpm="1797"), window=window)
    x = inner_race(2.1)
    (first, *_) = [one for one in machine.feed(times(len(x)), "x", x) if one["hz"] is not None]
    assert first["fault"] == "inner race"
    assert first["expected_hz"] == pytest.approx(ORDERS.inner * RPM / 60)
    assert first["hz"] == pytest.approx(first["expected_hz"], rel=0.02)
    assert first["times"] > 10


def test_levels_and_bands_are_those_of_the_windows_samples(tmp_path: Path) -> None:
    select = (
        "rms(x) as rms, kurtosis(x) as kurtosis, skewness(x) as skewness, crest_factor(x) as crest, "
        "band_power(x, 12000, 2000, 5000) as power, velocity_rms(x, 12000, 10, 1000) as velocity"
    )
    x = inner_race()
    (found,) = Machine(tmp_path, select, window="count 12000").feed(times(RATE), "x", x)
    assert found == pytest.approx(
        {
            "rms": levels.rms(x),
            "kurtosis": levels.kurtosis(x),
            "skewness": levels.skewness(x),
            "crest": levels.crest_factor(x),
            "power": spectra.band_power(x, RATE, 2000, 5000),
            "velocity": spectra.velocity_rms(x, RATE, 10, 1000),
        }
    )


def test_the_speed_may_be_another_series_as_last_known_and_in_its_own_unit(tmp_path: Path) -> None:
    keys = {"window": "tumbling 1s", "where": "fresh(x)"}
    x = inner_race(1.1)
    plain = diagnose(x[:RATE], RATE, float(np.float32(RPM)) / 60, ORDERS)
    assert plain is not None
    for rpm, told in (("rpm", RPM), ("turning * 60", RPM / 60), ("rpm 'rpm'", RPM)):
        machine = Machine(tmp_path, BEARING.format(rpm=rpm), **keys)
        machine.feed(np.array([T0 - 10_000_000_000]), rpm.split(" ")[0], np.array([told]))
        (found,) = machine.feed(times(len(x)), "x", x)
        assert (found["fault"], found["hz"]) == ("inner race", pytest.approx(plain.hz))


def test_without_a_speed_or_at_one_that_changes_a_fault_cannot_be_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, BEARING.format(rpm="rpm"), window="tumbling 1s", where="fresh(x)")
    x = inner_race(3.1)
    ts = times(len(x))
    (unknown,) = machine.feed(ts[:13_000], "x", x[:13_000])
    machine.at(RPM, 1.5)
    machine.feed(ts[13_000:20_000], "x", x[13_000:20_000])
    machine.at(RPM * 1.03, 1.9)
    (changing,) = machine.feed(ts[20_000:24_500], "x", x[20_000:24_500])
    assert unknown == changing == {"fault": None, "hz": None, "expected_hz": None, "times": None}
    assert machine.feed(ts[24_500:], "x", x[24_500:])[0]["fault"] is not None  # one speed again, if another


def test_samples_that_are_missing_leave_spectra_unknown_and_levels_known(tmp_path: Path) -> None:
    select = BEARING.format(rpm="1797") + ", band_power(x, 12000, 10, 1000) as power, rms(x) as rms"
    ts, x = times(13_200), inner_race(1.1)
    kept = np.ones(len(x), np.bool_)
    kept[6000:7200] = False  # a message of a tenth of a second
    (found,) = Machine(tmp_path, select, window="count 12000").feed(ts[kept], "x", x[kept])
    assert found["fault"] is found["power"] is None
    assert found["rms"] == pytest.approx(levels.rms(x[kept]))


def test_blocks_that_come_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    machine = Machine(tmp_path, BEARING.format(rpm="1797"), window="count 12000")
    x, ts = inner_race(), times(RATE)
    order = np.r_[0:2400, 3600:4800, 2400:3600, 4800:12000]
    (found,) = machine.feed(ts[order], "x", x[order])
    plain = diagnose(x, RATE, RPM / 60, ORDERS)
    assert plain is not None
    assert (found["fault"], found["hz"], found["times"]) == (plain.fault, plain.hz, plain.times)


def test_nothing_stands_out_of_noise_and_nothing_is_said_of_too_little(tmp_path: Path) -> None:
    machine = Machine(tmp_path, BEARING.format(rpm="1797"), window="count 12000", when="fault <> 'none'")
    assert machine.feed(times(RATE), "x", noise(np.random.default_rng(3), RATE)) == [
        {"fault": "none", "hz": None, "expected_hz": None, "times": None}
    ]
    short = Machine(tmp_path, BEARING.format(rpm="1797"), window="count 1200")
    assert short.feed(times(1200), "x", inner_race(0.1))[0]["fault"] is None


@given(cuts=st.lists(st.integers(1, 14_399), max_size=5), restart=st.integers(0, 5))
def test_any_batches_and_any_restart_give_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], restart: int
) -> None:
    machine = Machine(
        tmp_path_factory.mktemp("r"),
        BEARING.format(rpm="rpm") + ", kurtosis(x) as k",
        window="count 12000",
        where="fresh(x)",
    )
    machine.at(RPM, -1.0)
    x, ts = inner_race(1.2), times(14_400)
    found = list[dict[str, Any]]()
    for i, (lo, hi) in enumerate(zip([0, *sorted(cuts)], [*sorted(cuts), 14_400], strict=True)):
        if i == restart:
            kept = machine.engine.snapshot()
            machine.start()
            assert machine.engine.restore(kept)
        found += machine.feed(ts[lo:hi], "x", x[lo:hi])
    plain = diagnose(x[:RATE], RATE, float(np.float32(RPM)) / 60, ORDERS)
    assert plain is not None
    (one,) = found
    assert (one["fault"], one["hz"], one["times"]) == (plain.fault, plain.hz, plain.times)
    assert one["k"] == levels.kurtosis(x[:RATE])


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.floats(width=32, allow_infinity=True),
)
def test_a_sample_and_its_speed_come_apart_as_they_were_put_together(samples: list[float], speed: float) -> None:
    pairs = together(np.array(samples), np.full(len(samples), speed))
    assert not np.isnan(pairs).any()
    sample, speeds = apart(pairs)
    assert sample.tolist() == samples
    assert all(s == speed or (math.isnan(s) and math.isnan(speed)) for s in speeds.tolist())


def test_what_no_float32_holds_is_no_sample() -> None:
    assert np.isnan(together(np.array([math.nan, math.inf, 1e300, -1e39]), np.ones(4))).all()


@pytest.mark.parametrize(
    ("select", "told"),
    [
        ("bearing_fault(x, 12000, 1797) as f", "write `bearing_fault(x, rate_hz, rpm, '6205')`"),
        ("bearing_fault(x, 12000, 1797, '6999') as f", "a bearing is a name (6205"),
        ("bearing_fault(x, 12000, 1797, 6205) as f", "a bearing is a name (6205"),
        ("bearing_fault(x, rate, 1797, '6205') as f", "rate_hz is how many samples"),
        ("bearing_fault(x, 0, 1797, '6205') as f", "rate_hz is how many samples"),
        ("bearing_fault(x, 12000, -5, '6205') as f", "rpm is the shaft's speed"),
        ("bearing_hz(text(x), 12000, 1797, '6205') as f", "bearing_hz of a text"),
        ("bearing_hz(x, 12000, text(mode), '6205') as f", "that is text"),
        ("band_power(x, 12000, 10) as f", "write `band_power(x, rate_hz, low_hz, high_hz)`"),
        ("band_power(x, 12000, 100, 10) as f", "at most half of rate_hz: 6000"),
        ("velocity_rms(x, 12000, 10, 7000) as f", "at most half of rate_hz: 6000"),
        ("kurtosis(x, 2) as f", "kurtosis takes one column"),
    ],
)
def test_what_is_written_wrong_is_told_with_how_it_is_written(tmp_path: Path, select: str, told: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Machine(tmp_path, select, window="count 100")
    assert any(told in problem.message for problem in refused.value.problems), refused.value


@pytest.mark.parametrize("window", ["none", "sliding 100 samples", "sliding 1s"])
def test_a_spectrum_at_every_sample_is_refused_with_windows_that_do(tmp_path: Path, window: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        Machine(tmp_path, BEARING.format(rpm="1797"), window=window)
    assert all("`tumbling 1s`" in problem.message for problem in refused.value.problems)
