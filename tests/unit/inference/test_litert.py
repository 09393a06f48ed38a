"""LiteRT files, scored like any others."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.inference.making import folder, weights
from tests.unit.inference.making_litert import dense, quantised_logistic
from tests.unit.inference.test_door import SCORE, rows

from holdfast.inference.door import open_model
from holdfast.inference.errors import ModelRefused, ProviderMissing
from holdfast.inference.runtimes.port import Options

A, B = weights()
FILE = "model.tflite"


def rebuilt_off(given: np.ndarray) -> np.ndarray:
    score: np.ndarray = ((np.tanh(given @ A) @ B - given) ** 2).mean(axis=1)
    return score


@pytest.mark.parametrize(("batch", "reshape"), [(-1, False), (1, False), (1, True), (8, True)])
def test_a_file_for_any_batch_or_one_scores_as_arithmetic_does(tmp_path: Path, batch: int, *, reshape: bool) -> None:
    model = open_model(folder(tmp_path, dense(A, B, batch, reshape=reshape), file=FILE))
    for n in (1, 3, 20):
        np.testing.assert_allclose(model.predict(rows(n)).score, rebuilt_off(rows(n)), atol=1e-5)


def test_quantised_inputs_and_outputs_are_converted_by_the_file_s_scales(tmp_path: Path) -> None:
    model = open_model(folder(tmp_path, quantised_logistic(), file=FILE, **SCORE))
    given = np.array([[-3.0, 0, 0, 0], [0, 0, 0, 0], [2, 0, 0, 0], [99, 0, 0, 0], [np.nan, 0, 0, 0]])
    said = model.predict(given).score
    np.testing.assert_allclose(said[:3], 1 / (1 + np.exp(-given[:3, 0])), atol=0.01)
    assert said[3] > 0.99
    assert np.isnan(said[4])


def test_a_file_that_is_none_or_damaged_is_refused(tmp_path: Path) -> None:
    sound = dense(A, B)
    for at, data in enumerate((b"", b"rubbish", sound[:200], b"\x1c\x00\x00\x00TFL3" + bytes(200))):
        with pytest.raises(ModelRefused):
            open_model(folder(tmp_path / str(at), data, file=FILE))


def test_only_the_processor_runs_them(tmp_path: Path) -> None:
    with pytest.raises(ProviderMissing, match="no provider cuda"):
        open_model(folder(tmp_path, dense(A, B), file=FILE), Options(provider="cuda"))
