"""Bent model files are refused or answer; one that breaks its library breaks only the process that tries it."""

import resource
from pathlib import Path
from random import Random

import pytest
from tests.unit.fuzz.mutating import mutated
from tests.unit.inference.making import autoencoder, folder, stuck, weights
from tests.unit.inference.making_litert import dense, quantised_logistic
from tests.unit.inference.test_door import SCORE, rows

from holdfast.inference.door import open_model
from holdfast.inference.errors import InferenceError
from holdfast.inference.runtimes.port import Options
from holdfast.inference.trials import Trials

pytestmark = pytest.mark.system
QUICK = Options(load_s=1.0, largest_memory=300_000_000)
ROUNDS = 12


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("corpus", "file"),
    [
        ([autoencoder(), stuck()], "model.onnx"),
        ([dense(*weights()), dense(*weights(), 8, reshape=True), quantised_logistic()], "model.tflite"),
    ],
)
def test_bent_files_are_refused_or_answer(tmp_path: Path, corpus: list[bytes], file: str) -> None:
    refused, rng, trials = list[InferenceError](), Random(1), Trials()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for turn in range(ROUNDS):
        data = mutated(rng.choice(corpus), corpus, rng)
        parts = {} if turn % 2 else SCORE
        try:
            model = open_model(folder(tmp_path / str(turn), data, file=file, **parts), QUICK, trials)
        except InferenceError as error:
            refused.append(error)
        else:
            assert len(model.predict(rows(3))) == 3
    assert len(refused) > ROUNDS / 3
    assert all(error.hint for error in refused)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
