from pathlib import Path

from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan


def plan_of(folder: Path, text: str) -> list[str]:
    (folder / "node.yaml").write_text(text)
    try:
        read_plan(folder / "node.yaml")
    except SettingsInvalid as invalid:
        return [str(p).removeprefix(f"{folder}/") for p in invalid.problems]
    return []


def test_a_gateway_and_a_hub_are_told_apart_by_their_settings_alone(tmp_path: Path) -> None:
    assert (
        plan_of(tmp_path, "node: hub\napi: {listen: '0.0.0.0:1', tls: {certificate: a, key: b}}\nchildren: true") == []
    )
    assert plan_of(tmp_path, "node: gw\nmqtt: {}\nprofiles: ['builtin:rooms']\nrules: ['builtin:rooms']") == []
    plan = read_plan(tmp_path / "node.yaml")
    assert (len(plan.profiles), len(plan.rules), plan.data) == (3, 3, tmp_path / "data")
    assert plan.ports() == [("127.0.0.1", 1883)]


def test_devices_without_a_profile_are_refused(tmp_path: Path) -> None:
    assert "profiles" in plan_of(tmp_path, "node: gw\nmqtt: {}")[0]


def test_children_over_plain_http_are_refused(tmp_path: Path) -> None:
    (problem,) = plan_of(tmp_path, "node: hub\napi: {}\nchildren: true")
    assert problem.startswith("node.yaml:3: children: children need `api` with `tls`")


def test_a_parent_over_plain_http_is_refused(tmp_path: Path) -> None:
    (problem,) = plan_of(tmp_path, "node: gw\nparent: {url: 'http://hub', ca: ca.pem, token_file: t}")
    assert "https" in problem


def test_an_open_address_without_tls_is_refused(tmp_path: Path) -> None:
    (problem,) = plan_of(tmp_path, "node: gw\napi: {listen: '0.0.0.0:8080'}")
    assert problem.startswith("node.yaml:2: api.listen: without `tls`")


def test_problems_of_all_files_come_together(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("profiles:\n  a: {topic: x/y, version: 1, fields: {t: {metric: T}}}\n")
    problems = plan_of(tmp_path, "node: gw\nmqtt: {}\nprofiles: [p.yaml, 'builtin:nothing', missing.yaml]")
    assert [p.split(":")[0] for p in problems] == ["missing.yaml", "node.yaml", "p.yaml", "p.yaml"]
    assert "there is no builtin:nothing; there are builtin:any, " in problems[1]
    assert "builtin:host, " in problems[1]


def test_the_clocks_floor_is_a_time_with_a_zone(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("node: gw\nclock: {floor: 2026-06-01T00:00:00Z, settle: 10m}\n")
    clock = read_plan(file).settings.clock
    assert (clock.floor_ns, clock.settle) == (1_780_272_000 * 10**9, 600.0)


def test_what_an_application_may_do_is_checked_against_the_queues(tmp_path: Path) -> None:
    problems = plan_of(
        tmp_path,
        "node: gw\nqueues: {orders: {lease: 0s}, 'a b': {}}",
    )
    assert len(problems) == 1  # a name that is none; the rest is looked at when the types fit
    found = plan_of(
        tmp_path,
        "node: gw\nqueues: {orders: {lease: 0s}}\napps:\n  shop: {token: t, put: [stock], consume: [orders]}",
    )
    assert [one.partition(" ")[2].partition(":")[0] for one in found] == [
        "queues.orders.lease",
        "apps",
        "apps.shop.put.0",
        "apps.shop.consume.0",
    ]
