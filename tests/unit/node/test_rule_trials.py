"""Rules run over a real node's past in a process of its own: what came of it, beside the rule at work; bounds."""

import json
import os
from pathlib import Path
from typing import Any

from tests.unit.cli.site import holdfast
from tests.unit.node.ruled import HIGH, Ruled, ruled

from holdfast.kernel.clock import SystemClock

LIMIT = HIGH.replace("p > 5", "p > 5e5").replace("p < 4", "p < 4e5")


def waves(seconds: int = 600) -> list[tuple[str, bytes]]:
    """Pressure that climbs from 3 to 8 bar every 100 s, the last reading some seconds ago."""
    start = SystemClock().wall_ns() // 10**9 - seconds - 5
    return [("plant/press-1", json.dumps({"ts": start + i, "p": 3 + (i % 100) / 20}).encode()) for i in range(seconds)]


def finished(node: Ruled, number: str) -> Any:
    def done() -> Any:
        run = node.get(f"rules/backtest/{number}")
        return run if run["state"] != "running" else None

    return node.until(done, 60)


def run(node: Ruled, body: dict[str, Any]) -> Any:
    started = node.post("rules/backtest", body, 202)
    assert started["state"] == "running"
    return finished(node, started["id"])


def test_a_text_is_run_over_the_past_and_what_a_picture_needs_comes_back(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.send(waves())
        found = run(node, {"text": LIMIT, "from": "-1h", "by": "ann"})
        assert (found["state"], found["share"], found["readings"], found["by"]) == ("done", 1.0, 600, "ann")
        result = found["result"]
        assert (result["compared"], len(result["report"]["alerts"])) == (False, 6)
        (panel,) = result["panels"]
        assert (panel["rule"], panel["device"], panel["alerts"]) == ("high", "press-1", 6)
        (column,) = panel["columns"]
        assert len(panel["ts_ms"]) == len(column["last"]) == len(column["low"])
        assert min(v for v in column["low"] if v is not None) == 3e5
        assert max(v for v in column["high"] if v is not None) == 7.95e5
        assert [(one["value"], one["clears"]) for one in panel["limits"]] == [(5e5, False), (4e5, True)]
        assert len(panel["spans"]) == 6


def test_the_result_is_that_of_the_command(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.send(waves())
        mine = run(node, {"text": LIMIT, "from": "-1h"})["result"]["report"]
        (tmp_path / "high.yaml").write_text(LIMIT)
        typed = holdfast("rules", "backtest", tmp_path / "high.yaml", "--node", tmp_path / "node.yaml", "--from", "-1h",
                         "--json")  # fmt: skip
        theirs = json.loads(typed.stdout)
    assert [(a["raised"], a["cleared"]) for a in mine["alerts"]] == [
        (a["raised"], a["cleared"]) for a in theirs["alerts"]
    ]
    assert (mine["readings"], mine["series"]) == (theirs["readings"], theirs["series"])


def test_beside_the_rule_at_work_it_says_which_alerts_come_and_go(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.put("rules/high", {"text": LIMIT, "enabled": True})
        node.send(waves())
        higher = run(node, {"text": LIMIT.replace("p > 5e5", "p > 9e5"), "from": "-1h"})["result"]
        assert (higher["compared"], higher["old_alerts"], len(higher["gone"]), len(higher["new"])) == (True, 6, 6, 0)
        assert (len(higher["panels"][0]["spans"]), len(higher["panels"][0]["old"])) == (0, 6)
        same = run(node, {"text": LIMIT.replace("p > 5e5", "p > 6e5"), "from": "-1h"})["result"]
        assert (same["same"], len(same["gone"]), len(same["new"])) == (6, 0, 0)
        assert run(node, {"rule": "high", "from": "-1h"})["result"]["compared"] is False


def test_only_the_series_that_are_named_are_read(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.send(waves())
        assert run(node, {"text": LIMIT, "from": "-1h", "series": ["press-2/*"]})["readings"] == 0
        assert run(node, {"text": LIMIT, "from": "-1h", "series": ["gw/press-1/*"]})["readings"] == 600


def test_one_runs_at_a_time_and_a_cancelled_one_leaves_no_process(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.send(waves())
        started = node.post("rules/backtest", {"text": LIMIT, "from": "-1h", "by": "ann"}, 202)
        busy = node.post("rules/backtest", {"text": LIMIT, "from": "-1h"}, 429)
        assert "ann" in busy["error"]
        assert node.delete(f"rules/backtest/{started['id']}")["state"] == "cancelled"
        assert _children() == []
        assert run(node, {"text": LIMIT, "from": "-1h"})["state"] == "done"
        assert node.get("rules/backtest/latest")["state"] == "done"


def test_one_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with ruled(tmp_path, more="rule_limits: {backtest: 50ms}\n") as node:
        node.send(waves())
        found = run(node, {"text": LIMIT, "from": "-1h"})
        assert (found["state"], found["result"]) == ("failed", None)
        assert "0.05 s" in found["error"]
        assert _children() == []


def test_a_node_that_stops_takes_its_backtest_with_it(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        node.send(waves())
        node.post("rules/backtest", {"text": LIMIT, "from": "-1h"}, 202)
    assert _children() == []


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    with ruled(tmp_path) as node:
        assert node.post("rules/backtest", {"text": HIGH.replace("when", "wen")}, 422)["problems"]
        node.post("rules/backtest", {"text": HIGH, "rule": "hot"}, 400)
        node.post("rules/backtest", {"rule": "nobody"}, 404)
        node.post("rules/backtest", {"rule": "hot", "from": "now", "to": "-1h"}, 400)
        node.post("rules/backtest", {"rule": "hot", "from": "yesterday-ish"}, 400)
        node.get("rules/backtest/0", 404)


def _children() -> list[str]:
    """Processes of backtests that this one has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat, line = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        is_mine = int(stat.rpartition(")")[2].split()[1]) == os.getpid()
        if is_mine and b"holdfast.backtesting.worker" in line:
            found.append(folder.name)
    return found
