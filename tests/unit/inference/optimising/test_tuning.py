"""Training again after channels were cut out, and a student's training; with PyTorch, which the dev set hasn't."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.inference.optimising import nets

from holdfast.inference.optimising import tuning
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.jobs import Make

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")

FACTORIES = """
import torch
from torch import nn

def wide(n=32):
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, n, 3, padding=1, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
                         nn.Conv2d(n, n, 3, padding=1, groups=n, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
                         nn.Conv2d(n, 16, 1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 4), nn.Softmax(1))

def narrow():
    return wide(8)

def broken():
    raise RuntimeError("no weights here")

def text():
    return "a model"
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.chdir(tmp_path)
    name = f"factories_{os.getpid()}"
    (tmp_path / f"{name}.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    x = nets.rows(256, 3, 8, 8)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "train.npz", x=x)
    options: dict[str, Any] = {
        "teacher": f"{name}:wide",
        "student": f"{name}:narrow",
        "train": str(tmp_path / "train.npz"),
    }
    (tmp_path / "m.onnx").write_bytes(nets.residual())
    model, rows, out = (str(tmp_path / part) for part in ("m.onnx", "x.npy", "out.onnx"))
    made = Make("channels-tuned", model, rows, out, {**options, "seconds": 4.0, "seed": 1})
    tuning.export(tuning._made(made, "teacher"), made, tmp_path / "teacher.onnx")
    return made


def agreement(job: Make) -> float:
    x, out = np.load(job.calibrate), Path(job.out)
    return float((nets.ran(out, x).argmax(1) == nets.ran(out.with_name("teacher.onnx"), x).argmax(1)).mean())


def test_half_of_the_channels_are_gone_and_the_model_has_learnt_to_do_without(job: Make) -> None:
    told = tuning.pruned(job)
    sizes = sorted({w.shape[0] for name, w in nets.held(Path(job.out)).items() if w.ndim == 4})
    assert sizes == [8, 16], told
    assert agreement(job) > 0.85


def test_a_student_learns_what_the_teacher_says(job: Make) -> None:
    assert "weights" in tuning.distilled(job)
    assert Path(job.out).stat().st_size < Path(job.out).with_name("teacher.onnx").stat().st_size
    assert agreement(job) > 0.6


@pytest.mark.parametrize(
    ("factory", "words"), [("broken", "no weights here"), ("text", "gives str"), ("none", "no attribute")]
)
def test_a_factory_that_makes_no_module_is_a_row_not_a_crash(job: Make, factory: str, words: str) -> None:
    job.options["student"] = f"factories_{os.getpid()}:{factory}"
    with pytest.raises(NotPossible, match=words):
        tuning.distilled(job)


def test_without_a_student_there_is_no_distillation(job: Make) -> None:
    job.options["student"] = ""
    with pytest.raises(NotPossible, match="--student"):
        tuning.distilled(job)
