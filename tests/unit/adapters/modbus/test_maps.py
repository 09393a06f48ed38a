"""Register maps: what's wrong is said where it stands; the shipped ones are sound."""

import re
from pathlib import Path

import pytest

from holdfast.adapters.modbus.maps import BUILTIN, load_map, map_path
from holdfast.codecs.generating import profiles_of
from holdfast.kernel.documents import Document, Problem, SettingsInvalid


def faults(folder: Path, text: str) -> list[str]:
    path = folder / "meter.yaml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid) as error:
        load_map(path)
    return [f"{one.line} {'.'.join(map(str, one.where))}: {one.message}" for one in error.value.problems]


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("{at: 70000, metric: m}", "points.p.at: expected a whole number at least 0 and at most 65536"),
        ("{at: 65535, as: u32, metric: m}", "points.p.at: its last register is 65536: there are 65535"),
        ("{at: 1, as: u24, metric: m}", "points.p.as: expected one of "),
        ("{at: 1, table: coils, metric: m}", "points.p.table: expected one of coil, "),
        ("{at: 1, table: coil, as: u16, metric: m}", "points.p.as: a coil is a bit: `as: bool`"),
        ("{at: 1, as: text, metric: m}", "points.p.length: a text needs its `length` in bytes"),
        ("{at: 1, length: 4, metric: m}", "points.p.length: `length` is a text's, in bytes"),
        ("{at: 1, bits: 16, metric: m}", "points.p.bits: u16 has bits 0 to 15, lowest first"),
        ("{at: 1, bits: 7-4, metric: m}", "points.p.bits: u16 has bits 0 to 15, lowest first"),
        ("{at: 1, bits: high, metric: m}", "points.p.bits: `high`: a bit as 3, or some as 4-7"),
        ("{at: 1, as: f32, bits: 3, metric: m}", "points.p.bits: bits are of u16, u32 or u64 registers"),
        ("{at: 1, table: input, writable: true, metric: m}", "points.p.writable: `input` can't be written"),
        ("{at: 1, as: f32, write_with: single, metric: m}", "points.p.write_with: 2 registers are written by"),
        ("{at: 1, every: 0s, metric: m}", "points.p.every: it's read at intervals"),
        ("{at: 1, order: ABDC, metric: m}", "points.p.order: expected one of ABCD, "),
        ("{at: 1, metric: m, scaling: 2}", "points.p.scaling: unknown key; did you mean `scale`?"),
        ("{metric: m}", "points.p: `at` is missing"),
        ("{at: 1, as: text, length: 4, scale_at: 2, metric: m}", "points.p.scale_at: it's for numbers"),
    ],
)
def test_what_is_wrong_with_a_point_is_said(tmp_path: Path, point: str, said: str) -> None:
    (found,) = faults(tmp_path, f"points:\n  ok: {{at: 0, metric: ok}}\n  p: {point}\n")
    assert found.startswith(f"3 {said}"), found


def test_what_is_wrong_with_a_map_is_said(tmp_path: Path) -> None:
    assert faults(tmp_path, "points: {}") == ["1 points: a map without points says nothing: name at least one"]
    assert faults(tmp_path, "first: 1\npoints: {p: {at: 0, metric: m}}") == [
        "2 points.p.at: the map's `first` is 1: registers count from 1"
    ]
    assert faults(tmp_path, "most: 2\npoints: {p: {at: 0, as: f64, metric: m}}") == [
        "2 points.p.as: it has 4 registers, and the device gives 2 in one answer (`most`)"
    ]
    assert "points" in faults(tmp_path, "points: {'a b': {at: 0, metric: m}}")[0]


def test_points_may_overlap_and_count_from_1_and_booleans_and_texts_are_known_by_their_registers(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plc.yaml"
    path.write_text(
        "first: 1\npoints:\n  state: {at: 1, metric: state, type: int}\n  run: {at: 1, bits: 3, metric: run}\n"
        "  mode: {at: 1, bits: 4-7, metric: mode, type: int}\n  name: {at: 2, as: text, length: 9, metric: name}\n"
        "  valve: {at: 10, table: coil, metric: valve, writable: true}\n"
    )
    found, _ = load_map(path)
    assert found.name == "plc"
    assert [(p.table, p.start, p.count) for p in found.points.values()] == [
        ("holding", 0, 1), ("holding", 0, 1), ("holding", 0, 1), ("holding", 1, 5), ("coil", 9, 1)
    ]  # fmt: skip
    assert [p.type for p in found.map.points.values()] == ["int", "bool", "int", "text", "bool"]
    assert found.map.topic == "points/modbus/plc"


@pytest.mark.parametrize("path", sorted(BUILTIN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_map_is_sound_and_names_where_its_facts_are_from(path: Path) -> None:
    found, document = load_map(path)
    problems: list[Problem] = []
    assert isinstance(document, Document)
    assert len(profiles_of(found.map, document, ("points",), problems)) == 2
    assert problems == []
    assert len(document.value.source) > 20
    metrics = [point.metric for point in found.map.points.values()]
    assert len(metrics) == len(set(metrics))
    for name in found.points:
        assert name == name.lower()


def test_a_shipped_map_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="there is no builtin:sdm999; there are builtin:"):
        map_path("builtin:sdm999", Path())


@pytest.mark.parametrize("page", ["docs/reference/modbus-maps.md", "docs/how-to/modbus.md"])
def test_maps_in_the_docs_are_sound(tmp_path: Path, page: str) -> None:
    text = (Path(__file__).parents[4] / page).read_text()
    found = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "\npoints:" in block]
    assert found
    for block in found:
        (tmp_path / "pump.yaml").write_text(block)
        made, document = load_map(tmp_path / "pump.yaml")
        problems: list[Problem] = []
        profiles_of(made.map, document, ("points",), problems)
        assert problems == []
