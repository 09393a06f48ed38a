"""A thousand Modbus devices, a third of which dies: the others don't notice. Minutes long."""

from pathlib import Path

import pytest
from benchmarks.modbus import site

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]


def test_of_1000_devices_300_die_and_the_periods_of_the_others_drift_by_less_than_5_percent(tmp_path: Path) -> None:
    found = site(tmp_path, 1000, 20.0, units=1, every=1.0)
    before, dead, back = found["before"], found["dead"], found["back"]
    assert (before["devices_asked"], dead["devices_asked"], back["devices_asked"]) == (1000, 700, 1000)
    assert dead["p99_drift_percent"] < before["p99_drift_percent"] + 5, found
    assert abs(dead["period_p50_ms"] - 1000) < 5, found
    assert back["node_rss_mib"] < before["node_rss_mib"] * 1.1 + 10, found
