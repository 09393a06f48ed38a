"""A gateway that sends summaries and what was around alerts; both nodes die, and the link is gone for a while."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.system.held import Held, Row
from tests.system.kill.site import Site

from holdfast.model.event import Event
from holdfast.model.lane import Lane

pytestmark = [pytest.mark.system, pytest.mark.slow]

DEVICE = Path(__file__).parent / "kill" / "device.py"
ENOUGH = 1_500
BEFORE_MS, AFTER_MS = 300, 400
SEND = f"""
  send:
    - series: "air.*"
      as: summaries
      every: 2s
      grace: 1s
      around: {{before: {BEFORE_MS}ms, after: {AFTER_MS}ms}}
    - series: "light.*"
      as: nothing
"""
ALERTS = """
rules:
  stuffy:
    select: air.co2
    from: readings
    when: '"air.co2" > 1975'
    severity: critical
"""


class Filtered(Held, Site):
    def prepare(self) -> None:
        super().prepare()
        (self.folder / "alerts.yaml").write_text(ALERTS)
        path = self.folder / "gw.yaml"
        parent = (
            f"parent:\n  url: 'https://127.0.0.1:{self.hub}'\n  ca: ca.pem\n  token_file: gw.token\n"
            f"  linger: 5ms\n  min_rows: 1\n  backoff_min: 50ms\n  backoff_max: 200ms{SEND}"
        )
        rest = "rules: [alerts.yaml]\nhistory: {every: 1s}\n"
        path.write_text(path.read_text().partition("parent:")[0] + rest + parent)

    def alerts(self, name: str) -> list[Event]:
        return [event for event in self.said(name) if event.kind == "alert.raised"]

    def say(self, *words: str) -> str:
        command = [sys.executable, "-m", "holdfast", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def play(site: Filtered) -> set[Row]:
    """A device publishes while nodes die and the hub is away for a while; what it had acked."""
    record = site.folder / "record.txt"
    device = subprocess.Popen([sys.executable, str(DEVICE), str(site.mqtt), str(record), "4", "200", "1"])
    try:
        for name in ("gw", "hub", "gw", "gw"):
            time.sleep(1.5)
            site.kill(name)
            site.start(name)
        site.kill("hub")
        time.sleep(3.0)
        site.kill("gw")
        site.start("gw")
        site.start("hub")
        patience = time.monotonic() + 60
        while len(record.read_text().splitlines()) < ENOUGH and time.monotonic() < patience:
            time.sleep(0.2)
        time.sleep(1.0)
        device.terminate()
        device.wait(30)
    finally:
        device.kill()
    acked = (line.split() for line in record.read_text().splitlines())
    return {(name, "air.co2", int(ms), int(co2) / 100) for name, ms, co2 in acked}


@pytest.fixture
def site(tmp_path: Path) -> Filtered:
    made = Filtered(tmp_path)
    made.prepare()
    return made


@pytest.mark.timeout(300)
def test_the_hub_has_each_summary_and_each_reading_around_an_alert_once_and_the_rest_stays(site: Filtered) -> None:
    site.bring_up(("hub", "gw"))
    try:
        acked = play(site)
        deadline = time.monotonic() + 90
        while not site.is_settled() and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(2.0)  # one more turn of the lake
    finally:
        site.stop()
    ledger = site.ledger("gw")
    assert site.is_settled()
    assert ledger.balanced
    assert site.ledger("hub").balanced
    kept = list(site.rows("gw", Lane.LOCAL))
    air = [row for row in kept if row[1].startswith("air.")]
    assert len(acked) >= ENOUGH
    assert acked <= set(kept)
    assert len(set(kept)) == len(kept)
    # summaries
    wanted = Counter((device, metric, ms // 2_000 * 2_000) for device, metric, ms, _ in air)
    counted: Counter[tuple[str, str, int]] = Counter()
    sums: Counter[tuple[str, str, int]] = Counter()
    means: dict[tuple[str, str, int], list[float]] = {}
    for device, metric, ms, value in site.rows("hub", Lane.NORMAL):
        name, _, statistic = metric.rpartition(".2s.")
        if statistic == "count":
            counted[device, name, ms] += int(value)
            sums[device, name, ms] += 1
        elif statistic == "mean":
            means.setdefault((device, name, ms), []).append(value)
    assert counted == wanted
    for key, n in sums.items():
        mine = [value for device, metric, ms, value in air if (device, metric, ms // 2_000 * 2_000) == key]
        if n == 1:
            promised = (max(mine) - min(mine)) / 20_000  # docs/how-to/edge-filtering.md
            assert means[key][0] == pytest.approx(float(np.mean(mine)), abs=promised + 1e-9, rel=0)
    assert max(sums.values()) < 10
    # raw readings around alerts, and what was never filtered
    raised = site.alerts("gw")
    assert {event.id for event in raised} == {event.id for event in site.alerts("hub")}
    assert len(raised) > 3
    spans = [(event.device, event.ts // 1_000_000) for event in raised]
    around = Counter(
        row
        for row in kept
        if row[1] == "air.co2" and any(row[0] == d and at - BEFORE_MS <= row[2] <= at + AFTER_MS for d, at in spans)
    )
    there = Counter(site.rows("hub", Lane.BULK))
    assert Counter({row: n for row, n in there.items() if row[1] == "air.co2"}) == around
    assert set(around.values()) == {1}
    assert {row[1] for row in there} == {"air.co2", "room.occupied"}
    known = ledger.filtered
    assert known is not None
    assert (known.kept, known.summarised, known.around) == (len(kept), len(air), around.total())
    assert known.left_out == len(kept) - len(air)
    # and raw here, in files and journal together
    for device in {row[0] for row in air}:
        lines = site.say("query", "gw.yaml", f"{device}/air.co2", "--from", "-1h", "--format", "csv").splitlines()
        there_too = [row for row in air if row[:2] == (device, "air.co2")]
        assert sum("air.co2" in line for line in lines) == len(there_too)
    print(site.say("ledger", "gw.yaml"), site.say("status", "gw.yaml"))  # for the how-to
