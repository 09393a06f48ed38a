"""Rules changed through the API of a real node: tried as a whole, kept on disk, at work at once, and taken back."""

import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from starlette.routing import Route
from tests.unit.cli.site import holdfast
from tests.unit.node.ruled import HIGH, JSON, OWN, PROFILE, Ruled, ruled
from tests.unit.web.doors import make_deps

from holdfast.identity.people.roles import Role
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.settings import read_plan
from holdfast.web.app import build_app
from holdfast.web.deps import RuleBook
from holdfast.web.door import need_of

READER = "rules:\n  often:\n    select: count(p) as n\n    from: high\n    window: tumbling 1m\n    when: n > 3\n"
NOW = 1_700_000_000


def made(node: Ruled, text: str = HIGH, name: str = "high", *, on: bool = True) -> str:
    return str(node.put(f"rules/{name}", {"text": text, "enabled": on, "by": "ann"})["revision"])


def pressures(*values: float, at: int = NOW) -> list[tuple[str, bytes]]:
    return [("plant/press-1", json.dumps({"ts": at + i, "p": p}).encode()) for i, p in enumerate(values)]


def test_a_new_rule_is_off_until_it_is_enabled_and_then_decides_on_live_readings(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        revision = node.put("rules/high", {"text": HIGH, "by": "ann"})["revision"]
        row = node.rows()["high"]
        assert (row["state"], row["enabled"], row["off_by"], row["editable"]) == ("off", False, "ann", True)
        now = SystemClock().wall_ns() // 10**9 - 60
        node.send(pressures(9e5, at=now))
        assert node.get("alerts") == []
        node.post("rules/high/enable", {"revision": revision})
        node.send(pressures(9e5, at=now + 10))
        row = node.rows()["high"]
        assert (row["state"], row["open"]) == ("ok", ["gw/press-1"])
        assert (tmp_path / "data" / "rules" / "high.yaml").read_text() == HIGH


def test_a_rule_of_the_page_is_at_work_after_a_restart_and_one_that_is_off_stays_off(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        made(node)
        node.post("rules/hot/disable", {"by": "ann"})
    with ruled(tmp_path) as node:
        rows = node.rows()
        assert (rows["high"]["state"], rows["hot"]["state"], rows["warm"]["state"]) == ("ok", "off", "ok")
        assert rows["hot"]["off_by"] == "ann"
        assert node.get("status")["rules"]["off"] == ["hot"]
        node.post("rules/hot/enable", {})
        assert node.rows()["hot"]["state"] == "ok"
    assert [rule.name for rule in read_plan(tmp_path / "node.yaml").rules] == ["hot", "warm", "high"]


def test_an_edit_keeps_the_state_of_the_rules_that_it_leaves_alone(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        revision = made(node)
        now = SystemClock().wall_ns() // 10**9 - 60
        node.send([("plant/press-1", json.dumps({"ts": now, "t": 70, "p": 9e5}).encode())])
        assert node.rows()["hot"]["open"] == ["gw/press-1"]
        done = node.put("rules/high", {"text": HIGH.replace("p > 5", "p > 8e5"), "revision": revision})
        fates = {one["rule"]: one["fate"] for one in done["rules"]}
        assert fates == {"hot": "unchanged", "warm": "unchanged", "high": "kept"}
        assert node.rows()["hot"]["open"] == ["gw/press-1"]


def test_a_text_that_cannot_be_used_changes_nothing_and_says_where(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        revision = made(node)
        for text, line, word in [
            (HIGH.replace("p > 5", "q > 5"), 5, "q"),
            (HIGH + "    wen: 3\n", 7, "when"),
            ("rules: [", 2, "YAML"),
            ("rules:\n  other:\n    select: x\n    when: x > 1\n", 1, "other"),
            ("a: &a [1]\nb: [*a, *a]\n", 2, "aliases"),
            ("[" * 200, 1, "nested"),
        ]:
            said = node.put("rules/high", {"text": text, "revision": revision}, 422)
            assert said["problems"][0]["line"] == line, said
            assert word in said["problems"][0]["message"]
        assert (tmp_path / "data" / "rules" / "high.yaml").read_text() == HIGH
        assert node.rows()["high"]["revision"] == revision


def test_a_rule_that_would_break_another_is_refused_whole(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        revision = made(node)
        made(node, READER, "often")
        said = node.http.request("DELETE", f"rules/high?revision={revision}")
        assert said.status_code == 422
        assert "high" in said.json()["error"]
        assert node.rows()["often"]["state"] == "ok"


def test_rules_that_read_from_one_that_is_off_are_off_with_it(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        made(node)
        made(node, READER, "often")
        node.post("rules/high/disable", {})
        rows = node.rows()
        assert (rows["often"]["state"], rows["often"]["enabled"], rows["often"]["waits_for"]) == ("off", True, "high")
        node.post("rules/high/enable", {})
        assert node.rows()["often"]["state"] == "ok"


def test_of_two_who_change_a_rule_at_once_the_second_is_told(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        revision = made(node)
        node.put("rules/high", {"text": HIGH.replace("5", "6"), "revision": revision, "by": "bob"})
        said = node.put("rules/high", {"text": HIGH.replace("5", "7"), "revision": revision}, 409)
        assert said["revision"] == node.rows()["high"]["revision"]
        assert node.get("rules/high")["text"] == HIGH.replace("5", "6")
        assert "meanwhile" in node.put("rules/high", {"text": HIGH}, 409)["error"]


def test_the_latest_change_is_taken_back_and_taken_back_again(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        first = made(node)
        second = node.put("rules/high", {"text": HIGH.replace("5", "6"), "revision": first, "by": "bob"})["revision"]
        third = node.post("rules/high/undo", {"revision": second, "by": "cat"})["revision"]
        detail = node.get("rules/high")
        assert detail["text"] == HIGH
        assert [(v["n"], v["by"], v["did"]) for v in detail["versions"]] == [
            (3, "cat", "undone"), (2, "bob", "changed"), (1, "ann", "made")]  # fmt: skip
        node.post("rules/high/undo", {"revision": third})
        assert node.get("rules/high")["text"] == HIGH.replace("5", "6")


def test_a_rule_that_was_removed_comes_back(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.delete(f"rules/high?revision={made(node)}&by=bob")
        assert "high" not in node.rows()
        assert not (tmp_path / "data" / "rules" / "high.yaml").exists()
        node.post("rules/high/undo", {"revision": ""})
        assert node.rows()["high"]["state"] == "ok"


def test_the_operators_own_rules_are_only_switched(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        row = node.rows()["warm"]
        assert (row["editable"], row["line"], row["file"]) == (False, 5, str(tmp_path / "own.yaml"))
        text = "rules:\n  warm:\n    select: temperature as t\n    when: t > 41\n"
        said = node.put("rules/warm", {"text": text, "revision": row["revision"]}, 409)
        assert "own.yaml" in said["error"]
        node.delete(f"rules/warm?revision={row['revision']}", 409)
        detail = node.get("rules/warm")
        assert (
            detail["text"]
            == "rules:\n  warm:\n    select: temperature as t\n    when: t > 40   # the operator's own words\n"
        )
        off = node.post("rules/warm/disable", {"revision": row["revision"]})["revision"]
        node.post("rules/warm/undo", {"revision": off})
        assert node.rows()["warm"]["state"] == "ok"
        assert (tmp_path / "own.yaml").read_text() == OWN


def test_a_check_says_what_a_text_does_and_changes(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        made(node)
        said = node.post("rules/check", {"text": HIGH.replace("p > 5", "p > 6")})
        (change,) = said["changes"]
        assert (change["what"], change["alarm_kept"]) == ("changed", True)
        assert change["keys"] == [{"key": "when", "old": "p > 5", "new": "p > 6"}]
        assert ["alert", "raised when p > 6"] in said["words"][0]["words"]
        assert node.post("rules/check", {"text": READER})["problems"] == []
        assert node.post("rules/check", {"text": OWN})["foreign"] == ["hot", "warm"]
        (problem,) = node.post("rules/check", {"text": HIGH.replace("    when: p", "    wen: p")})["problems"]
        assert (problem["line"], problem["column"], problem["where"]) == (5, 5, "rules.high.wen")
        assert problem["hint"].startswith("did you mean `when`?")
        assert list(node.rows()) == ["high", "hot", "warm"]


def test_a_rule_of_the_page_names_no_file_outside_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text("device,high\npress-1,5\n")
    text = "rules:\n  high:\n    select: pressure as p, lookup('{}', 'high') as high\n    when: p > high\n"
    with ruled(tmp_path) as node:
        for place in ("../../limits.csv", str(tmp_path / "limits.csv")):
            (problem,) = node.post("rules/check", {"text": text.format(place)})["problems"]
            assert "isn't in" in problem["message"]
            node.put("rules/high", {"text": text.format(place)}, 422)
        (tmp_path / "data" / "rules").mkdir(exist_ok=True)
        (tmp_path / "data" / "rules" / "limits.csv").write_text("device,high\npress-1,5\n")
        made(node, text.format("limits.csv"))
        assert node.rows()["high"]["state"] == "ok"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://evil.example", "host": "evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({}, 200),
    ],
)
def test_a_strangers_page_changes_nothing(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    with ruled(tmp_path) as node:
        body = json.dumps({"text": HIGH}).encode()
        assert node.http.put("rules/high", content=body, headers={**JSON, **headers}).status_code == status
        assert ("high" in node.rows()) == (status == 200)
        own = {**JSON, "origin": f"http://127.0.0.1:{node.port}"}
        assert node.http.post("rules/hot/disable", content=b"{}", headers=own).status_code == 200


def test_what_is_no_request_is_refused(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.put("rules/UPPER", {"text": "rules:\n  UPPER:\n    select: x\n    when: x > 1\n"}, 422)
        node.put("rules/..%2F..%2Fown", {"text": HIGH}, 404)
        node.put("rules/high", {"text": HIGH, "revison": ""}, 400)
        node.put("rules/high", {"text": HIGH + "#" * 70_000}, 413)
        node.post("rules/nobody/enable", {}, 404)
        node.get("rules/nobody", 404)
        node.post("rules/nobody/undo", {}, 404)
        node.delete("rules/nobody", 404)


def test_a_switch_file_that_is_damaged_is_told_and_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "press.yaml").write_text(PROFILE)
    (tmp_path / "own.yaml").write_text(OWN)
    (tmp_path / "node.yaml").write_text("node: gw\nprofiles: [press.yaml]\nrules: [own.yaml]\n")
    (tmp_path / "data" / "rules").mkdir(parents=True)
    (tmp_path / "data" / "rules" / "switched.json").write_text("{")
    with pytest.raises(SettingsInvalid, match=r"switched\.json"):
        read_plan(tmp_path / "node.yaml")


def test_the_command_line_switches_rules_and_says_what_stands_still_with_them(tmp_path: Path) -> None:
    settings = tmp_path / "node.yaml"
    with ruled(tmp_path) as node:
        made(node)
        made(node, READER, "often")
        off = holdfast("rules", "disable", settings, "high", "--by", "ann")
        assert (off.exit_code, off.output) == (0, "high is switched off\nwith it, as they read from it: often\n")
        listed = holdfast("rules", "list", settings)
        assert listed.exit_code == 0
        assert "high: switched off by ann at" in listed.output
        assert "often: off with high, which it reads from" in listed.output
        assert "switched off: high, often" in holdfast("status", settings).output
        on = holdfast("rules", "enable", settings, "high")
        assert on.output == "high is switched on\nwith it, as they read from it: often\n"
        assert holdfast("rules", "enable", settings, "nobody").exit_code == 2
    assert "4 rules" in holdfast("check", settings).output


def test_each_way_to_change_a_rule_needs_the_right_role() -> None:
    def need(method: str, path: str) -> Role | None:
        for route in build_app(replace(make_deps(), rules=cast("RuleBook", object()))).routes:
            if isinstance(route, Route) and route.path == path and method in (route.methods or ()):
                return need_of(route.path, set(route.methods or ()) - {"HEAD"}, route.endpoint).role
        raise AssertionError(f"there is no {method} {path}")

    base = "/api/v1/rules"
    assert {need("GET", base), need("GET", f"{base}/{{name}}"), need("GET", f"{base}/backtest/{{number}}")} == {
        Role.VIEWER
    }
    assert {need("POST", f"{base}/check"), need("POST", f"{base}/backtest")} == {Role.OPERATOR}
    changes = [need("POST", f"{base}/{{name}}/{verb}") for verb in ("enable", "disable", "undo")]
    assert {*changes, need("PUT", f"{base}/{{name}}"), need("DELETE", f"{base}/{{name}}")} == {Role.ADMIN}
