"""`modbus:` of node.yaml: devices in series, and what contradicts itself."""

from pathlib import Path

import pytest
import yaml

from holdfast.adapters.modbus.settings import ModbusSettings
from holdfast.kernel.documents import SettingsInvalid, parse
from holdfast.node.settings import read_plan

SAMPLE = Path(__file__).parents[4] / "src/holdfast/adapters/modbus/sample.yaml"


def settings(text: str) -> ModbusSettings:
    return parse(text, ModbusSettings, Path("node.yaml")).value


def test_a_name_with_a_span_is_many_devices_with_an_address_or_a_unit_each() -> None:
    found = settings(
        "devices:\n  'm-{001..100}': {address: '10.0.1.{1..100}:502', map: a.yaml}\n"
        "  'u-{1..30}': {address: 'gw.lan:502', unit: '{1..30}', map: a.yaml}\n"
        "  one: {address: '[fe80::1]:1502', unit: 255, map: a.yaml, every: 5s, priority: 0}\n"
    )
    assert list(found.findings()) == []
    made = found.all()
    assert len(made) == 131
    assert [(one.name, str(one.address), one.unit) for one in (made[0], made[99], made[129], made[130])] == [
        ("m-001", "10.0.1.1:502", 1), ("m-100", "10.0.1.100:502", 1), ("u-30", "gw.lan:502", 30),
        ("one", "[fe80::1]:1502", 255),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("devices: {}", "devices", "there is no device"),
        ("devices: {m: {map: a}}", "devices.m", "`address` is missing"),
        ("address: 'here'\ndevices: {m: {map: a}}", "devices.m", "expected an address such as 10.0.0.5:502"),
        ("devices: {m: {map: a, address: 'x:0'}}", "devices.m.address", "port 0 is none"),
        ("address: 'x:502'\ndevices: {m: {map: a, unit: x}}", "devices.m.unit", "a unit is 0 to 255"),
        ("address: 'x:502'\ndevices: {'m{1..3}': {map: a, unit: '{1..4}'}}", "devices.m{1..3}.unit", "stands for 4"),
        ("address: 'x:502'\ndevices: {'m{1..3}{1..3}': {map: a}}", "devices.m{1..3}{1..3}", "counts twice"),
        ("address: 'x:502'\ndevices: {'m{3..1}': {map: a}}", "devices.m{3..1}", "upwards"),
        ("address: 'x:502'\ndevices: {'m 1': {map: a}}", "devices.m 1", "is no name"),
        ("address: 'x:502'\ndevices: {'m{1..3}': {map: a}, m2: {map: a}}", "devices.m2", "also in `m{1..3}`"),
        ("address: 'x:502'\nevery: 0s\ndevices: {m: {map: a}}", "every", "at intervals"),
        ("address: 'x:502'\ncarries: 4\ntransport: rtu-over-tcp\ndevices: {m: {map: a}}", "carries", "one question"),
    ],
)
def test_what_contradicts_itself_is_said(text: str, where: str, said: str) -> None:
    found = [(".".join(key), what) for key, what in settings(text).findings()]
    assert [(key, said in what) for key, what in found] == [(where, True)], found


def plan(folder: Path, modbus: str) -> str:
    (folder / "node.yaml").write_text(f"node: gw\nmodbus:\n{modbus}")
    with pytest.raises(SettingsInvalid) as error:
        read_plan(folder / "node.yaml")
    return str(error.value)


def test_what_is_wrong_with_links_and_their_maps_is_said_together(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("points: {p: {at: 1, metric: m, unit: furlong}, q: {at: 2, as: f31, metric: n}}")
    (tmp_path / "worse.yaml").write_text("points:\n  p: {at: 1, metric: m, unit: furlong}")
    said = plan(
        tmp_path,
        "  a: {address: 'x:502', devices: {m: {map: bad.yaml}, n: {map: worse.yaml}, o: {map: 'builtin:no'}}}\n"
        "  b: {address: 'y:502', devices: {m: {map: none.yaml}}}\n",
    )
    for part in (
        "bad.yaml:1: points.q.as: expected one of",
        "worse.yaml:2: points.p.unit:",
        "node.yaml:3: modbus.a.devices.o.map: there is no builtin:no",
        "none.yaml:1: can't be read",
        "modbus.b.devices: `m` is also a device of `a`",
    ):
        assert part in said, said


def test_the_sample_is_loadable(tmp_path: Path) -> None:
    text = SAMPLE.read_text()
    (tmp_path / "node.yaml").write_text(text)
    for link in yaml.safe_load(text)["modbus"].values():
        for device in link["devices"].values():
            assert device["map"].startswith("builtin:")
    assert read_plan(tmp_path / "node.yaml").profiles
