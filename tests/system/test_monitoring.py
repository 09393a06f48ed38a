"""Debian's Prometheus watches nodes of ours with what ships: names, rules, alerts and dashboards."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from scripts.dashboards import DASHBOARDS
from tests.system.chain import Chain, chain
from tests.system.monitoring.watcher import Watcher

from holdfast.cli.monitoring import SHIPPED, export, target

RULES = SHIPPED / "rules" / "holdfast.rules.yaml"
UNIT_TESTS = sorted((Path(__file__).parent / "monitoring").glob("*.test.yaml"))
PLACES = {"$__rate_interval": "1m", "$instance": "gw"}
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus isn't installed"),
]


def promtool(*args: str, text: str = "") -> str:
    done = subprocess.run(["promtool", *args], input=text, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """gw below region below hub, with some readings of a device."""
    made = chain(tmp_path_factory.mktemp("chain"))
    try:
        made.bring_up(["hub", "region", "gw"])
        made.publish(50)
        made.until("region", list(range(1, 51)))
        yield made
    finally:
        made.stop()


def address(made: Chain, name: str) -> str:
    return f"http://127.0.0.1:{made.gateway_api}" if name == "gw" else f"https://127.0.0.1:{getattr(made, name)}"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["gw", "region", "hub"])
def test_promtool_finds_nothing_wrong_with_a_nodes_metrics(nodes: Chain, name: str) -> None:
    text = nodes.client.get(f"{address(nodes, name)}/metrics").text
    assert len(re.findall(r"^# HELP holdfast_", text, re.MULTILINE)) > 200
    assert promtool("check", "metrics", text=text) == ""


def test_the_rules_are_in_form() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.name)
def test_the_rules_do_what_they_say(file: Path, tmp_path: Path) -> None:
    tests = tmp_path / file.name
    tests.write_text(file.read_text().replace("[RULES]", f"[{RULES}]"))
    assert "SUCCESS" in promtool("test", "rules", str(tests))


def test_every_alert_is_in_the_rules_unit_tests() -> None:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    names = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    tried = {name for file in UNIT_TESTS for name in re.findall(r'alertname="(\w+)"', file.read_text())}
    assert names - tried == set()


def test_what_is_exported_is_a_config_for_prometheus(tmp_path: Path) -> None:
    export(tmp_path, [target("gw=http://127.0.0.1:8080"), target("hub=https://127.0.0.1:8443")])
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))


@pytest.mark.timeout(120)
def test_a_cut_link_raises_alerts_in_prometheus_and_its_return_ends_them(nodes: Chain, tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "prometheus")
    try:
        watcher.start({name: address(nodes, name) for name in ("gw", "region")}, nodes.folder / "ca.pem")
        watcher.until("both are scraped", 20, lambda: watcher.value("sum(up)") == 2)
        watcher.until("the link is seen", 10, lambda: watcher.value('holdfast_uplink_up{instance="gw"}') == 1)
        watcher.until("rows are counted", 10, lambda: watcher.value("sum(holdfast_readings_accepted_total)") == 250)
        watcher.until("all is well", 10, lambda: watcher.value("min(holdfast_ledger_balanced)") == 1)
        assert watcher.alerts() == set()

        nodes.cable.cut()
        nodes.publish(10)
        watcher.until("the alert fires", 20, lambda: ("HoldfastLinkDown", "gw") in watcher.alerts())
        waiting = 'holdfast_backlog_rows{instance="gw",lane="2"}'
        watcher.until("what waits is seen", 10, lambda: watcher.value(waiting) == 50)
        assert (watcher.value('holdfast_backlog_oldest_seconds{instance="gw",lane="2"}') or 0) > 0
        assert ("HoldfastLinkDown", "region") not in watcher.alerts()

        nodes.cable.restore()
        watcher.until("nothing waits", 20, lambda: watcher.value(waiting) == 0)
        watcher.until("the alert ends", 20, lambda: watcher.alerts() == set() == watcher.alerts("pending"))
        panels = [target.expr for one in DASHBOARDS for panel in one.panels for target in panel.targets]
        assert len([watcher.query(_placed(expr)) for expr in panels]) > 50  # each is an expression it can read
        assert watcher.query(_placed(panels[0])) != []
    finally:
        watcher.stop()


def _placed(expr: str) -> str:
    for place, value in PLACES.items():
        expr = expr.replace(place, value)
    return expr
