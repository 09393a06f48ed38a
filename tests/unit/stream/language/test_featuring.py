"""Feature documents: every problem at once, with its line; deployments told what they can't have."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.kernel.documents import SettingsInvalid
from holdfast.stream.features.errors import FeaturesUnfit
from holdfast.stream.features.sets import FeatureSet
from holdfast.stream.language.featuring import compile_features, compile_stored, load_features

GOOD = """
features:
  room:
    version: 3
    from: readings where device like 'room-%'
    select:
      t: air.temperature
      w: latest('weather', 'air.temperature')
    window: sliding 10 samples
"""


def load(folder: Path, text: str) -> list[FeatureSet]:
    file = folder / "features.yaml"
    file.write_text(text)
    return load_features([file])


def problems(folder: Path, text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(SettingsInvalid) as error:
        load(folder, text)
    return [(p.line, ".".join(map(str, p.where[1:])), p.message) for p in error.value.problems]


def test_a_set_knows_its_numbers_and_what_it_reads(tmp_path: Path) -> None:
    (found,) = load(tmp_path, GOOD)
    assert (found.name, found.version, found.columns) == ("room", 3, ("t", "w"))
    assert (found.inputs, found.others) == (("air.temperature",), ("weather/air.temperature",))


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    text = """features:
  Room:
    select:
      t: samples(x, 3) + 1
      u: nope(x)
      tt: upper(mode)
      n: samples(x, 3)
      flags: x
      a: x, y
    from: readings where metric = 'x'
    window: tumbling 10s late 1s
    missing: {fill: {tx: 3}}
  empty: {select: {}}
  other: {select: {a: "latest('d', 'm')"}, from: hot}
  wide: {select: {a: "samples(x, 1000)", b: "samples(y, z, v, w, 1000)"}, window: sliding 1000 samples}
  hot: {select: {p: "one_hot(mode, 'On air', 'on-air')", q: "one_hot(mode, 'a', 'a')", r: one_hot(mode)}}
"""
    found = problems(tmp_path, text)
    told = {(line, where): message for line, where, message in found}
    assert "is no name" in told[2, "Room"]
    assert "nothing is computed with it" in told[4, "Room.select.t"]
    assert "isn't available; did you mean" in told[5, "Room.select.u"]
    assert "is a text; a model takes numbers" in told[6, "Room.select.tt"]
    assert "needs a window of so many samples" in told[7, "Room.select.n"]
    assert "stands for something else" in told[8, "Room.select.flags"]
    assert "expected one expression" in told[9, "Room.select.a"]
    assert "a row is of a device" in told[10, "Room.from"]
    assert "scored once" in told[11, "Room.window"]
    assert "no feature is called `tx`; did you mean `t`?" in told[12, "Room.missing"]
    assert "1 to 1,000 features" in told[13, "empty.select"]
    assert "not of rule `hot`" in told[14, "other.from"]
    assert "5,000 numbers, of 4,096 allowed" in told[15, "wide.select"]
    assert "stands twice" in told[16, "hot.select.q"]
    assert "write `one_hot(x" in told[16, "hot.select.r"]
    assert (16, "hot.select.p") not in told


def test_a_set_without_a_metric_of_its_own_and_an_unknown_key_are_refused(tmp_path: Path) -> None:
    assert "reads no metric" in problems(tmp_path, "features: {a: {select: {a: \"latest('d', 'm')\"}}}")[0][2]
    assert "unknown key" in problems(tmp_path, "features: {a: {select: {a: x}, windo: none}}")[0][2]
    assert "is missing" in problems(tmp_path, "features: {a: {}}")[0][2]


def test_a_name_in_two_files_is_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for path in paths:
        path.write_text("features: {a: {select: {a: x}}}\n")
    with pytest.raises(SettingsInvalid, match="stand in another file too"):
        load_features(paths)


def test_a_deployment_is_told_all_that_it_cannot_have(tmp_path: Path) -> None:
    (found,) = load(tmp_path, GOOD)
    with pytest.raises(FeaturesUnfit) as error:
        compile_features(found, "d", "", {"air.temp": "x", "weather/air.temperature": "x"})
    assert [key for key, _ in error.value.faults] == ["inputs", "inputs"]
    assert "did you mean `air.temperature`?" in error.value.faults[0][1]
    with pytest.raises(FeaturesUnfit) as error:
        compile_features(found, "d", "readings where metric = 'x'")
    assert [key for key, _ in error.value.faults] == ["from"]


def test_a_deployment_chooses_devices_in_place_of_the_set_and_names_metrics_of_any_kind(tmp_path: Path) -> None:
    (found,) = load(tmp_path, GOOD)
    made = compile_features(found, "d", "readings where device = 'hall'", {"air.temperature": "Temp (°C)"})
    assert made.matches("gw", "hall")
    assert not made.matches("gw", "room-1")
    assert made.stage.metrics == ("Temp (°C)",)
    assert made.name == "features:d"
    assert compile_features(found, "d").matches("gw", "room-1")


def test_a_number_with_a_unit_converts_as_in_rules(tmp_path: Path) -> None:
    (found,) = load(tmp_path, "features: {f: {select: {t: \"air.temperature 'degF'\"}}}")
    made = compile_features(found, "d")
    assert made.stage.inputs[0].unit == "degF"
    assert compile_features(found, "d", "", {"air.temperature": "t.out"}).stage.inputs[0].unit == "degF"


def test_a_line_whose_table_is_gone_is_refused_as_a_rule_would_be(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("device,place\na,hall\n")
    (found,) = load(tmp_path, "features: {f: {select: {x: x, p: \"lookup('t.csv', 'place') = 'hall'\"}}}")
    document = compile_features(found, "d").document
    made = compile_stored(document)
    assert made is not None
    assert made.document == document
    (tmp_path / "t.csv").unlink()
    with pytest.raises(SettingsInvalid, match="can't be read"):
        compile_stored(document)
    assert compile_stored(b'{"name":"hot"}') is None
    with pytest.raises(SettingsInvalid):
        compile_stored(b'{"features":7}')


ATOMS = [
    "x", "y.z", "'a'", "1", "1e400", "null", "ts", "window_end", "*", "-", "+", "/", "(", ")", ",", "avg(", "samples(",
    "one_hot(", "latest('d','m')", "lookup('t.csv','p')", "delta(", "case", "when", "then", "end", "quality(x)",
    "device", "'degF'", "in", "=", "60",
]  # fmt: skip
WORDS = st.lists(st.sampled_from(ATOMS), min_size=1, max_size=7).map(" ".join)
CALLS = st.sampled_from(
    ["avg({})", "samples({}, 3)", "samples(x, {}, 2)", "one_hot({}, 'a', 'b')", "{} + 1", "delta({})", "sum({}) = 'a'"]
)
INNER = st.sampled_from(["x", "mode", "x + y.z", "quality(x)", "ts", "x 'degF'"])
WINDOWS = st.sampled_from(["none", "sliding 5 samples", "sliding 10s", "tumbling 5s", "count 8 every 2", "session 5s"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=WORDS, call=CALLS, inner=INNER, window=WINDOWS)
def test_whatever_is_written_is_compiled_or_told(
    tmp_path: Path, words: str, call: str, inner: str, window: str
) -> None:
    for expression in (words, call.format(inner), call.format(words)):
        text = json.dumps({"features": {"f": {"select": {"a": expression, "b": "x"}, "window": window}}})
        try:
            (found,) = load(tmp_path, text)
        except SettingsInvalid as told:
            lines = [problem.line for problem in told.problems]
        else:
            lines = [1]
            made = compile_features(found, "d", "", {"x": "a.b"})
            assert made.features is not None
            assert made.features.columns == found.columns
            assert "x" not in made.stage.metrics
        assert set(lines) == {1}
