"""`holdfast model optimise|bench|compare` as typed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.inference.making import DIGEST, folder
from tests.unit.inference.optimising import nets

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
INPUTS, OUTPUTS = f"{{features: f@{DIGEST}, name: x, shape: [6]}}", "{classes: {name: y}, labels: [low, middle, high]}"


def holdfast(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "holdfast", "model", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    at = folder(tmp_path / "m", nets.dense(1024), task="classification", inputs=INPUTS, outputs=OUTPUTS)
    x = nets.rows(300, 6)
    y = nets.ran(at / "model.onnx", x).argmax(1)
    np.savez(tmp_path / "good.npz", x=x, y=y)
    np.savez(tmp_path / "nan.npz", x=np.where(x > 2, np.nan, x), y=y)
    return at


def test_a_pick_is_written_and_passes_check(model: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "good.npz", tmp_path / "out"
    words = ("--calibrate", data, "--evaluate", data, "--out", out, "--prefer", "size", "--max-loss", "5%")
    done = holdfast("optimise", model, *words, "--only", "int8-minmax", "--only", "int8-ort", "--seconds", "0.5")
    assert done.returncode == 0, done.stderr
    assert "times smaller" in done.stdout
    assert f"written: {out}" in done.stdout
    checked = holdfast("check", out)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    both = holdfast("compare", model, out, "--data", data, "--seconds", "0.5", "--json")
    told = json.loads(both.stdout)
    assert told["agreement"] > 0.9
    assert np.sum(told["confusion"]) == 300
    assert told["a"]["value"] == 1.0


def test_it_is_refused_when_too_much_is_lost_and_nothing_is_written(model: Path, tmp_path: Path) -> None:
    data, out = tmp_path / "good.npz", tmp_path / "out"
    words = ("--calibrate", data, "--evaluate", data, "--out", out, "--max-loss", "0%", "--seconds", "0.5")
    done = holdfast("optimise", model, *words, "--only", "channels-half", "--prefer", "latency", "--max-size", "10kB")
    assert done.returncode == 1
    assert "refused" in done.stdout
    assert not out.exists()


def test_bench_tells_times_by_batch_and_threads(model: Path) -> None:
    told = json.loads(
        holdfast("bench", model, "--batch", "1,8", "--threads", "1,2", "--seconds", "0.5", "--json").stdout
    )
    assert [(pace["batch"], pace["threads"]) for pace in told["paces"]] == [(1, 1), (8, 1), (1, 2), (8, 2)]
    assert all(0 < pace["p50_ms"] <= pace["p99_ms"] for pace in told["paces"])
    assert told["random"] is True
