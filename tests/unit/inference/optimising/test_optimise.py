"""Candidates made, measured and picked in child processes; one run for all of these tests."""

import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from tests.unit.inference.making import DIGEST, endless, folder
from tests.unit.inference.optimising import nets

from holdfast.inference.card import load_card
from holdfast.inference.optimising import workshop, writing
from holdfast.inference.optimising.comparing import mcnemar
from holdfast.inference.optimising.given import Given, read_given
from holdfast.inference.optimising.jobs import Failed, Make, Weigh
from holdfast.inference.optimising.optimise import Run, Wishes
from holdfast.inference.optimising.pareto import Limits
from holdfast.inference.optimising.report import Report
from holdfast.inference.optimising.samples import Samples, read_samples

INPUTS = f"{{features: f@{DIGEST}, name: x, shape: [6]}}"
OUTPUTS = "{classes: {name: y}, labels: [low, middle, high]}"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Given, Report, Run]:
    at = tmp_path_factory.mktemp("optimise")
    model = folder(at / "m", nets.dense(1024), task="classification", inputs=INPUTS, outputs=OUTPUTS)
    (model / "features.yaml").write_text("features: {f: {version: 1, select: {a: x}}}\n")
    (model / "weights.bin").write_bytes(b"x")
    given, x = read_given(model), nets.rows(300, 6)
    np.savez(at / "a.npz", x=x, y=nets.ran(model / "model.onnx", x).argmax(1))
    samples = read_samples(at / "a.npz", given)
    work = at / "work"
    work.mkdir()
    run = Run(given, samples, samples, Wishes(Limits(0.02), "size", ("float16-weights",), race_s=0.2), work)
    return given, run.report(), run


def test_every_candidate_is_measured_on_the_same_rows(ran: tuple[Given, Report, Run]) -> None:
    _, report, _ = ran
    assert [row.name for row in report.candidates] == ["original", "graph", "float16-weights"]
    assert (report.metric, report.rows, report.labelled, report.task) == ("accuracy", 300, True, "classification")
    for row in report.candidates:
        assert not row.why
        assert row.value > 0.98
        assert row.size > 0 < row.p50_ms <= row.p99_ms
    first, half = report.candidates[0], report.row("float16-weights")
    assert (first.value, first.loss) == (1.0, 0.0)
    assert half.size < 0.7 * first.size
    assert report.pick == "float16-weights"
    assert half.front
    assert half.picked


def test_the_pick_is_written_as_a_model_that_loads(tmp_path: Path, ran: tuple[Given, Report, Run]) -> None:
    given, report, run = ran
    out = tmp_path / "small"
    done = writing.write(given, report, run.file_of("float16-weights"), out)
    assert done.out == str(out)
    assert sorted(p.name for p in out.iterdir()) == ["features.yaml", "model.onnx", "model.yaml", "report.json"]
    card = load_card(out)
    assert (card.version, card.file, card.model) == ("1.0.0-opt", "model.onnx", given.card["model"])
    assert card.metrics["accuracy"] == pytest.approx(report.row("float16-weights").value)
    assert card.optimised["by"].startswith("float16-weights")
    assert read_given(out).sha256 == card.sha256
    told = msgspec.json.decode((out / "report.json").read_bytes(), type=Report)
    assert told.pick == "float16-weights"
    with pytest.raises(writing.OutTaken):
        writing.write(given, report, run.file_of("float16-weights"), out)


def test_a_bare_file_gets_a_card_with_what_can_be_known(ran: tuple[Given, Report, Run]) -> None:
    given, report, _ = ran
    alone = read_given(given.path)
    card = writing.card_of(alone, report, report.row("float16-weights"), "model.onnx", "0" * 64)
    assert card["outputs"] == {"classes": {"name": "y"}, "labels": ["0", "1", "2"]}
    assert card["inputs"]["shape"] == [6]
    assert yaml.safe_load(yaml.safe_dump(card)) == card


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1.0.0", "1.0.0-opt"),
        ("1.0.0-opt", "1.0.0-opt.2"),
        ("1.0.0-opt.2", "1.0.0-opt.3"),
        ("1.0.0-rc1", "1.0.0-rc1.opt"),
    ],
)
def test_versions_go_on(before: str, after: str) -> None:
    assert writing.version_after(before) == after


def test_a_child_that_never_ends_is_a_failed_candidate(tmp_path: Path) -> None:
    path = nets.written(tmp_path / "m.onnx", endless())
    np.save(tmp_path / "x.npy", np.zeros((2, 4), "f"))
    began = time.perf_counter()
    answer = workshop.run(Weigh(str(path), str(tmp_path / "x.npy"), str(tmp_path / "o.npz")), 2.0)
    assert isinstance(answer, Failed)
    assert "not done within 2 s" in answer.why
    assert time.perf_counter() - began < 10


def test_a_library_that_chokes_is_a_failed_candidate(tmp_path: Path) -> None:
    path = nets.written(tmp_path / "m.onnx", nets.dense())
    np.save(tmp_path / "x.npy", np.zeros((2, 7), "f"))  # not what the model takes
    answer = workshop.run(Make("int8-minmax", str(path), str(tmp_path / "x.npy"), str(tmp_path / "o.onnx")), 30)
    assert isinstance(answer, Failed)
    assert "INVALID_ARGUMENT" in answer.why or "Invalid" in answer.why


def test_few_rows_say_nothing_many_do() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(1, 5) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar(900, 1200) < 1e-6


def test_samples_know_their_length() -> None:
    assert len(Samples(np.zeros((3, 2)), None, "here")) == 3
