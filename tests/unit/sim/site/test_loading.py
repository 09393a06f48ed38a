from pathlib import Path

import pytest
import yaml
from tests.unit.sim.site.scenes import site, there

from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan
from holdfast.sim.ends.table import ENDS, EndMissing, end_kind
from holdfast.sim.site.loading import SHIPPED, found, load_scenario, parse_time
from holdfast.sim.site.reading import Unreadable, node_files


def problems(folder: Path, text: str) -> list[str]:
    path = folder / "s.yaml"
    path.write_text(text)
    with pytest.raises(SettingsInvalid) as raised:
        load_scenario(path)
    return [f"{p.line} {'.'.join(map(str, p.where))}: {p.message}" for p in raised.value.problems]


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    text = """\
start: yesterday
groups:
  a: {model: roam, protocol: mqtt}
  b: {model: room, protocol: carrier-pigeon}
  c:
    model: room
    protocol: mqtt
    every: 1ms
    params: {volume: 3}
    end: {topic: "x"}
  d:
    model: room
    protocol: mqtt
    params:
      volume_m3: -3
"""
    found = problems(tmp_path, text)
    assert found[0].startswith("1 start: expected `now` or a time with a zone")
    assert found[1].startswith("3 groups.a.model: `roam` is no plant model; there are: room, cold_store")
    assert found[2].startswith("4 groups.b.protocol: `carrier-pigeon` isn't a protocol that devices speak here")
    assert found[3] == "8 groups.c.every: must be 10ms or more"
    assert found[4].startswith("9 groups.c.params.volume: unknown key; did you mean `volume_m3`?")
    assert found[5].startswith("10 groups.c.end.topic: must have a level {device}")
    assert found[6] == "15 groups.d.params.volume_m3: expected a number above 1 and at most 100000, not -3"
    assert len(found) == 7


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("{kind: dropout, devices: 'x-*'}", "no device is called like `x-*`"),
        ("{kind: stuck, points: pressure}", "no point is called like `pressure`; there are: temperature, humidity"),
        ("{kind: dropout, each: 10s}", "with `each` say how long it lasts"),
        ("{kind: stuck, each: 10s, for: 20s}", "with `each` say how long it lasts each time"),
        ("{kind: dropout, for: 0s}", "`each` and `for` must be above 0"),
        ("{kind: drop}", "`kind` must be one of: clock_skew, drift, dropout"),
        ("{kind: slow}", "`by` is missing"),
    ],
)
def test_faults_that_can_never_befall_are_told(tmp_path: Path, fault: str, message: str) -> None:
    (said,) = problems(tmp_path, f"groups: {{r: {{model: room, protocol: mqtt}}}}\nfaults:\n  - {fault}\n")
    assert said.startswith("3 faults.0")
    assert message in said


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (
            "{a: {model: room, protocol: mqtt, name: x}, b: {model: room, protocol: mqtt, name: x}}",
            "called `x` is in a",
        ),
        ("{a: {model: room, protocol: mqtt, count: 2, name: x}}", "twice in this group: put {n} into `name`"),
        ("{a: {model: room, protocol: mqtt, name: 'x/{n}'}}", "`x/1` is no device's name"),
        ("{}", "there is no group"),
        (
            "{a: {model: room, protocol: mqtt, count: 9000}, b: {model: room, protocol: mqtt, count: 2000}}",
            "at most 10000",
        ),
    ],
)
def test_names_and_numbers_of_devices_are_checked(tmp_path: Path, groups: str, message: str) -> None:
    (said,) = problems(tmp_path, f"groups: {groups}\n")
    assert message in said


def test_a_storm_that_no_machine_could_send_is_refused(tmp_path: Path) -> None:
    text = "groups: {r: {model: room, count: 5000, protocol: mqtt}}\nfaults: [{kind: storm, times: 1000}]\n"
    assert "5000 devices by 1000 messages" in problems(tmp_path, text)[0]


def test_devices_are_numbered_from_one_in_the_form_of_the_name(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "groups: {a: {model: room, protocol: mqtt, count: 2}, b: {model: room, protocol: mqtt, name: 'r{n}'}}"
    )
    assert [group.devices for group in load_scenario(path).groups] == [("a-001", "a-002"), ("r1",)]


def test_a_start_may_stand_without_quotes_and_needs_a_zone(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    for said, ns in (
        ("2026-01-05T06:00:00Z", 1_767_592_800 * 10**9),
        ("'2026-01-05 06:00:00.25+00:00'", 1_767_592_800_250_000_000),
    ):
        path.write_text(f"start: {said}\ngroups: {{a: {{model: room, protocol: mqtt}}}}")
        assert load_scenario(path).start_ns == ns
    for said in ("2026-01-05T06:00:00", "2026-01-05", "12"):
        assert (
            "time with a zone"
            in problems(tmp_path, f"start: {said}\ngroups: {{a: {{model: room, protocol: mqtt}}}}")[0]
        )


def test_times_need_a_zone() -> None:
    assert parse_time("2026-01-05T07:00:00.5+01:00") == 1_767_592_800_500_000_000
    with pytest.raises(ValueError, match="no zone"):
        parse_time("2026-01-05T07:00:00")


def test_a_protocol_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    where = ENDS["sparkplug"]._replace(module="tests.unit.sim.site.needs_a_library")
    monkeypatch.setattr("holdfast.sim.ends.table.ENDS", {"sparkplug": where})
    with pytest.raises(EndMissing, match=r"need no_such_library: pip install 'holdfast\[protobuf\]'"):
        end_kind("sparkplug")


def test_a_protocol_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    where = ENDS["modbus"]._replace(module="holdfast.sim.ends.not_yet")
    monkeypatch.setattr("holdfast.sim.ends.table.ENDS", {"modbus": where})
    with pytest.raises(EndMissing, match="this version of Holdfast has no simulated modbus devices"):
        end_kind("modbus")


def test_the_shipped_plant_is_a_hundred_devices_over_five_protocols() -> None:
    raw = yaml.safe_load(found(Path("builtin:plant")).read_text())
    assert found(Path("builtin:plant")) == SHIPPED / "plant.yaml"
    assert sum(group["count"] for group in raw["groups"].values()) == 100
    assert {g["protocol"] for g in raw["groups"].values()} == {"mqtt", "modbus", "opcua", "bacnet", "lorawan"}
    if {"modbus", "opcua", "bacnet"} <= set(there()):  # their ends come with their adapters
        assert load_scenario(Path("builtin:plant")).devices == 100


def test_the_node_that_reads_a_site_is_good_as_written(tmp_path: Path) -> None:
    scenario = load_scenario(site(tmp_path, there()))
    files = node_files(scenario, {plan.name: plan.end() for plan in scenario.groups}, "s.yaml", "node.yaml")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    plan = read_plan(tmp_path / "node.yaml")
    assert plan.settings.mqtt is not None
    assert plan.settings.mqtt.listen == "127.0.0.1:1883"
    assert len(plan.profiles) >= 4


def test_a_second_broker_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "groups:\n"
        "  a: {model: room, protocol: mqtt, end: {url: 'mqtt://127.0.0.1:1'}}\n"
        "  b: {model: room, protocol: mqtt, end: {url: 'mqtt://127.0.0.1:2'}}\n"
        "  c: {model: room, protocol: http, end: {url: 'http://127.0.0.1:3/x/{device}'}}\n"
    )
    scenario = load_scenario(path)
    node = yaml.safe_load(
        node_files(scenario, {p.name: p.end() for p in scenario.groups}, "s", "node.yaml")["node.yaml"]
    )
    assert node["mqtt"]["listen"] == "127.0.0.1:1"
    assert node["brokers"] == {"sim-1": {"url": "mqtt://127.0.0.1:2", "subscribe": {"#": 1}}}
    assert node["api"] == {"listen": "127.0.0.1:3"}


class Wants:
    """An end that wants a key of node.yaml to be so."""

    def __init__(self, said: str) -> None:
        self.said = said

    def map_yaml(self) -> str:
        return self.said


def test_two_groups_that_no_one_node_can_read_are_refused(tmp_path: Path) -> None:
    scenario = load_scenario(site(tmp_path, ["mqtt"], 2))
    ends = {"a": Wants("modbus: {x: {port: 1}}"), "b": Wants("modbus: {x: {port: 2}}")}
    with pytest.raises(Unreadable, match=r"b: `modbus.x.port` is `1` for another group and `2` for this one"):
        node_files(scenario, ends, "s", "n")  # type: ignore[arg-type]  # it has what is asked for here
