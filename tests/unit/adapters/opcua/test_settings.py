"""`opcua:` of node.yaml: what contradicts itself is said where it stands; the sample is sound."""

from pathlib import Path

import pytest

import holdfast.adapters.opcua
from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan

ROOM = Path(holdfast.adapters.opcua.__file__).parent
GOOD = "url: opc.tcp://h, devices: {p: {nodes: {a: {id: i=5, metric: m}}}}"
SECURE = "security: Basic256Sha256, certificate: c, key: k"


def problems(folder: Path, link: str, nodes: str = "") -> str:
    (folder / "node.yaml").write_text(f"node: gw\nopcua:\n  hall: {{{link}}}\n")
    (folder / "nodes.yaml").write_text(f"nodes: {{{nodes}}}\n")
    try:
        read_plan(folder / "node.yaml")
    except SettingsInvalid as invalid:
        return str(invalid)
    return ""


def test_the_sample_is_sound() -> None:
    plan = read_plan(ROOM / "sample.yaml")
    assert [one.pattern.text for one in plan.profiles] == [
        "points/opcua/press-line.press-1", "points/opcua/press-line.press-1/q",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("link", "said"),
    [
        (GOOD.replace("opc.tcp", "http"), "hall.url: 'http://h' is no address: write it as opc.tcp://"),
        (GOOD.replace("//h", "//a:b@h"), "use `user` and `password_file`"),
        (GOOD.replace("//h", "//h:0"), "is no address"),
        (GOOD.replace("i=5", "five"), "nodes.a.id: 'five' is no node id: write it as ns=2;s="),
        (GOOD.replace("m}", "m, array: 3, writable: true}"), "elements can't be written one by one"),
        (GOOD.replace("m}", "m, deadband: wide}"), "deadband"),
        (GOOD.replace("m}", "m, unit: furlong}"), "unknown unit `furlong`"),
        ("url: opc.tcp://h, devices: {}", "name at least one device; `holdfast opcua browse"),
        ("url: opc.tcp://h, devices: {p: {}}", "either `nodes` or a `map`"),
        ("url: opc.tcp://h, devices: {p: {map: gone.yaml}}", "gone.yaml:1: can't be read"),
        ("url: opc.tcp://h, devices: {p: {map: nodes.yaml}}", "names no nodes"),
        (f"{GOOD}, security: Basic256Sha256", "`holdfast opcua keys` makes them"),
        (f"{GOOD}, {SECURE}", "`holdfast opcua trust` fetches it"),
        (f"{GOOD}, certificate: c", "belong together"),
        (f"{GOOD}, password: p", "goes with a `user`"),
        (f"{GOOD}, user: u, password: p, password_file: f", "keep one"),
        (f"{GOOD}, timeout: 0s", "must be above 0"),
        (f"{GOOD}, keep_alive: 100ms", "must not be below `publish_every`"),
        (f"{GOOD}, backoff_max: 100ms", "must not be below `backoff_min`"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(tmp_path: Path, link: str, said: str) -> None:
    assert said in problems(tmp_path, link)


def test_devices_of_one_make_share_a_map_and_each_has_its_own_root(tmp_path: Path) -> None:
    link = "url: opc.tcp://h, devices: {p: {map: nodes.yaml}, q: {map: nodes.yaml, root: Press2}}"
    assert not problems(tmp_path, link, 'a: {id: "ns=2;s={root}.A", metric: m}')
    plan = read_plan(tmp_path / "node.yaml")
    assert [one.pattern.text for one in plan.profiles] == ["points/opcua/nodes", "points/opcua/nodes/q"]
    assert "no node id" in problems(tmp_path, link, "a: {id: A, metric: m}")
