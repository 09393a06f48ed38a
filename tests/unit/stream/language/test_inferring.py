"""`infer(…)` in rules: the name of a model's result."""

from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.stream.language.loading import load_text
from holdfast.stream.rules import CompiledRule


def rule(*lines: str) -> CompiledRule:
    text = "rules:\n  a:\n" + "".join(f"    {line}\n" for line in lines)
    return load_text(text, Path("/none/rules.yaml"), {}).rules[0]


def faults(*lines: str) -> str:
    with pytest.raises(SettingsInvalid) as raised:
        rule(*lines)
    return str(raised.value)


def test_a_models_result_is_read_as_the_reading_that_it_comes_back_as() -> None:
    named = rule("select: infer('pump') as s, infer('pump', 'ms') as t", "when: s > 0.8")
    plain = rule("select: ml.pump.score as s, ml.pump.ms as t", "when: s > 0.8")
    assert named.stage.inputs == plain.stage.inputs
    assert named.stage.signature == plain.stage.signature


def test_a_condition_over_results_alone_needs_no_select() -> None:
    made = rule("when: infer('pump') > 0.8 and infer('pump', 'label') = 'leak'")
    assert [(i.metric, i.is_text) for i in made.stage.inputs] == [("ml.pump.score", False), ("ml.pump.label", True)]
    assert made.names == ("ml.pump.score", "ml.pump.label")


def test_a_condition_takes_a_selected_result_under_its_own_name() -> None:
    made = rule("select: air.t, infer('pump') as s", "when: infer('pump') > 0.8 and air.t > 20")
    assert made.names == ("air.t", "s")
    assert made.when is not None
    assert bool(made.when([21.0, 0.9]))
    assert not bool(made.when([21.0, 0.7]))


def test_texts_of_results_are_texts_wherever_they_stand() -> None:
    made = rule("select: infer('pump', 'version') as v, infer('pump', 'how') as h, infer('pump') as s", "when: s > 1")
    assert made.texts == {0, 1}


def test_results_go_through_windows_like_any_reading() -> None:
    made = rule("select: avg(infer('pump')) as m", "window: sliding 10 samples", "when: m > 0.5")
    assert made.stage.inputs[0].metric == "ml.pump.score"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("when: infer('pump', 'lable') = 'x'", "a result has no `lable`; did you mean `label`?"),
        ("when: infer(pump) > 1", "in single quotes"),
        ("when: infer('pump', air.t, air.h) > 1", "what goes into a model is said by its feature set"),
        ("when: infer('pump-1') > 1", "is no deployment's name"),
        ("when: infer() > 1", "in single quotes"),
    ],
)
def test_what_infer_cannot_mean_is_told_with_what_to_write(line: str, said: str) -> None:
    assert said in faults(line)
