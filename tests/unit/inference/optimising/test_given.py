"""A model and rows for it are read, or it's said what is wrong with them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.inference.making import DIGEST, autoencoder, folder, saved, tensor
from tests.unit.inference.optimising import nets

from holdfast.inference.optimising.errors import DataUnusable, ModelUnusable, OptimisingError
from holdfast.inference.optimising.given import Given, read_given
from holdfast.inference.optimising.samples import read_samples

FEATURES = "features: {s: {version: 1, select: {a: x.a, b: x.b, c: x.c, d: x.d}}}\n"
IMAGE = "{image: {width: 8, height: 8, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}, name: x, shape: [3, 8, 8]}"


def bare(at: Path, data: bytes = nets.dense(), task: str | None = None) -> Given:
    return read_given(nets.written(at / "model.onnx", data), task)


def said(attempt: Callable[[], object]) -> str:
    with pytest.raises(OptimisingError) as caught:
        attempt()
    assert caught.value.hint
    return str(caught.value)


def test_a_bare_file_is_known_by_its_ends(tmp_path: Path) -> None:
    given = bare(tmp_path)
    assert (given.input.name, given.input.shape, given.input.dtype) == ("x", (6,), "float32")
    assert (given.task, given.title, given.folder) == (None, "model.onnx", None)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda at: read_given(at / "nothing.onnx"), "can't be read"),
        (lambda at: bare(at, b"not a model"), "can't be loaded"),
        (lambda at: bare(at, b""), "can't be loaded"),
        (lambda at: read_given(nets.written(at / "m.tflite", b"TFL3")), "LiteRT"),
        (lambda at: bare(at, task="clairvoyance"), "no task is called clairvoyance"),
        (read_given, "model.yaml can't be read"),
        (
            lambda at: bare(
                at,
                saved(
                    [nets.node("Add", ["x", "z"], ["y"])],
                    [tensor("x", "n", 2), tensor("z", "n", 2)],
                    [tensor("y", "n", 2)],
                    {},
                ),
            ),
            "has 2 inputs (x, z)",
        ),
    ],
)
def test_what_is_no_model_to_work_on_is_said(tmp_path: Path, prepare: Callable[[Path], object], words: str) -> None:
    assert words in said(lambda: prepare(tmp_path))


def test_a_file_that_is_not_its_cards_is_refused(tmp_path: Path) -> None:
    at = folder(tmp_path, autoencoder(), task="anomaly", outputs="{reconstruction: {name: xhat}}")
    assert read_given(at).task == "anomaly"
    (at / "model.onnx").write_bytes(nets.dense())
    assert "is not the file its card tells of" in said(lambda: read_given(at))


def test_a_card_that_points_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("file: ../../etc/passwd\n")
    assert "points out of the folder" in said(lambda: read_given(tmp_path))


def test_rows_come_from_arrays_and_tables_alike(tmp_path: Path) -> None:
    at = folder(tmp_path / "m", autoencoder(), task="anomaly", outputs="{reconstruction: {name: xhat}}")
    (at / "features.yaml").write_text(FEATURES)
    given, x = read_given(at), nets.rows(5, 4)
    np.savez(tmp_path / "a.npz", x=x, y=[0, 1, 0, 0, 1])
    lines = [f"{d},{c},{b},{a},{int(i in (1, 4))}" for i, (a, b, c, d) in enumerate(x)]
    (tmp_path / "a.csv").write_text("\n".join(["d,c,b,a,label", *lines]) + "\n")
    one, other = (read_samples(tmp_path / name, given) for name in ("a.npz", "a.csv"))
    np.testing.assert_allclose(one.x, other.x, rtol=1e-6)
    assert one.y is not None
    assert other.y is not None
    assert one.y.tolist() == other.y.tolist() == [0, 1, 0, 0, 1]


def test_rows_are_standardised_as_the_card_says(tmp_path: Path) -> None:
    inputs = f"{{features: f@{DIGEST}, name: x, shape: [4], mean: [1, 2, 3, 4], std: [2, 2, 2, 2]}}"
    at = folder(tmp_path / "m", autoencoder(), task="anomaly", inputs=inputs, outputs="{reconstruction: {name: xhat}}")
    np.save(tmp_path / "a.npy", np.asarray([[1.0, 4.0, 3.0, 0.0]]))
    assert read_samples(tmp_path / "a.npy", read_given(at)).x.tolist() == [[0.0, 1.0, 0.0, -2.0]]


def test_a_folder_of_pictures_has_a_class_for_each_sub_folder(tmp_path: Path) -> None:
    at = folder(tmp_path / "m", nets.residual(), task="image-classification", inputs=IMAGE,
                outputs="{classes: {name: y}, labels: [ok, scratch, dent, stain]}")  # fmt: skip
    for name, level in (("scratch", 255), ("ok", 0)):
        (tmp_path / "p" / name).mkdir(parents=True)
        Image.new("RGB", (16, 12), (level,) * 3).save(tmp_path / "p" / name / "1.png")
    found = read_samples(tmp_path / "p", read_given(at))
    assert found.x.shape == (2, 3, 8, 8)
    assert found.y is not None
    assert found.y.tolist() == [0, 1]
    assert (found.x[0] == -2).all()
    assert (found.x[1] == 2).all()
    (tmp_path / "p" / "ok" / "2.png").write_bytes(b"no picture")
    assert "no picture" in said(lambda: read_samples(tmp_path / "p", read_given(at)))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.full((3, 6), np.nan)}, "3 of 3 rows have NaN or infinite values, the first is row 0"),
        ({"x": np.zeros((3, 5))}, "rows have shape [5], but the model's input x takes [6]"),
        ({"x": np.zeros((0, 6))}, "has no rows"),
        ({"x": np.asarray([["a"] * 6])}, "not numbers"),
        ({"x": np.zeros((3, 6)), "y": [1, 2]}, "3 rows but 2 labels"),
        ({"x": np.zeros((2, 6)), "y": [1.0, np.nan]}, "1 labels are missing or NaN"),
        ({"p": np.zeros((3, 6)), "q": np.zeros((3, 6))}, "has no array x, but p, q"),
    ],
)
def test_rows_that_cannot_be_used_are_said(tmp_path: Path, arrays: dict[str, nets.Array], words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]  # any name is a key
    given = bare(tmp_path)
    assert words in said(lambda: read_samples(tmp_path / "a.npz", given))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"a,b\n1,2\n3\n", "can't be read"),
        ("a.csv", b"name\nx\n", "no columns of numbers"),
        ("a.npz", b"PK\x03\x04 broken", "can't be read"),
        ("a.xls", b"", "nothing here reads .xls"),
    ],
)
def test_files_that_cannot_be_read_are_said(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    given = bare(tmp_path)
    assert words in said(lambda: read_samples(tmp_path / name, given))


def test_missing_calibration_data_and_labels_are_said(tmp_path: Path) -> None:
    given = bare(tmp_path)
    assert "isn't there" in said(lambda: read_samples(tmp_path / "none.npz", given))
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 6)))
    assert "no labels called kind" in said(lambda: read_samples(tmp_path / "a.npz", given, "kind"))
    assert read_samples(tmp_path / "a.npz", given).y is None


def test_an_unknown_class_is_said_with_those_there_are(tmp_path: Path) -> None:
    inputs, outputs = (
        f"{{features: f@{DIGEST}, name: x, shape: [6]}}",
        "{classes: {name: y}, labels: [low, middle, high]}",
    )
    at = folder(tmp_path / "m", nets.dense(), task="classification", inputs=inputs, outputs=outputs)
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 6)), y=["low", "huge"])
    with pytest.raises(DataUnusable, match="no class huge") as caught:
        read_samples(tmp_path / "a.npz", read_given(at))
    assert "low, middle, high" in caught.value.hint


def test_few_rows_are_drawn_alike_every_time(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=nets.rows(100, 6), y=np.arange(100) % 3)
    samples = read_samples(tmp_path / "a.npz", bare(tmp_path))
    few, again = samples.few(10), samples.few(10)
    assert (few.x == again.x).all()
    assert len(few) == 10
    assert issubclass(ModelUnusable, OptimisingError)
