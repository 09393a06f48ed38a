"""A profile is told as it was written: where a value stands, what it becomes, and when it isn't good."""

import json
from pathlib import Path

import pytest

from holdfast.codecs.loading import load_profiles
from holdfast.codecs.profiles import Profile
from holdfast.node.device_sources import claiming, told

TEXT = """profiles:
  press:
    topic: plant/{device}/up
    version: 3
    time: {field: meta.at, unit: ms}
    id: n
    stale_after: 60s
    fields:
      t.core: {metric: core.temperature, unit: degF, to: Cel, min: -40, max: 85, decimals: 1, stuck_after: 2h}
      on: {metric: running, type: bool, optional: true}
      v: {metric: speed, missing: [-1]}
  cell:
    topic: cell/{device}
    unknown: reject
    map:
      "{part}.temp*": {metric: "{part}.temperature", unit: Cel, max: 90}
"""


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Profile]:
    file = tmp_path_factory.mktemp("profiles") / "p.yaml"
    file.write_text(TEXT)
    return {one.name: one for one in load_profiles([file])}


def test_fields_are_told_with_units_limits_and_what_makes_them_doubtful(profiles: dict[str, Profile]) -> None:
    press = told(profiles["press"])
    assert (press.version, press.topic, press.time, press.id) == (3, "plant/{device}/up", "meta.at, ms", "n")
    assert press.stale_s == 60
    core, on, speed = press.fields
    assert (core.path, core.metric, core.unit, core.kind) == ("t.core", "core.temperature", "Cel", "float")
    assert (core.low, core.high, core.decimals, core.stuck_s) == (-40, 85, 1, 7200)
    assert 212 * core.scale + core.offset == pytest.approx(100)
    assert (on.kind, on.optional, on.low) == ("bool", True, None)
    assert [float(text) for text in speed.missing] == [-1]


def test_names_of_a_map_are_told_as_they_were_written(profiles: dict[str, Profile]) -> None:
    cell = told(profiles["cell"])
    assert cell.unknown == "reject"
    assert [(one.path, one.metric, one.high) for one in cell.fields] == [("{part}.temp*", "{part}.temperature", 90)]


@pytest.mark.parametrize("name", ["a.b", "{x}.{y*}.z-1", "ENERGY.*", "{x}.{x}", "a+b (c)", "*"])
def test_any_name_of_a_map_is_told_letter_by_letter(name: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    one = json.dumps({name: {"metric": "heat", "unit": "Cel"}})
    file.write_text(f"profiles:\n  cell: {{topic: 'cell/{{device}}', unknown: reject, map: {one}}}\n")
    (profile,) = load_profiles([file])
    assert [field.path for field in told(profile).fields] == [name]


def test_the_most_specific_profile_claims_a_topic(profiles: dict[str, Profile]) -> None:
    ranked = sorted(profiles.values(), key=lambda one: one.pattern.rank)
    assert claiming(ranked, "cell/7") is profiles["cell"]
    assert claiming(ranked, "elsewhere/7") is None
