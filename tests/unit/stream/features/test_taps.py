"""Feature lines in the engine: windows against Polars, what is missing, what is bad, and that batches don't matter."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.stream.features.site import BASE, Reading, S, Site, batch_of, by_device, line, one, values

from holdfast.model.features import FILLED, UNCERTAIN, UNUSABLE
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.features.plan import FeaturePlan
from holdfast.stream.language.featuring import compile_features
from holdfast.stream.language.loading import compile_documents, load_rules
from holdfast.stream.rules import CompiledRule
from holdfast.stream.vibration.spectra import band_power

GOOD, ODD, BAD = 0, 1, 2
END = BASE + 1_000 * S


def test_last_values_deltas_and_moving_statistics_equal_polars(tmp_path: Path) -> None:
    select = "{x: x, d: delta(x), m: avg(x), sd: stddev(x), lo: min(x), both: x + 2 * y}"
    site = Site([line(tmp_path, select=select, window="sliding 5 samples", missing="skip")])
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"x": rng.normal(20, 3, 200), "y": rng.normal(5, 1, 200)})
    readings: list[Reading] = [
        ("a", metric, i * S, float(frame[metric][i]), GOOD) for i in range(200) for metric in ("x", "y")
    ]
    (found,) = site.rows(*readings)
    x = pl.col("x")
    wanted = frame.select(
        x, x.diff().alias("d"), x.rolling_mean(5, min_samples=1).alias("m"),
        x.rolling_std(5, min_samples=2).alias("sd"), x.rolling_min(5, min_samples=1).alias("lo"),
        (x + 2 * pl.col("y")).alias("both"),
    )  # fmt: skip
    assert np.allclose(found.values, wanted.fill_null(math.nan).to_numpy(), rtol=1e-12, equal_nan=True)
    assert found.flags.tolist() == [UNUSABLE] + [0] * 199  # no difference and no deviation of one sample
    assert found.ts.tolist() == [BASE + i * S for i in range(200)]


def test_a_slope_and_a_window_cut_by_time_equal_least_squares_and_group_by(tmp_path: Path) -> None:
    slope = Site([line(tmp_path, select="{s: slope(x)}", window="sliding 10 samples")])
    v = np.random.default_rng(2).normal(0, 1, 50)
    found = slope.feed(*v.tolist())
    assert found.values[-1, 0] == pytest.approx(np.polyfit(np.arange(10), v[-10:], 1)[0])
    means = Site([line(tmp_path, select="{m: avg(x), top: max(x)}", window="tumbling 10s")])
    rows = means.feed(*v.tolist()).values
    whole = v[:50].reshape(5, 10)[:4]
    assert np.allclose(rows[:4], np.stack([whole.mean(axis=1), whole.max(axis=1)], axis=1))


def test_raw_windows_lie_moment_by_moment_and_every_so_many_messages(tmp_path: Path) -> None:
    raw = Site([line(tmp_path, select='{w: "samples(x, y, 3)"}', window="sliding 4 samples", missing="skip")])
    readings: list[Reading] = [
        ("a", m, i * S, i + shift, GOOD) for i in range(5) for m, shift in (("x", 0.0), ("y", 0.5))
    ]
    (found,) = raw.rows(*readings)
    assert found.values[-1].tolist() == [2, 2.5, 3, 3.5, 4, 4.5]
    assert np.isnan(found.values[0, :4]).all()
    assert found.flags.tolist() == [UNUSABLE, UNUSABLE, 0, 0, 0]
    count = Site([line(tmp_path, select='{w: "samples(x, 8)", k: kurtosis(x)}', window="count 8 every 4")])
    v = np.random.default_rng(3).normal(0, 1, 24)
    rows = count.feed(*v.tolist())
    assert np.array_equal(rows.values[:, :8], np.lib.stride_tricks.sliding_window_view(v, 8)[::4])


def test_samples_that_came_out_of_order_are_laid_out_by_time_where_windows_go_by_count(tmp_path: Path) -> None:
    site = Site([line(tmp_path, select='{w: "samples(x, 3)"}', window="count 4")])
    (found,) = site.rows(*(("a", "x", i * S, float(i), GOOD) for i in (0, 2, 1, 3)))
    assert found.values.tolist() == [[1, 2, 3]]


def test_a_band_of_the_spectrum_is_that_of_the_vibration_functions(tmp_path: Path) -> None:
    rate, n = 1000, 512
    x = np.sin(2 * np.pi * 60 * np.arange(n) / rate) + 0.1 * np.random.default_rng(4).normal(0, 1, n)
    keys: dict[str, Any] = {
        "select": '{a: "band_power(x, 1000, 40, 80)", b: "band_power(x, 1000, 80, 400)"}', "window": f"count {n}",
    }  # fmt: skip
    site = Site([line(tmp_path, **keys)])
    readings: list[Reading] = [("a", "x", i * S // rate, float(v), GOOD) for i, v in enumerate(x)]
    (found,) = site.rows(*readings)
    assert found.values[0].tolist() == [band_power(x, rate, 40, 80), band_power(x, rate, 80, 400)]
    assert found.values[0, 0] > 20 * found.values[0, 1]


def test_categories_come_of_texts_tables_and_other_devices(tmp_path: Path) -> None:
    (tmp_path / "plant.csv").write_text("device,place\na,hall\nb,yard\n")
    select = (
        "{x: x, on_: mode = 'on', place: \"one_hot(lookup('plant.csv', 'place'), 'hall', 'yard', 'roof')\", "
        "outside: \"x - latest('weather', 'x')\"}"
    )
    compiled = line(tmp_path, select=select, from_="readings where device in ('a', 'b', 'c')")
    site = Site([compiled])
    found = site.rows(
        ("weather", "x", 0, 5.0, GOOD), ("a", "x", S, 20.0, GOOD), ("a", "mode", S, "on", GOOD),
        ("b", "x", S, 30.0, GOOD), ("b", "mode", S, "off", GOOD), ("c", "x", S, 40.0, GOOD),
    )  # fmt: skip
    plan = compiled.features
    assert isinstance(plan, FeaturePlan)
    assert plan.columns == ("x", "on_", "place_hall", "place_yard", "place_roof", "outside")
    by = {found[0].places[k][1]: row.tolist() for k, row in zip(found[0].key.tolist(), found[0].values, strict=True)}
    assert by["a"] == [20, 1, 1, 0, 0, 15]
    assert by["b"] == [30, 0, 0, 1, 0, 25]
    assert math.isnan(by["c"][1])  # its mode was never read
    assert np.isnan(by["c"][2:5]).all()  # it's in no row of the table
    assert "weather" not in by


@pytest.mark.parametrize(
    ("missing", "want", "flags"),
    [("last", [[math.nan, 1], [3, 1], [3, 2]], [UNUSABLE, 0, FILLED]),
     ("skip", [[math.nan, 1], [3, 1], [math.nan, 2]], [UNUSABLE, 0, UNUSABLE]),
     ("zero", [[0, 1], [3, 1], [0, 2]], [FILLED, 0, FILLED]),
     ("{fill: 7}", [[7, 1], [3, 1], [7, 2]], [FILLED, 0, FILLED]),
     ("{fill: {y: 9}}", [[math.nan, 1], [3, 1], [math.nan, 2]], [UNUSABLE, 0, UNUSABLE])],
)  # fmt: skip
def test_a_missing_value_is_what_the_set_says(
    tmp_path: Path, missing: str, want: list[list[float]], flags: list[int]
) -> None:
    site = Site([line(tmp_path, select='{q: "3 / x * nullif(x, 0)", y: y}', missing=missing)])
    parts = [
        *site.rows(("a", "y", 0, 1.0, GOOD)),
        *site.rows(("a", "x", S, 5.0, GOOD), ("a", "y", S, 1.0, GOOD)),
        *site.rows(("a", "x", 2 * S, 0.0, GOOD), ("a", "y", 2 * S, 2.0, GOOD)),
    ]
    assert np.array_equal(values(parts), np.array(want), equal_nan=True)
    assert [f for part in parts for f in part.flags.tolist()] == flags
    assert [bool(u) for part in parts for u in part.usable] == [not f & UNUSABLE for f in flags]


def test_a_hole_in_a_raw_window_is_filled_within_it_and_what_is_not_full_yet_is_not(tmp_path: Path) -> None:
    for missing, last in (("last", FILLED), ("skip", UNUSABLE), ("zero", FILLED)):
        site = Site([line(tmp_path, select='{w: "samples(a.v, b.v, 2)"}', window="sliding 2 samples", missing=missing)])
        first = site.rows(("d", "a.v", 0, 1.0, GOOD), ("d", "b.v", 0, math.inf, GOOD))
        second = site.rows(("d", "a.v", S, 2.0, GOOD), ("d", "b.v", S, 4.0, GOOD))
        third = site.rows(("d", "a.v", 2 * S, 3.0, GOOD), ("d", "b.v", 2 * S, math.inf, GOOD))
        assert bool(first[0].flags[0] & UNUSABLE) is (missing != "zero")
        assert bool(second[0].flags[0] & UNUSABLE) is (missing != "zero")  # nothing is known before the first
        assert third[0].flags[0] & last
        if missing == "last":
            assert third[0].values[0].tolist() == [2, 4, 3, 4]


def test_strict_quality_keeps_rows_from_a_model_while_one_odd_reading_is_in_the_window(tmp_path: Path) -> None:
    site = Site([line(tmp_path, select="{m: avg(x), y: y}", window="sliding 3 samples")])
    codes = [GOOD, ODD, GOOD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD]
    parts = [
        part
        for i, code in enumerate(codes)
        for part in site.rows(("a", "x", i * S, float(i), code), ("a", "y", i * S, 1.0, GOOD))
    ]
    flags = [f for part in parts for f in part.flags.tolist()]
    doubtful = UNCERTAIN | UNUSABLE
    assert flags == [0, doubtful, doubtful, doubtful, 0, UNUSABLE, UNUSABLE, UNUSABLE, 0]


def test_lenient_quality_flags_what_is_uncertain_and_gives_no_row_up_but_while_the_newest_is_bad(
    tmp_path: Path,
) -> None:
    for window in ("sliding 3 samples", "none"):
        site = Site([line(tmp_path, select="{m: avg(x), y: y}", window=window, quality="uncertain")])
        flags = []
        for i, code in enumerate([GOOD, ODD, GOOD, GOOD, GOOD, BAD, GOOD, GOOD, GOOD]):
            (part,) = site.rows(("a", "x", i * S, float(i), code), ("a", "y", i * S, 1.0, GOOD))
            flags += part.flags.tolist()
        u = UNCERTAIN
        if window == "none":
            assert flags == [0, u, 0, 0, 0, UNUSABLE, 0, 0, 0]
        else:
            assert flags == [0, u, u, u, 0, u | UNUSABLE, u, u, 0]


def test_a_reading_that_brings_nothing_but_bad_values_makes_no_row(tmp_path: Path) -> None:
    site = Site([line(tmp_path, select="{x: x}")])
    assert site.rows(("a", "x", 0, 1.0, BAD)) == []


def test_rows_are_thinned_by_the_readings_time_per_device(tmp_path: Path) -> None:
    site = Site([line(tmp_path, select="{x: x}", every="10s")])
    readings: list[Reading] = [
        (d, "x", (i + shift) * S, float(i), GOOD) for i in range(31) for d, shift in (("a", 0), ("b", 5))
    ]
    (found,) = site.rows(*readings)
    by = {
        d: [v for k, v in zip(found.key.tolist(), found.values[:, 0], strict=True) if found.places[k][1] == d]
        for d in "ab"
    }
    assert by == {"a": [0, 10, 20, 30], "b": [0, 10, 20, 30]}


def test_a_late_row_is_thinned_out_and_one_of_a_clock_that_was_set_back_begins_anew(tmp_path: Path) -> None:
    for at_once in (True, False):
        site = Site([line(tmp_path, select="{x: x}", every="10s")])
        seconds = [90_000, 89_000, 90_009, 90_010, 10, 15, 20, 90_025]
        readings: list[Reading] = [("a", "x", s * S, float(s), GOOD) for s in seconds]
        parts = site.rows(*readings) if at_once else [part for r in readings for part in site.rows(r)]
        assert values(parts)[:, 0].tolist() == [90_000, 90_010, 10, 20, 90_025]


def test_where_no_device_matches_nothing_is_read(tmp_path: Path) -> None:
    site = Site([line(tmp_path, select="{x: x}", from_="readings where device = 'nobody'")])
    assert site.rows(("a", "x", 0, 1.0, GOOD)) == []
    assert not site.engine.routes.wanted.any()


def test_two_deployments_of_one_set_share_its_windows_and_each_has_its_devices(tmp_path: Path) -> None:
    found = one(tmp_path, select="{m: avg(x)}", window="sliding 3 samples")
    lines = [
        compile_features(found, "one", "readings where device = 'a'"),
        compile_features(found, "two"),
    ]
    site = Site(lines)
    assert len(site.engine.lines) == 1
    parts = site.rows(("a", "x", 0, 1.0, GOOD), ("b", "x", 0, 3.0, GOOD))
    told = {
        (p.deployment, p.places[k][1]): v for p in parts for k, v in zip(p.key.tolist(), p.values[:, 0], strict=True)
    }
    assert told == {("one", "a"): 1, ("two", "a"): 1, ("two", "b"): 3}
    assert {p.features for p in parts} == {found.ref}


def test_a_set_over_another_sites_metrics_gives_the_same_numbers(tmp_path: Path) -> None:
    select = "{m: avg(x), raw: \"samples(x, 2)\", d: \"x - latest('w', 'x')\"}"
    mine = Site([line(tmp_path, select=select, window="sliding 2 samples")])
    rename = {"x": "motor.vibration", "w/x": "station/air.temp"}
    theirs = Site([line(tmp_path, select=select, window="sliding 2 samples", rename=rename)])
    one_ = mine.rows(("w", "x", 0, 1.5, GOOD), ("a", "x", S, 2.0, GOOD), ("a", "x", 2 * S, 4.0, GOOD))
    other = theirs.rows(
        ("station", "air.temp", 0, 1.5, GOOD), ("a", "motor.vibration", S, 2.0, GOOD),
        ("a", "motor.vibration", 2 * S, 4.0, GOOD),
    )  # fmt: skip
    assert by_device(other) == {key: rows for key, rows in by_device(one_).items() if key[1] == "a"}


def test_rules_decide_the_same_whether_feature_lines_run_beside_them_or_not(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  hot: {select: 'avg(x) as m', window: sliding 3 samples, when: m > 5}\n")
    rules = load_rules([file])
    features = line(tmp_path, select="{m: avg(x)}", window="sliding 3 samples")
    alone, beside = Site(rules), Site([*rules, features])
    rng = np.random.default_rng(5)
    for i in range(20):
        batch: list[Reading] = [("a", "x", (i * 5 + k) * S, float(v), GOOD) for k, v in enumerate(rng.normal(5, 2, 5))]
        one_ = alone.engine.evaluate(batch_of(batch, alone.catalogue))
        other = beside.engine.evaluate(batch_of(batch, beside.catalogue))
        assert one_.decisions == other.decisions
        assert len(other.features) == 1


KEYS: dict[str, dict[str, Any]] = {
    "each": {"select": "{x: x, q: delta(x), y: y}", "quality": "uncertain"},
    "last": {"select": '{m: avg(x), s: slope(y), u: stddev(x), w: "samples(x, y, 3)"}', "window": "sliding 4 samples"},
    "thin": {
        "select": "{m: sum(x), z: x / y}",
        "window": "sliding 3 samples",
        "every": "3s",
        "missing": "{fill: {z: 1}}",
    },
    "count": {"select": '{w: "samples(x, 3)", m: median(y)}', "window": "count 4 every 3", "quality": "uncertain"},
    "time": {"select": "{m: avg(x), n: count(y)}", "window": "tumbling 5s", "missing": "zero"},
}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 3),
        st.sampled_from([("x", "y"), ("x",), ("y",)]),
        st.sampled_from([-1.5, 0.0, 1.0, 2.25, 1e6, math.inf, math.nan]),
        st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2]),
    ),
    max_size=40,
)


def messages(drawn: list[tuple[str, int, tuple[str, ...], float, int]]) -> list[list[Reading]]:
    """Readings message by message; times go on, with some that are behind."""
    found, now = list[list[Reading]](), 100
    for device, step, metrics, value, quality in drawn:
        now += 1
        found.append([(device, m, (now - 5 * (step == 3)) * S, value + i, quality) for i, m in enumerate(metrics)])
    return found


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[CompiledRule]:
    folder = tmp_path_factory.mktemp("features")
    return [line(folder, to=name, **keys) for name, keys in KEYS.items()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=ROWS, cuts=st.sets(st.integers(1, 39)), restart=st.integers(0, 40))
def test_however_readings_are_batched_and_wherever_the_node_restarts_rows_are_the_same_to_the_bit(
    lines: list[CompiledRule], drawn: Any, cuts: set[int], restart: int
) -> None:
    told = messages(drawn)
    whole, pieces = Site(lines), Site(lines)
    one_ = whole.rows(*(reading for message in told for reading in message))
    many = []
    for i, low in enumerate(bounds := sorted({0, *(c for c in cuts if c < len(told))})):
        if low >= restart:
            again = Site(lines, Catalogue())
            again.catalogue.intern(Series("gw", "c", "other", "", Kind.FLOAT))  # numbers are others then
            assert again.engine.restore(pieces.engine.snapshot())
            pieces, restart = again, 1000
        high = bounds[i + 1] if i + 1 < len(bounds) else len(told)
        many += pieces.rows(*(reading for message in told[low:high] for reading in message))
    assert by_device(many) == by_device(one_)
    end = whole.engine.tick(END).features, pieces.engine.tick(END).features
    assert by_device(end[0]) == by_device(end[1])


def test_an_edit_keeps_what_it_leaves_alone_and_a_new_set_starts_empty(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"select": '{m: "avg(x) / nullif(y, 0)"}', "window": "sliding 3 samples"}
    site = Site([line(tmp_path, **keys)])
    site.rows(("a", "x", 0, 1.0, GOOD), ("a", "y", 0, 1.0, GOOD))
    same = [line(tmp_path, **keys, description="other words")]
    done = site.engine.adopt(same, 0)
    assert [one_.fate for one_ in done.rules] == ["kept"]
    (found,) = site.rows(("a", "x", S, 3.0, GOOD), ("a", "y", S, 0.0, GOOD))
    assert found.values.tolist() == [[1.0]]  # filled with the last one, of before the edit
    assert found.flags.tolist() == [FILLED]
    other = [line(tmp_path, select="{m: sum(x)}", window="sliding 3 samples")]
    assert [one_.fate for one_ in site.engine.adopt(other, 0).rules] == ["started empty"]
    (found,) = site.rows(("a", "x", 2 * S, 5.0, GOOD))
    assert found.values.tolist() == [[5.0]]
    assert [one_.fate for one_ in site.engine.adopt([], 0).rules] == ["removed"]
    assert site.rows(("a", "x", 3 * S, 5.0, GOOD)) == []


def test_a_line_on_a_stage_with_a_rule_leaves_it_its_windows(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  r: {select: 'avg(x) as m, uncertain(x) as u, bad(x) as b', window: sliding 3 samples}\n")
    (rule,) = load_rules([file])
    features = line(tmp_path, select="{m: avg(x)}", window="sliding 3 samples")
    assert features.stage.signature == rule.stage.signature
    engine = Engine([rule, features], catalogue := Catalogue(), "gw")
    assert len(engine.lines) == 1
    readings: list[Reading] = [("a", "x", 0, 2.0, GOOD), ("a", "x", S, 4.0, GOOD)]
    (found,) = engine.evaluate(batch_of(readings, catalogue)).features
    engine.adopt([features], 0)
    (after,) = engine.evaluate(batch_of([("a", "x", 2 * S, 6.0, GOOD)], catalogue)).features
    assert found.values[:, 0].tolist() + after.values[:, 0].tolist() == [2, 3, 4]


def test_a_line_is_compiled_again_from_what_is_kept_beside_its_state(tmp_path: Path) -> None:
    made = line(tmp_path, select="{m: avg(x)}", window="sliding 3 samples", rename={"x": "y"}, to="pump")
    (again,) = compile_documents([made.document])
    assert (again.key, again.version, again.shape, again.stage.signature) == (
        made.key, made.version, made.shape, made.stage.signature,
    )  # fmt: skip
