"""The models that ship: whole, small, as good as their cards say on the real data, and made again from it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from training import bearing, cards, graphs, occupancy, pump
from training.envelopes import WINDOW
from training.sources import SENSORS, clips, digest, pumps, room, room_file

from holdfast.inference.card import load_card
from holdfast.inference.door import open_model
from holdfast.stream.detectors.benches.skab import FIT_ROWS, outliers
from holdfast.stream.features.tables import moments, table
from holdfast.stream.language.featuring import load_features

SHIPPED = Path(graphs.__file__).parents[1] / "src/holdfast/inference/shipped"
NAMES = ("bearing-fault", "occupancy", "pump-anomaly")
MOST_BYTES = 300_000
DATA = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data"))
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the data sets aren't here")
SECOND = 1_000_000_000
Array = NDArray[Any]


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_is_whole_small_and_let_in_by_the_door(name: str) -> None:
    folder = SHIPPED / name
    card = load_card(folder)
    model = (folder / card.file).read_bytes()
    assert card.model == name
    assert card.sha256 == hashlib.sha256(model).hexdigest()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    assert {path.name for path in folder.iterdir()} == {"README.md", "features.yaml", "model.onnx", "model.yaml"}
    assert card.trained["seed"] is not None
    assert "Apache-2.0 (weights)" in card.licence
    (features,) = load_features([folder / "features.yaml"])
    assert card.inputs.features == features.ref
    assert card.width == features.width
    assert open_model(folder).card.ref == f"{name}@1.0.0"


@pytest.mark.parametrize("name", NAMES)
def test_a_cards_baseline_is_of_its_own_features_and_adds_up(name: str) -> None:
    card = load_card(SHIPPED / name)
    (features,) = load_features([SHIPPED / name / "features.yaml"])
    assert set(card.baseline) - {"prediction"} <= set(features.columns)
    assert "prediction" in card.baseline
    for spread in card.baseline.values():
        assert len(spread.shares) == len(spread.edges) + 1
        assert sum(spread.shares) == pytest.approx(1, abs=1e-5)


def test_a_histogram_has_tenths_and_fewer_bins_where_values_repeat() -> None:
    even = cards.histogram(np.arange(1000.0))
    assert even["shares"] == pytest.approx([0.1] * 10, abs=0.002)
    lamp = cards.histogram(np.concatenate([np.zeros(900), np.full(100, 400.0)]))
    assert lamp["edges"] == [0.0, 40.0]  # the ninth tenth ends in between
    assert lamp["shares"] == [0.0, 0.9, 0.1]
    assert sum(lamp["shares"]) == pytest.approx(1)


@needs_data
def test_the_data_beside_the_checkout_is_what_the_cards_were_trained_on() -> None:
    trained = {name: load_card(SHIPPED / name).trained["sha256"] for name in NAMES}
    assert trained["occupancy"] == digest(DATA, [room_file(DATA, "datatraining")])
    assert trained["bearing-fault"] == digest(DATA, sorted((DATA / "bearing").glob("*.*")))


@needs_data
def test_occupancy_is_right_975_times_of_1000_and_has_an_answer_without_light() -> None:
    told = room(DATA, "datatest")
    x, y = occupancy.features(told)[1:], told.occupied[1:]
    model = open_model(SHIPPED / "occupancy")
    seen, dark = model.predict(x), model.predict(occupancy.silent(x))
    assert np.mean(seen.label == y) >= 0.975
    assert np.mean(dark.label == y) >= 0.94
    assert np.mean(seen.label == y) == pytest.approx(model.card.metrics["accuracy"], abs=1e-3)
    assert np.mean(dark.label == y) == pytest.approx(model.card.metrics["without_light"]["accuracy"], abs=1e-3)


@needs_data
def test_the_pump_model_is_no_worse_than_any_published_autoencoder_at_its_rate_of_false_alarms() -> None:
    some, model = pumps(DATA), open_model(SHIPPED / "pump-anomaly")
    flags = {name: model.predict(rows).label == 1 for name, rows in pump.of_files(some.files).items()}
    out = outliers(flags, some.files)
    assert out.f1 == pytest.approx(model.card.metrics["f1"], abs=2e-3)
    published = json.loads((DATA / "skab/reference_scores.json").read_text())
    for name in ("Conv_AE", "LSTM_AE", "MSCRED"):
        theirs = published[name]["shared"]["outlier"]
        assert out.f1 >= theirs["F1"], name
        assert out.far <= theirs["FAR"], name
        assert out.mar <= theirs["MAR"], name
    assert out.f1 > published["Vanilla_AE"]["shared"]["outlier"]["F1"]


@needs_data
def test_bearing_faults_at_a_load_not_trained_on_get_the_right_class_in_every_clip() -> None:
    some = clips(DATA)
    train, out = bearing.folds(some)["without load 1"]
    head = bearing.fit(train)
    model = bearing.graph(head)
    for clip in out:
        said = head.probabilities(bearing.windows(clip))
        # Phases of hundreds of radians in float32 cost it a few hundred-thousandths.
        assert np.abs(graphs.run(model, bearing.windows(clip))[0] - said).max() <= 5e-5
        label = bearing.LABELS.index(clip.fault)
        assert said.mean(0).argmax() == label, clip.name
        assert np.mean(said.argmax(1) == label) >= 0.95, clip.name


@needs_data
def test_the_bearing_model_that_ships_names_every_clip_also_in_half_its_gain() -> None:
    model = open_model(SHIPPED / "bearing-fault")
    for clip in clips(DATA):
        rows = bearing.windows(clip)
        rows[:, :WINDOW] *= 0.5
        said = model.predict(rows)
        assert np.mean([model.card.labels[label] == clip.fault for label in said.label]) >= 0.95, clip.name
        assert np.isfinite(said.confidence).all()


@needs_data
def test_the_occupancy_graph_says_the_same_as_its_judges_in_numpy_to_a_hundred_thousandth() -> None:
    told = room(DATA, "datatest")
    x = occupancy.features(told)[1:]
    trained = room(DATA, "datatraining")
    rows = occupancy.features(trained)[1:]
    both = occupancy.fit(rows, trained.occupied[1:])
    for some in (x, occupancy.silent(x)):
        assert np.abs(graphs.run(occupancy.graph(both), some)[0][:, 1] - both.probability(some)).max() <= 1e-5


@needs_data
@pytest.mark.timeout(120)
def test_occupancy_and_pump_are_made_again_from_the_data() -> None:
    made, _, card = occupancy.train(DATA, check=False)
    x = occupancy.features(room(DATA, "datatest"))[1:]
    for some in (x, occupancy.silent(x)):
        shipped = (SHIPPED / "occupancy/model.onnx").read_bytes()
        assert np.abs(graphs.run(made, some)[0] - graphs.run(shipped, some)[0]).max() <= 1e-3
    assert card["metrics"]["accuracy"] == load_card(SHIPPED / "occupancy").metrics["accuracy"]
    made, net, card = pump.train(DATA, check=False)
    rows = pump.of_files({"a": pumps(DATA).files["valve1/3"]})["a"]
    shipped = (SHIPPED / "pump-anomaly/model.onnx").read_bytes()
    assert np.abs(graphs.run(made, rows)[0] - graphs.run(shipped, rows)[0]).max() <= 1e-2
    assert np.abs(graphs.run(made, rows)[0] - net.rebuilt(rows)).max() <= 1e-5
    assert card["metrics"]["f1"] == pytest.approx(load_card(SHIPPED / "pump-anomaly").metrics["f1"], abs=2e-3)


@needs_data
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_bearing_model_is_made_again_and_its_cards_figures_are_of_what_was_left_out() -> None:
    made, _, card = bearing.train(DATA)
    shipped = load_card(SHIPPED / "bearing-fault")
    assert card["metrics"] == shipped.metrics
    windows = np.vstack([bearing.windows(clip) for clip in clips(DATA)])
    theirs = graphs.run((SHIPPED / "bearing-fault/model.onnx").read_bytes(), windows)[0]
    assert np.abs(graphs.run(made, windows)[0] - theirs).max() <= 1e-3


@needs_data
def test_the_engine_computes_the_features_that_a_model_was_trained_on() -> None:
    (features,) = load_features([SHIPPED / "occupancy/features.yaml"])
    told = room(DATA, "datatest")
    metrics = {"light.illuminance": told.light, "air.co2": told.co2}
    metrics |= {"air.temperature": told.temperature, "air.humidity": told.humidity}
    found = table(features, moments(told.ts[:200] * SECOND, {name: x[:200] for name, x in metrics.items()}))
    ours = occupancy.features(told)[:200]
    assert not found.usable[0]  # a slope needs two readings
    assert np.abs(found.values - ours)[1:].max() <= 1e-6

    (features,) = load_features([SHIPPED / "pump-anomaly/features.yaml"])
    file, rows = pumps(DATA).files["other/6"], FIT_ROWS + 40
    found = table(features, moments(file.ts[:rows], {s: file.values[:rows, i] for i, s in enumerate(SENSORS)}))
    ours = pump.departures(file.values[None, :rows])[0]
    assert np.abs(ours[FIT_ROWS:]).max() > 1
    assert np.abs(found.values - ours).max() <= 1e-6

    (features,) = load_features([SHIPPED / "bearing-fault/features.yaml"])
    clip = clips(DATA)[2]
    ts, rpm = np.arange(7200) * SECOND // 12_000, np.where(np.arange(7200) == 0, clip.rpm, np.nan)
    found = table(features, moments(ts, {"acceleration.x": clip.samples[:7200].astype(float), "shaft.speed": rpm}))
    ends = [2400, 4800, 7200]
    assert (found.values[:, -1] == clip.rpm).all()
    assert np.array_equal(found.values[:, :-1], [clip.samples[end - WINDOW : end] for end in ends])


@needs_data
def test_a_room_without_light_readings_is_judged_and_one_without_co2_is_not() -> None:
    (features,) = load_features([SHIPPED / "occupancy/features.yaml"])
    told = room(DATA, "datatest")
    metrics = {"air.co2": told.co2, "air.temperature": told.temperature, "air.humidity": told.humidity}
    found = table(features, moments(told.ts[:60] * SECOND, {name: x[:60] for name, x in metrics.items()}))
    assert (found.values[1:, 0] == occupancy.SILENT).all()
    assert found.usable[1:].all()
    metrics = {"light.illuminance": told.light, "air.temperature": told.temperature, "air.humidity": told.humidity}
    found = table(features, moments(told.ts[:60] * SECOND, {name: x[:60] for name, x in metrics.items()}))
    assert not found.usable.any()
