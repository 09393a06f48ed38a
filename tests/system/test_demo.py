"""`holdfast demo` balances its ledger, and says so by its exit status."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.system

REQUIRED = """
published acked gateway_committed hub_committed quarantined duplicates lost alerts alert_latency_ms outage_s
backlog_max drain_s raw_bytes uplink_bytes gateway_rss_mb hub_rss_mb balanced
"""


def played(report: Path, *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "demo", *words, "--json", str(report)],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(report.read_text())


@pytest.mark.timeout(120)
def test_a_short_demo_with_an_outage_balances(tmp_path: Path) -> None:
    arguments = ["--seconds", "8", "--outage", "3", "--devices", "20", "--rate", "400"]
    found = played(tmp_path / "report.json", *arguments)
    assert not [name for name in REQUIRED.split() if name not in found]
    assert (found["lost"], found["duplicates"], found["balanced"]) == (0, 0, True)
    assert found["published"] == found["acked"] == found["gateway_committed"] + sum(found["quarantined"].values())
    assert found["gateway_committed"] == found["hub_committed"]
    assert found["alerts"] > 0
    assert found["backlog_max"] > 1000
    assert set(found["quarantined"]) >= {"stale", "duplicate"}


@pytest.mark.timeout(120)
def test_a_plant_of_five_protocols_arrives_as_its_devices_showed_it(tmp_path: Path) -> None:
    arguments = ["--site", "plant", "--seconds", "10", "--outage", "3", "--devices", "30"]
    found = played(tmp_path / "report.json", *arguments)
    assert (found["problems"], found["doubled"]) == ([], 0)
    assert found["hash"] == found["hash_on_the_wire"]
    rows = {row["protocol"]: row for row in found["protocols"]}
    assert set(rows) == {"mqtt", "modbus", "opcua", "bacnet", "lorawan"}
    assert all(row["hub"] > 0 and not row["wrong"] and not row["missing"] for row in rows.values())
    assert rows["modbus"]["hub"] > rows["modbus"]["shown"] * 5 / 2  # five values each: most of what could be polled


def test_an_outage_longer_than_the_run_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "demo", "--seconds", "5", "--outage", "9"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "shorter than --seconds" in done.stderr


@pytest.mark.timeout(120)
def test_a_demo_that_is_told_to_end_leaves_no_process_behind(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "demo", "--seconds", "100", "--dir", str(tmp_path / "demo")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with demo:
        assert demo.stdout is not None
        while "running" not in demo.stdout.readline():
            assert demo.poll() is None
        children = psutil.Process(demo.pid).children()
        assert len(children) == 4  # hub, gateway, subscriber, devices
        demo.terminate()
        demo.communicate(timeout=60)
    assert demo.returncode == 143
    assert not [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
