from pathlib import Path

import pytest

from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.kernel.documents import SettingsInvalid


def problems(folder: Path, *texts: str) -> list[str]:
    paths = []
    for i, text in enumerate(texts):
        paths.append(folder / f"p{i}.yaml")
        paths[-1].write_text(text)
    with pytest.raises(SettingsInvalid) as caught:
        load_profiles(paths)
    return [str(p).removeprefix(f"{folder}/") for p in caught.value.problems]


def test_what_ships_loads() -> None:
    names = {p.name for p in load_profiles(BUILTIN.glob("*.yaml"))}
    assert {"acme-room", "host", "tasmota-sensor", "sparkplug"} <= names


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "profiles:\n"
        "  a:\n"
        "    topic: no/device\n"
        "    version: 1\n"
        "    fields:\n"
        "      t: {metric: Air Temperature, unit: Cel}\n"
        "      h: {metric: air.humidity, unit: Cell}\n"
        "      p: {metric: air.pressure, unit: degF, to: Pa}\n"
        "      b: {metric: door.open, type: bool, unit: Cel}\n"
        "      m: {metric: x, min: 2, max: 1}\n",
    )
    assert [line.split(":")[1] for line in found] == ["3", "6", "7", "8", "9", "10"]
    assert "the device's name stands either" in found[0]
    assert "is no metric" in found[1]
    assert "unknown unit `Cell`" in found[2]
    assert "Cel" in found[2]
    assert "can't be turned into `Pa`" in found[3]
    assert "a bool has no unit" in found[4]
    assert "min 2 is above max 1" in found[5]


def test_two_profiles_may_not_claim_the_same_topics(tmp_path: Path) -> None:
    text = "profiles: {%s: {topic: 'a/{device}', version: 1, fields: {t: {metric: x}}}}"
    (found,) = problems(tmp_path, text % "one", text % "two")
    assert found.startswith("p1.yaml:1:")
    assert "profile `one` claims the same topics" in found


def test_paths_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    (found,) = problems(
        tmp_path,
        "profiles: {a: {topic: 'a/{device}', version: 1, fields: {t: {metric: x}, t.v: {metric: y}}}}",
    )
    assert "goes through a value" in found


def test_a_profile_has_fields_or_records_and_an_id_by_time_needs_a_time(tmp_path: Path) -> None:
    found = problems(tmp_path, "profiles: {a: {topic: 'a/{device}', version: 1, id: time}}")
    assert len(found) == 2
    assert "`fields` or `records`" in found[0] + found[1]
    assert "needs `time`" in found[0] + found[1]
