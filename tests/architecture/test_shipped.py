"""What ships for Prometheus and Grafana names metrics that exist, is in form, and is explained."""

import re
from pathlib import Path

import msgspec
import yaml
from scripts.dashboards import DASHBOARDS, FOLDER, encoded
from scripts.grafana import COLUMNS, Dashboard
from tests.architecture.test_metrics import families

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "src/holdfast/telemetry/shipped/rules/holdfast.rules.yaml").read_text())
ALL = [rule for group in RULES["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
RUNBOOK = "docs/how-to/monitoring.md"
STRING, NAME = re.compile(r'"[^"]*"'), re.compile(r"\b(?:instance:)?(?:holdfast|process)_[a-z_]+(?::[a-z0-9_]+)?")


def names(expr: str) -> set[str]:
    return set(NAME.findall(STRING.sub("", expr)))


def known() -> set[str]:
    found = {rule["record"] for rule in ALL if "record" in rule}
    for family in families():
        found |= {f"{family.name}_total"} if family.type == "counter" else {family.name}
        found |= {f"{family.name}_{end}" for end in ("bucket", "sum", "count") if family.type == "histogram"}
    return found


def test_every_metric_in_a_rule_exists() -> None:
    assert {name for rule in ALL for name in names(rule["expr"])} - known() == set()


def test_every_metric_in_a_dashboard_exists() -> None:
    exprs = [target.expr for one in DASHBOARDS for panel in one.panels for target in panel.targets]
    assert len(exprs) > 50
    assert {name for expr in exprs for name in names(expr)} - known() == set()


def test_every_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    text = (ROOT / RUNBOOK).read_text()
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}
        assert alert["annotations"]["runbook"] == f"{RUNBOOK}#{alert['alert'].lower()}"
        assert f"\n### {alert['alert']}\n" in text, alert["alert"]


def test_no_alert_is_there_twice() -> None:
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS) > 30


def test_the_dashboards_are_what_the_script_makes() -> None:
    for one in DASHBOARDS:
        assert (FOLDER / f"{one.uid}.json").read_bytes() == encoded(one), "run python -m scripts.dashboards"


def test_the_dashboards_are_in_grafanas_form() -> None:
    for file in FOLDER.glob("*.json"):
        found = msgspec.json.decode(file.read_bytes(), type=Dashboard)
        assert len({panel.id for panel in found.panels}) == len(found.panels)


def test_no_panel_lies_over_another_or_beside_the_grid() -> None:
    for one in DASHBOARDS:
        taken: set[tuple[int, int]] = set()
        for panel in one.panels:
            at = panel.grid_pos
            assert at.x + at.w <= COLUMNS
            cells = {(x, y) for x in range(at.x, at.x + at.w) for y in range(at.y, at.y + at.h)}
            assert not cells & taken, panel.title
            taken |= cells
