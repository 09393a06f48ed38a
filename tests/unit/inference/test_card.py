"""What a model's card may say."""

from pathlib import Path

import pytest

from holdfast.inference.card import load_card, parse_card
from holdfast.inference.errors import ModelUnknown
from holdfast.kernel.documents import SettingsInvalid

GOOD = """\
model: occupancy
version: 1.0.0
task: classification
file: model.onnx
sha256: {digest}
inputs:
  features: occupancy-room@0123456789abcdef
  name: x
  shape: [5]
  mean: [1, 2, 3, 4, 5]
  std: [1, 1, 1, 1, 1]
outputs:
  classes: {{name: probs}}
  labels: [empty, occupied]
threshold: 0.5
budget: 50ms
memory: 8MB
metrics: {{accuracy: 0.979, data: UCI datatest}}
trained: {{from: 2015-02-04, rows: 8143}}
baseline:
  temperature: {{edges: [19, 20, 21], shares: [0.5, 0.5]}}
  prediction: {{edges: [0.5], shares: [0.2, 0.8]}}
licence: Apache-2.0
""".format(digest="ab" * 32)


def said(text: str) -> str:
    with pytest.raises(SettingsInvalid) as caught:
        parse_card(text, Path("model.yaml"))
    return str(caught.value)


def test_a_card_is_read_with_its_units(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text(GOOD)
    card = load_card(tmp_path)
    assert (card.ref, card.kind, card.width, card.labels) == ("occupancy@1.0.0", "onnx", 5, ("empty", "occupied"))
    assert (card.budget, card.memory) == (0.05, 8_000_000)
    assert (card.feature_set, card.feature_hash) == ("occupancy-room", "0123456789abcdef")


def test_an_unknown_key_is_refused_with_the_nearest_name_and_its_line() -> None:
    assert "model.yaml:15: treshold: unknown key; did you mean `threshold`?" in said(
        GOOD.replace("threshold", "treshold")
    )


def test_every_problem_is_said_at_once() -> None:
    bad = GOOD.replace("model: occupancy", "model: Occu pancy").replace("version: 1.0.0", "version: one")
    bad = bad.replace("shape: [5]", "shape: [0]").replace("ab" * 32, "zz").replace("[empty, occupied]", "[a, a]")
    words = said(bad)
    assert words.startswith("5 problems")
    assert all(f"model.yaml:{line}:" in words for line in (1, 2, 5, 9, 14))


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("file: model.onnx", "file: ../model.onnx", "a plain file name beside the card"),
        ("file: model.onnx", "file: model.pkl", "ends in .onnx, .ort, .tflite"),
        ("file: model.onnx", "file: model.onnx\nruntime: litert", "is run by onnx"),
        ("std: [1, 1, 1, 1, 1]", "std: [1, 1, 0, 1, 1]", "numbers above 0"),
        ("std: [1, 1, 1, 1, 1]", "std: [1, 1]", "2 numbers, and a row has 5"),
        ("mean: [1, 2, 3, 4, 5]", "mean: [1, 2, 3, 4, .nan]", "finite"),
        ("shape: [5]", "shape: [5000000]", "at most 5 axes"),
        ("  classes: {name: probs}\n", "", "say where classes are"),
        ("  labels: [empty, occupied]\n", "", "at least two"),
        ("[empty, occupied]", "[off, on]", 'in quotes, as in "off"'),
        ("std: [1, 1, 1, 1, 1]", "std: [1e-3, 1, 1, 1, 1]", "as in 1.0e-3"),
        ("threshold: 0.5", "threshold: .inf", "finite"),
        ("budget: 50ms", "budget: 2h", "at most 1h"),
        ("edges: [0.5], shares: [0.2, 0.8]", "edges: [0.5], shares: [0.2, 0.9]", "add up to 1"),
        ("task: classification", "task: anomaly", "either `score` or `reconstruction`"),
        ("task: classification", "task: regression", "has `score` and nothing else"),
        ("task: classification", "task: image-classification", "belong together"),
        ("features: occupancy-room@0123456789abcdef", "features: occupancy-room@12", "16 hex digits"),
        ("  features: occupancy-room@0123456789abcdef\n", "", "either `features`"),
    ],
)
def test_what_a_card_may_not_say_is_refused_with_what_to_write(was: str, now: str, words: str) -> None:
    assert was in GOOD
    assert words in said(GOOD.replace(was, now))


def test_a_picture_s_shape_follows_from_its_layout() -> None:
    image = "  image: {width: 96, height: 64, channels: 3, layout: nhwc, mean: [0.5], std: [0.2, 0.2, 0.2]}"
    text = GOOD.replace("  features: occupancy-room@0123456789abcdef", image).replace(
        "task: classification", "task: image-classification"
    )
    text = text.replace("  mean: [1, 2, 3, 4, 5]\n  std: [1, 1, 1, 1, 1]\n", "")
    assert "it is [64, 96, 3]" in said(text)
    assert parse_card(text.replace("shape: [5]", "shape: [64, 96, 3]"), Path("x")).value.width == 64 * 96 * 3


def test_which_axis_is_standardised_is_never_guessed() -> None:
    square = GOOD.replace("shape: [5]", "shape: [5, 5]")
    assert "nobody knows which is meant" in said(square)
    assert parse_card(GOOD.replace("shape: [5]", "shape: [60, 5]"), Path("x")).value.width == 300


def test_a_card_can_not_multiply_itself_or_be_endless(tmp_path: Path) -> None:
    assert "aliases" in said("a: &a [1]\nb: [*a, *a]\n")
    assert "nested too deeply" in said("a: " + "[" * 200)
    (tmp_path / "model.yaml").write_text("# " + "x" * 1_000_001)
    with pytest.raises(SettingsInvalid, match="at most 1,000,000 bytes"):
        load_card(tmp_path)


def test_a_folder_without_a_card_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknown, match=r"there is no .*model\.yaml"):
        load_card(tmp_path)
