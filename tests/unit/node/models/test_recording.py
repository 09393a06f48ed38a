"""Results become readings of the devices that they're about."""

from dataclasses import replace

import numpy as np

from holdfast.model.features import FILLED, UNCERTAIN
from holdfast.model.predictions import PARTS, How, Predictions, Results
from holdfast.model.quality import Quality, Reason, quality_of, reason_of
from holdfast.model.series import Catalogue
from holdfast.node.models.recording import Recorder

RESULTS = Results(
    deployment="pump",
    model="pump-anomaly",
    version="1.2.0",
    role="active",
    labels=("normal", "leak"),
    places=[("gw", "pump-1"), ("gw", "pump-2")],
    key=np.array([0, 1, 0], np.int32),
    ts=np.array([10, 20, 30], np.int64),
    predictions=Predictions(np.array([0.1, 0.9, 0.2]), np.array([0, 1, -1], np.int32), np.array([0.9, 0.8, np.nan])),
    how=np.zeros(3, np.uint8),
    flags=np.zeros(3, np.uint8),
    took_s=0.001,
    latency=np.array([0.004, 0.005, 0.006]),
)


def told(recorder: Recorder, catalogue: Catalogue, results: Results) -> list[tuple[str, int, object]]:
    batch = recorder.batch(results)
    return [
        (catalogue[s].name, t, batch.texts[int(v)] if catalogue.is_text[s] else v)
        for s, t, v in zip(batch.series.tolist(), batch.ts.tolist(), batch.value.tolist(), strict=True)
    ]


def test_each_part_of_a_result_is_a_reading_of_its_device_in_one_message() -> None:
    catalogue = Catalogue()
    assert told(Recorder(catalogue, "pump", PARTS), catalogue, RESULTS)[:6] == [
        ("gw/pump-1/ml.pump.score", 10, 0.1),
        ("gw/pump-1/ml.pump.label", 10, "normal"),
        ("gw/pump-1/ml.pump.confidence", 10, 0.9),
        ("gw/pump-1/ml.pump.ms", 10, 4.0),
        ("gw/pump-1/ml.pump.version", 10, "1.2.0"),
        ("gw/pump-1/ml.pump.how", 10, "model"),
    ]


def test_a_part_without_a_value_is_no_reading() -> None:
    catalogue = Catalogue()
    recorder = Recorder(catalogue, "pump", ("score", "label", "confidence"))
    assert told(recorder, catalogue, RESULTS.take(np.array([2]))) == [("gw/pump-1/ml.pump.score", 30, 0.2)]


def test_a_row_of_which_nothing_is_said_makes_no_reading() -> None:
    nothing = replace(RESULTS, predictions=Predictions.none(3))
    assert len(Recorder(Catalogue(), "pump", PARTS).batch(nothing)) == 0


def test_what_stood_in_for_the_model_and_doubtful_inputs_are_uncertain_with_the_reason() -> None:
    results = replace(
        RESULTS,
        how=np.array([How.RULE, How.MODEL, How.PARENT], np.uint8),
        flags=np.array([0, UNCERTAIN, FILLED], np.uint8),
    )
    codes = Recorder(Catalogue(), "pump", ("score",)).batch(results).quality.tolist()
    assert [(quality_of(c), reason_of(c)) for c in codes] == [
        (Quality.UNCERTAIN, Reason.FALLBACK),
        (Quality.UNCERTAIN, Reason.INPUT_DOUBTFUL),
        (Quality.UNCERTAIN, Reason.INPUT_DOUBTFUL),
    ]


def test_places_may_be_numbered_otherwise_in_every_batch() -> None:
    catalogue = Catalogue()
    recorder = Recorder(catalogue, "pump", ("score",))
    first = told(recorder, catalogue, RESULTS)
    turned = replace(RESULTS, places=[("gw", "pump-2"), ("gw", "pump-1")], key=np.array([1, 0, 1], np.int32))
    assert told(recorder, catalogue, turned) == first
    assert len(catalogue) == 2


def test_a_label_that_has_no_name_is_no_reading() -> None:
    catalogue = Catalogue()
    nameless = replace(RESULTS, labels=())
    assert [name for name, _, _ in told(Recorder(catalogue, "pump", ("score", "label")), catalogue, nameless)] == [
        "gw/pump-1/ml.pump.score",
        "gw/pump-2/ml.pump.score",
        "gw/pump-1/ml.pump.score",
    ]
