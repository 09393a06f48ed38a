"""Which models are let in, and what those say."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.unit.inference.making import (
    autoencoder,
    classifier,
    folder,
    outside,
    saved,
    stuck,
    swelling,
    tensor,
    through,
)

from holdfast.inference.door import open_model, resident
from holdfast.inference.errors import (
    DigestWrong,
    InputInvalid,
    ModelRefused,
    ModelTooLarge,
    ModelUnknown,
    ProviderMissing,
    RunFailed,
    RunInterrupted,
)
from holdfast.inference.feeding import Room
from holdfast.inference.runtimes.port import Options

Array = NDArray[Any]
CLASSES = {"task": "classification", "outputs": "{classes: {name: probs}, labels: [idle, running, jammed]}"}
SCORE = {"task": "regression", "outputs": "{score: {name: y, index: 0}}"}


RESHAPED = through(helper.make_node("Reshape", ["x", "s"], ["y"]), constants={"s": np.array([3, -1])})


def rows(n: int, f: int = 4) -> Array:
    return np.random.default_rng(3).normal(size=(n, f))


def bare(data: bytes, given: Array) -> Array:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    said: Array = session.run(None, {"x": given})[0]
    return said


def test_an_autoencoder_s_score_is_what_bare_onnxruntime_rebuilds_off_its_standardised_input(tmp_path: Path) -> None:
    data, given = autoencoder(), rows(50) * 3 + 7
    inputs = "{features: press, shape: [4], mean: [7, 7, 7, 7.5], std: [3, 3, 3, 2]}"
    model = open_model(folder(tmp_path, data, inputs=inputs, rest="memory: 1MB"))
    fed = (given - [7, 7, 7, 7.5]) / [3, 3, 3, 2]
    expected = ((bare(data, fed.astype("f")) - fed) ** 2).mean(axis=1)
    said = model.predict(given)
    np.testing.assert_allclose(said.score, expected, atol=1e-6)
    assert (said.label == -1).all()
    assert np.isnan(said.confidence).all()
    assert (model.provider, model.memory_bytes >= len(data)) == ("cpu", True)


def test_classes_are_said_with_how_probable_they_are(tmp_path: Path) -> None:
    data, given = classifier(), rows(20)
    said = open_model(folder(tmp_path, data, **CLASSES)).predict(given)
    expected = bare(data, given.astype("f"))
    np.testing.assert_array_equal(said.label, expected.argmax(axis=1))
    np.testing.assert_allclose(said.confidence, expected.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(said.score, said.confidence)


@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_of_two_classes_the_score_is_the_last_one_s_and_the_threshold_divides_them(
    tmp_path: Path, threshold: float
) -> None:
    data, given = classifier(k=2), rows(200)
    outputs = "{classes: {name: probs}, labels: [empty, occupied]}"
    place = folder(tmp_path, data, task="classification", outputs=outputs, rest=f"threshold: {threshold}")
    said = open_model(place).predict(given)
    expected = bare(data, given.astype("f"))
    np.testing.assert_allclose(said.score, expected[:, 1], atol=1e-6)
    np.testing.assert_array_equal(said.label, expected[:, 1] > threshold)
    np.testing.assert_allclose(said.confidence, expected[np.arange(200), said.label], atol=1e-6)


def test_logits_become_probabilities_where_the_card_says_so_and_are_refused_where_not(tmp_path: Path) -> None:
    data = classifier(softmax=False)
    place = folder(tmp_path, data, **CLASSES)
    with pytest.raises(ModelRefused, match="`probs` says") as caught:
        open_model(place)
    assert "softmax" in caught.value.hint
    outputs = "{classes: {name: probs, transform: softmax}, labels: [idle, running, jammed]}"
    said = open_model(folder(tmp_path, data, task="classification", outputs=outputs)).predict(rows(9))
    risen = np.exp(bare(data, rows(9).astype("f")).astype(float))
    np.testing.assert_allclose(said.confidence, (risen / risen.sum(axis=1, keepdims=True)).max(axis=1), atol=1e-6)


def test_one_logit_divides_two_classes(tmp_path: Path) -> None:
    outputs = "{classes: {name: probs, transform: sigmoid}, labels: [good, bad]}"
    data = classifier(k=1, softmax=False)
    model = open_model(folder(tmp_path, data, task="classification", outputs=outputs))
    expected = 1 / (1 + np.exp(-bare(data, rows(30).astype("f"))[:, 0].astype(float)))
    np.testing.assert_allclose(model.predict(rows(30)).score, expected, atol=1e-6)
    np.testing.assert_allclose(model.shares(rows(30))[:, 0], 1 - expected, atol=1e-6)


def test_a_score_divides_normal_from_anomalous_where_the_card_names_them(tmp_path: Path) -> None:
    outputs = "{reconstruction: {name: xhat}, labels: [normal, anomalous]}"
    model = open_model(folder(tmp_path, autoencoder(), outputs=outputs, rest="threshold: 2.5"))
    said = model.predict(rows(100))
    np.testing.assert_array_equal(said.label, said.score > 2.5)
    assert 0 < said.label.sum() < 100


def test_a_row_that_is_not_finite_is_never_scored_and_its_neighbours_do_not_notice(tmp_path: Path) -> None:
    model = open_model(folder(tmp_path, autoencoder(), inputs="{features: press, shape: [4], mean: [0], std: [0.001]}"))
    given = rows(6)
    alone = model.predict(given).score
    given[1, 2], given[3, 0], given[4, 1] = np.nan, np.inf, 1.7e308  # the last is infinite once divided
    said = model.predict(given)
    np.testing.assert_array_equal(np.isnan(said.score), [False, True, False, True, True, False])
    np.testing.assert_allclose(said.score[[0, 2, 5]], alone[[0, 2, 5]], atol=1e-12)
    assert np.isnan(model.predict(np.full((2, 4), np.nan)).score).all()
    assert len(model.predict(np.empty((0, 4)))) == 0


def test_an_answer_that_is_not_finite_is_no_prediction(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "two"], ["above"]), helper.make_node("Log", ["above"], ["y"])]
    model = open_model(folder(tmp_path, through(*nodes, constants={"two": np.float32(2)}), **SCORE))
    said = model.predict(np.array([[-1.0] * 4, [-5.0] * 4, [-2.0] * 4]))
    np.testing.assert_array_equal(said.score, [0, np.nan, np.nan])


def test_whole_numbers_are_rounded_and_those_out_of_range_are_not_scored(tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT)]
    nodes += [helper.make_node("ReduceSum", ["c", "axis"], ["y"], keepdims=1)]
    data = saved(nodes, [tensor("x", "n", 4, dtype=TensorProto.UINT8)], [tensor("y", "n", 1)], {"axis": np.array([1])})
    model = open_model(folder(tmp_path, data, **SCORE, inputs="{features: press, shape: [4], dtype: uint8}"))
    said = model.predict(np.array([[1.4, 2, 3, 4], [256, 0, 0, 0], [0, -1, 0, 0], [np.nan, 0, 0, 0]]))
    np.testing.assert_array_equal(said.score, [10, np.nan, np.nan, np.nan])


def test_a_model_made_for_one_batch_is_fed_such_batches(tmp_path: Path) -> None:
    fixed = open_model(folder(tmp_path / "fixed", autoencoder(batch=8)))
    free = open_model(folder(tmp_path / "free", autoencoder()))
    for n in (1, 7, 8, 9, 30):
        np.testing.assert_allclose(fixed.predict(rows(n)).score, free.predict(rows(n)).score, atol=1e-6)


def test_windows_are_shaped_and_standardised_by_axis(tmp_path: Path) -> None:
    nodes = [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)]
    data = saved(nodes, [tensor("x", "n", 2, 3)], [tensor("y", "n", 2)], {"axis": np.array([2])})
    inputs = "{features: press, shape: [2, 3], mean: [10, 20], std: [1, 2]}"
    model = open_model(folder(tmp_path, data, task="regression", inputs=inputs, outputs="{score: {name: y, index: 1}}"))
    said = model.predict(np.array([[10, 10, 10, 20, 22, 24.0]]))
    assert said.score[0] == pytest.approx(0 + 1 + 2)


def test_many_threads_may_ask_one_model_at_once(tmp_path: Path) -> None:
    model, given = open_model(folder(tmp_path, autoencoder())), rows(64)
    expected, wrong = model.predict(given).score, []

    def ask() -> None:
        wrong.extend([1 for _ in range(50) if not np.array_equal(model.predict(given).score, expected)])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong


def test_a_run_that_does_not_end_is_interrupted(tmp_path: Path) -> None:
    model = open_model(folder(tmp_path, stuck(), **SCORE))
    assert model.predict(np.zeros((1, 4))).score[0] == 0
    timer = threading.Timer(0.3, model.interrupt)
    timer.start()
    with pytest.raises(RunInterrupted):
        model.predict(np.full((1, 4), 1e9))
    assert model.predict(np.zeros((1, 4))).score[0] == 0


def test_a_run_that_asks_for_more_memory_than_models_may_have_fails_alone(tmp_path: Path) -> None:
    bounded = Options(together=100_000_000)
    swells = open_model(folder(tmp_path / "swelling", swelling(), **SCORE), bounded)
    sound = open_model(folder(tmp_path / "sound", autoencoder()), bounded)
    assert swells.predict(np.full((1, 4), 1e7)).score[0] == 1e7
    before = resident()
    with pytest.raises(RunFailed, match=r"asks for 1,000,000,000 bytes of memory, and .* are left to models"):
        swells.predict(np.full((1, 4), 250e6))
    free = open_model(tmp_path / "sound")
    np.testing.assert_allclose(sound.predict(rows(5)).score, free.predict(rows(5)).score, atol=1e-6)
    assert resident() - before < 30_000_000


@pytest.mark.parametrize(
    ("data", "parts", "words"),
    [
        (autoencoder(), {"inputs": "{features: press, shape: [5]}"}, r"is \[4\], and the card says \[5\]"),
        (autoencoder(), {"inputs": "{features: press, shape: [2, 2]}"}, r"is \[4\], and the card says \[2, 2\]"),
        (autoencoder(), {"inputs": "{features: press, shape: [4], name: z}"}, "no input `z`"),
        (autoencoder(), {"inputs": "{features: press, shape: [4], dtype: float64}"}, "is float32, and the card says"),
        (autoencoder(), {"outputs": "{reconstruction: {name: y}}"}, "no output `y`"),
        (autoencoder(), {**SCORE, "outputs": "{score: {name: xhat, index: 9}}"}, "4 columns, so none at 9"),
        (classifier(k=4), CLASSES, "4 classes, and the card 3 labels"),
        (through(helper.make_node("Log", ["x"], ["y"])), SCORE, "NaN or infinity"),
        (RESHAPED, SCORE, "can't answer"),
        (through(helper.make_node("Nonsense", ["x"], ["y"])), SCORE, "onnxruntime doesn't load it"),
        (outside(), SCORE, "weights lie in another file"),
        (b"", SCORE, "doesn't load it"),
        (autoencoder()[:-40], {}, "doesn't load it"),
        (bytes(range(256)) * 8, SCORE, "doesn't load it"),
    ],
)
def test_what_is_not_what_its_card_says_is_refused_with_what_to_do(
    tmp_path: Path, data: bytes, parts: dict[str, str], words: str
) -> None:
    with pytest.raises(ModelRefused, match=words) as caught:
        open_model(folder(tmp_path, data, **parts))
    assert caught.value.hint


def test_several_inputs_are_refused_by_their_names(tmp_path: Path) -> None:
    data = saved(
        [helper.make_node("Add", ["x", "z"], ["y"])],
        [tensor("x", "n", 4), tensor("z", "n", 4)],
        [tensor("y", "n", 4)],
        {},
    )
    with pytest.raises(ModelRefused, match=r"2 inputs \(x, z\)"):
        open_model(folder(tmp_path, data, **SCORE))


def test_a_file_that_was_changed_is_refused_with_both_digests(tmp_path: Path) -> None:
    place = folder(tmp_path, autoencoder())
    data = bytearray((place / "model.onnx").read_bytes())
    data[-1] ^= 1
    (place / "model.onnx").write_bytes(data)
    with pytest.raises(DigestWrong, match="its SHA-256 is") as caught:
        open_model(place)
    assert caught.value.said != caught.value.found


def test_a_file_larger_than_allowed_is_not_read(tmp_path: Path) -> None:
    place = folder(tmp_path, autoencoder())
    with pytest.raises(ModelTooLarge, match="at most 100 are allowed"):
        open_model(place, Options(largest_file=100))
    (place / "model.onnx").unlink()
    with pytest.raises(ModelUnknown):
        open_model(place)


def test_a_provider_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ProviderMissing, match="no provider cuda") as caught:
        open_model(folder(tmp_path, autoencoder()), Options(provider="cuda"))
    assert "cpu" in caught.value.hint


def test_values_of_another_width_are_the_caller_s_mistake(tmp_path: Path) -> None:
    model = open_model(folder(tmp_path, autoencoder()))
    with pytest.raises(InputInvalid, match="takes numbers, and was given <U1"):
        model.predict(np.array([["a", "b", "c", "d"]]))
    for wrong in (rows(3, 5), np.zeros(4), np.zeros((2, 2, 2))):
        with pytest.raises(InputInvalid, match="takes rows of 4 numbers"):
            model.predict(wrong)


@pytest.mark.parametrize("options", [Options(threads=2), Options(optimisation="off"), Options(arena=True)])
def test_options_change_how_a_model_runs_and_not_what_it_says(tmp_path: Path, options: Options) -> None:
    place = folder(tmp_path, autoencoder())
    said = open_model(place, options).predict(rows(9)).score
    np.testing.assert_allclose(said, open_model(place).predict(rows(9)).score, atol=1e-6)


def test_a_model_that_looks_at_its_whole_batch_is_found_out(tmp_path: Path) -> None:
    sound = open_model(folder(tmp_path / "sound", autoencoder()))
    mixed = through(helper.make_node("Softmax", ["x"], ["y"], axis=0))
    mixing = open_model(folder(tmp_path / "mixing", mixed, **SCORE))
    assert sound.mixing < 1e-6
    assert mixing.mixing == pytest.approx(0.79, abs=0.05)


def test_a_file_in_ort_s_own_format_says_what_its_onnx_says(tmp_path: Path) -> None:
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "made.ort")
    settings.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(autoencoder(), settings, providers=["CPUExecutionProvider"])
    place = folder(tmp_path / "ort", (tmp_path / "made.ort").read_bytes(), file="model.ort")
    same = open_model(folder(tmp_path / "onnx", autoencoder()))
    np.testing.assert_allclose(open_model(place).predict(rows(9)).score, same.predict(rows(9)).score, atol=1e-6)


def test_rows_of_many_blocks_are_scored_as_each_alone_and_a_bad_one_is_found_in_any(tmp_path: Path) -> None:
    model = open_model(folder(tmp_path, autoencoder(f=300), inputs="{features: press, shape: [300]}"))
    given = rows(2000, 300)  # 2.4 MB of float32: three blocks
    at = [0, 873, 874, 1747, 1748, 1999]
    given[[1, 900, 1998], 7] = np.nan
    said = model.predict(given)
    assert np.flatnonzero(np.isnan(said.score)).tolist() == [1, 900, 1998]
    alone = np.concatenate([model.predict(given[i : i + 1]).score for i in at])
    np.testing.assert_allclose(said.score[at], alone, rtol=0, atol=1e-6)
    in_parts = model.score(model.prepare(np.array_split(given, 7), Room()))
    np.testing.assert_allclose(in_parts.score, said.score, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(in_parts.label, said.label)
