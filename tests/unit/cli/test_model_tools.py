"""What `holdfast model optimise|bench|compare` refuse before any work is done."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.inference.making import DIGEST, folder
from tests.unit.inference.optimising import nets
from typer.testing import CliRunner

from holdfast.cli.main import app

INPUTS, OUTPUTS = f"{{features: f@{DIGEST}, name: x, shape: [6]}}", "{classes: {name: y}, labels: [low, middle, high]}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    x = nets.rows(30, 6)
    np.savez(tmp_path / "good.npz", x=x, y=np.arange(30) % 3)
    np.savez(tmp_path / "nan.npz", x=np.where(x > 1, np.nan, x))
    return folder(tmp_path / "m", nets.dense(), task="classification", inputs=INPUTS, outputs=OUTPUTS)


def refused(*words: object) -> str:
    done = CliRunner().invoke(app, ["model", *map(str, words)])
    assert done.exit_code == 2
    assert not done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--calibrate", "none.npz", "--evaluate", "good.npz"), "none.npz isn't there"),
        (("--calibrate", "nan.npz", "--evaluate", "good.npz"), "have NaN or infinite values"),
        (("--calibrate", "good.npz", "--evaluate", "good.npz", "--label", "kind"), "no labels called kind"),
        (
            ("--calibrate", "good.npz", "--evaluate", "good.npz", "--max-loss", "lots"),
            "--max-loss lots is no share\nas in 1%",
        ),
        (("--calibrate", "good.npz", "--evaluate", "good.npz", "--max-size", "big"), "--max-size big: expected a size"),
        (("--calibrate", "good.npz", "--evaluate", "good.npz", "--only", "magic"), "no candidate is called magic"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(model: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    given = [tmp_path / word if word.endswith(".npz") else word for word in words]
    assert said in refused("optimise", model, *given)


def test_a_folder_that_holds_something_is_not_written_into(model: Path, tmp_path: Path) -> None:
    data = tmp_path / "good.npz"
    assert "is there already" in refused("optimise", model, "--calibrate", data, "--evaluate", data, "--out", model)


def test_a_model_that_nobody_knows_is_said(tmp_path: Path) -> None:
    assert "clairvoyant" in refused("bench", "clairvoyant")
    assert "can't be read" in refused("bench", tmp_path / "none.onnx")


@pytest.mark.parametrize(("option", "value"), [("--batch", "1,none"), ("--batch", "0"), ("--threads", "1,,2")])
def test_sizes_that_are_no_numbers_are_said(model: Path, option: str, value: str) -> None:
    assert f"{option} {value}" in refused("bench", model, option, value)
