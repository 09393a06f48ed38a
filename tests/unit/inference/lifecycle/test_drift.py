"""Drift: found where it was planted, within a stated time, and not where there's none."""

import numpy as np
import pytest
from tests.unit.inference.lifecycle.plant import (
    DAY,
    MINUTE_NS,
    PROCESSES,
    START,
    Process,
    alarms,
    clean,
    remembering,
    run,
)
from tests.unit.inference.lifecycle.site import A, B, Pumps

from holdfast.inference.lifecycle.drift.bins import Baseline
from holdfast.inference.lifecycle.drift.errors import Chart, ErrorWatch
from holdfast.inference.lifecycle.drift.monitor import Monitor
from holdfast.inference.lifecycle.settings import DriftSettings, LifeSettings

FAST = (Process("10 min", 10, 0), Process("independent, days", 0, 1.5))
NAMES = tuple(one.name for one in FAST)


def test_clean_data_with_memory_days_and_weeks_alarms_less_than_once_in_a_series_month() -> None:
    values = clean(np.random.default_rng(7), 4, 32)
    _, found = run(values, tuple(one.name for one in PROCESSES))
    months = 5 * (32 - 8) / 30  # the deployment as a whole is a series, too
    assert len([one for one in found if one[1].state == "raised"]) / months < 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_clean_data_of_many_devices_and_months_alarms_less_than_once_in_a_series_month() -> None:
    raised, months = 0, 0.0
    for seed in range(4):
        values = clean(np.random.default_rng(100 + seed), 20, 120)
        _, found = run(values, tuple(one.name for one in PROCESSES))
        raised += len([one for one in found if one[1].state == "raised"])
        months += 21 * (120 - 8) / 30
    assert raised / months < 0.5


@pytest.mark.parametrize(
    ("what", "within_h"),
    [("offset 1", 36), ("offset 3", 18), ("twice the scale", 36), ("stuck", 18), ("ramp 0.25 a day", 24 * 6)],
)
def test_a_planted_sensor_drift_is_alarmed_for_its_device_within_the_stated_time(what: str, within_h: int) -> None:
    values = clean(np.random.default_rng(3), 2, 29, FAST)
    since = 22 * DAY
    drifted = values[since:, 0]
    kind, *size = what.split()
    match kind:
        case "offset":
            drifted += float(size[0])
        case "twice":
            drifted *= 2
        case "stuck":
            drifted[:] = drifted[0]
        case "ramp":
            drifted += (0.25 * np.arange(len(drifted)) / DAY)[:, None]
    _, found = run(values, NAMES)
    for name in NAMES:
        days = [day for day, one in alarms(found, "d0") if one.feature == name]
        assert days, name
        assert 0 <= (min(days) - 22) * 24 + 1 <= within_h, (name, days)
    one = alarms(found, "d0")[0][1]
    assert (one.kind, one.deployment, one.node, one.value > one.limit) == ("drift", "pump", "gw", True)
    assert one.message.startswith(f"d0: {one.feature} isn't distributed as it was")
    assert alarms(found, "d1") == []


def test_an_alarm_is_over_once_the_sensor_is_mended() -> None:
    values = clean(np.random.default_rng(3), 2, 22, FAST[:1])
    values[16 * DAY : 18 * DAY, 0] += 3
    _, found = run(values, NAMES[:1])
    states = [one.state for _, one in found if one.device == "d0"]
    assert states == ["raised", "cleared"]


def test_a_card_baseline_is_what_the_deployment_is_compared_with() -> None:
    random = np.random.default_rng(2)
    edges, shares = [-1.0, 0.0, 1.0], [0.16, 0.34, 0.34, 0.16]
    settings = DriftSettings(learn=2)

    def watched(offset: float) -> list[str]:
        monitor = Monitor(
            "pump", [("x", 1)], 0, settings, {"x": Baseline(edges, shares)}, lambda seat: ("gw", f"d{seat}"), random
        )
        found = []
        for hour in range(24 * 12):
            x = random.normal(offset, 1, (60, 1))
            ts = START + (60 * hour + np.arange(60)) * MINUTE_NS
            monitor.saw(np.zeros(60, np.int32), ts, x, np.zeros(60, np.uint8), int(ts[-1]))
            found += monitor.tick(int(ts[-1]) + 12 * MINUTE_NS)
        assert monitor.inputs.distance[1, 0, 0, 0] ** 2 == pytest.approx(offset**2, rel=0.5, abs=0.01)
        return [one.device for one in found]

    assert watched(0.0) == []


def test_nights_are_not_compared_with_days() -> None:
    values = clean(np.random.default_rng(8), 2, 16, (Process("swing", 0, 8.0),))
    monitor, found = run(values, ("swing",))
    assert alarms(found) == []
    assert np.nanmax(monitor.inputs.distance) < 0.3


def test_a_changed_relation_is_alarmed_within_seven_labelled_hours() -> None:
    watch, random, hour = ErrorWatch(60 * MINUTE_NS), np.random.default_rng(2), 60 * MINUTE_NS
    seat, changed = np.repeat(np.arange(5, dtype=np.int32), 60), list[tuple[int, int, bool]]()
    for at in range(100):
        ts = START + at * hour + np.tile(np.arange(60), 5) * MINUTE_NS
        share = 0.05 if at < 80 else 0.95  # what was right is wrong
        watch.add(seat, ts, (random.random(300) < share).astype(float), START + at * hour)
        changed += [(at, seat, chart.alarmed) for seat, chart in watch.tick(START + at * hour)]
    assert {seat for _, seat, alarmed in changed if alarmed} == {-1, 0, 1, 2, 3, 4}
    assert all(80 + 6 <= at <= 80 + 8 for at, _, _ in changed)  # and an hour until it has been left alone


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_site_whose_faults_look_like_health_from_one_day_on_is_told_so() -> None:
    site = Pumps(LifeSettings(block_s=60.0))
    site.minutes(60 * 52)
    assert [one for one in site.found if one.kind == "error-drift"] == []
    site.wrong[A] = 0.95
    begun = site.now_ns
    site.minutes(60 * 11)
    found = [one for one in site.found if one.kind == "error-drift"]
    assert found[0].at_ns - begun <= 10 * 60 * MINUTE_NS
    assert {one.device for one in found} >= {"", "pump-0"}
    assert "wrong more often than they were" in found[0].message


def test_errors_that_stay_as_they_were_alarm_rarely_even_where_neighbours_resemble_each_other() -> None:
    random = np.random.default_rng(6)
    n, series = 24 * 60, 60
    error = np.clip(0.1 + 0.08 * remembering(random, n, series, 1.44), 0, 1)  # correlated by one half
    raised = 0
    for one in error.T:
        chart = Chart()
        raised += sum(chart.observe(float(x), at) and chart.alarmed for at, x in enumerate(one))
    assert raised / (series * n / 720) < 0.1


def test_errors_of_one_hour_are_one_observation() -> None:
    watch = ErrorWatch(60 * MINUTE_NS)
    seat, ts = np.zeros(500, np.int32), START + np.arange(500) * MINUTE_NS // 10
    watch.add(seat, ts, np.ones(500), START)
    assert watch.tick(START + 30 * MINUTE_NS) == []
    assert watch.charts[-1].usual.n == 0
    watch.tick(START + 61 * MINUTE_NS)
    assert watch.charts[-1].usual.n == 1


def test_rows_that_cant_be_scored_are_alarmed_as_poor_data_and_not_as_drift() -> None:
    random = np.random.default_rng(1)
    monitor = Monitor("pump", [("x", 1)], 0, DriftSettings(), {}, lambda seat: ("gw", f"d{seat}"), random)
    found = []
    for hour in range(60):
        ts = START + (60 * hour + np.arange(60)) * MINUTE_NS
        flags = np.where((hour >= 24) & (np.arange(60) % 2 == 0) & (hour < 36), 4, 0).astype(np.uint8)
        values = np.where(flags[:, None] > 0, np.nan, random.normal(0, 1, (60, 1)))
        monitor.saw(np.zeros(60, np.int32), ts, values, flags, int(ts[-1]))
        found += [(hour, one) for one in monitor.tick(int(ts[-1]) + 12 * MINUTE_NS)]
    assert [(one.kind, one.device, one.state) for _, one in found] == [
        ("data-quality", "", "raised"), ("data-quality", "d0", "raised"),
        ("data-quality", "", "cleared"), ("data-quality", "d0", "cleared"),
    ]  # fmt: skip
    assert 32 <= found[0][0] <= 36
    assert "rows that can't be scored over 24 h" in found[0][1].message


def test_raw_windows_are_watched_by_their_mean_and_their_rms() -> None:
    random = np.random.default_rng(1)
    monitor = Monitor("pump", [("t", 1), ("wave", 64)], 0, DriftSettings(), {}, lambda _: ("gw", "d"), random)
    assert monitor.inputs.columns == ("t", "wave.mean", "wave.rms")
    values = random.normal(0, 1, (5, 65))
    columns = monitor._columns(values)
    assert columns[:, 0].tolist() == values[:, 0].tolist()
    assert columns[:, 2] == pytest.approx(np.sqrt((values[:, 1:] ** 2).mean(1)))


def test_late_rows_and_rows_ahead_of_the_clock_are_left_out_and_counted() -> None:
    random = np.random.default_rng(1)
    monitor = Monitor("pump", [("x", 1)], 0, DriftSettings(), {}, lambda _: ("gw", "d"), random)
    hour = 60 * MINUTE_NS

    def saw(ts: int) -> None:
        monitor.saw(np.zeros(1, np.int32), np.array([ts]), np.zeros((1, 1)), np.zeros(1, np.uint8), START + 10 * hour)
        monitor.inputs.flush(START + 10 * hour)

    for at in (0, 1, 2, 9):
        saw(START + at * hour)
    before = monitor.inputs.late
    saw(START + 3 * hour)
    saw(START + 400 * hour)
    assert monitor.inputs.late == before + 2
    assert monitor.inputs.open <= (START + 10 * hour) // hour


def test_memory_is_bounded_however_many_devices_and_features_there_are() -> None:
    random = np.random.default_rng(1)
    monitor = Monitor(
        "pump", [(f"f{n}", 1) for n in range(60)], 0, DriftSettings(devices=5_000), {}, lambda _: ("gw", "d"), random
    )
    n = 6_000
    monitor.saw(np.arange(n, dtype=np.int32), np.full(n, START), np.zeros((n, 60)), np.zeros(n, np.uint8), START)
    assert monitor.inputs.bytes < 40 << 20
    assert monitor.inputs.unwatched == n - monitor.inputs.most
    assert int(monitor.inputs.quality(1)[0, 0]) == n


def test_another_version_learns_its_predictions_anew_and_inputs_stay_learned() -> None:
    site = Pumps()
    site.minutes(70)
    inputs, outputs = site.life.monitor.inputs, site.life.monitor.outputs
    site.do("add", B)
    site.do("promote", B, force=True)
    assert site.life.monitor.inputs is inputs
    assert site.life.monitor.outputs is not outputs


def test_of_images_only_predictions_and_the_quality_of_rows_are_watched() -> None:
    random = np.random.default_rng(1)
    monitor = Monitor("camera", [], 2, DriftSettings(), {}, lambda _: ("gw", "d"), random)
    seat, flags, found = np.zeros(60, np.int32), np.zeros(60, np.uint8), []
    for hour in range(60):
        ts = START + (60 * hour + np.arange(60)) * MINUTE_NS
        monitor.saw(seat, ts, random.normal(0, 1, (60, 12)), flags, int(ts[-1]))
        monitor.told(seat, ts, random.random(60), random.integers(0, 2, 60), int(ts[-1]))
        found += monitor.tick(int(ts[-1]) + 12 * MINUTE_NS)
    assert found == []
    assert monitor.inputs.columns == ()
    assert int(monitor.inputs.quality(24)[0, 0]) == 1_380  # 23 hours, and the one that has just begun
    assert np.isfinite(monitor.outputs.distance[0]).any()
