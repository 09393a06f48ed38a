"""Every series has a detector, and only summaries and what was around its alerts go up: over kills and an outage."""

import itertools
import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.system.held import Held
from tests.system.test_detectors import cli
from tests.system.test_rules import Batch, Press, eventually

from holdfast.model.lane import Lane

pytestmark = pytest.mark.system
RULES = """rules:
  unusual:
    detect: auto
    select: "*"
    from: readings where device like 'press-%'
  means: {select: avg(value) as mean, by: series, window: tumbling 1h, do: [{store: {"{metric}.mean_1h": mean}}]}
"""
GATEWAY = """node: gw
data: gw
profiles: [press.yaml]
rules: [rules.yaml]
history: {{every: 1s}}
mqtt: {{listen: '127.0.0.1:{mqtt}', anonymous: true}}
api: {{listen: '127.0.0.1:{api}'}}
parent:
  url: 'https://127.0.0.1:{hub}'
  ca: ca.pem
  token_file: gw.token
  backoff_max: 200ms
  send:
    - {{series: "*", as: summaries, every: 2m, grace: 1s, around: {{before: 15m, after: 20m, of: [alert.raised]}}}}
"""
READINGS, EVERY_S, SPIKES, STEP_S = 480, 300, {300: 80.0, 420: 150.0}, 120
"""Of each series, so far apart: `auto` says nothing of its first day."""
BEFORE_S, AFTER_S = 900, 1_200
AT_ONCE, FIRST, SECOND = 48, 13, 16
"""Messages of a batch; batches until the first spike was told, and until the hub comes back."""


class Filtered(Held, Press):
    tick_ns = 10**9

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, RULES)
        self.site.prepare()
        ports = {"mqtt": self.site.mqtt, "api": self.api, "hub": self.site.hub}
        (folder / "gw.yaml").write_text(GATEWAY.format(**ports))


def a_story(seed: int = 3) -> list[Batch]:
    """Forty hours of two presses; spikes in the temperature of the first."""
    rng, start = random.Random(seed), (int(time.time()) - 150_000) // 3600 * 3600
    messages = []
    for n, press in itertools.product(range(READINGS), range(2)):
        body = {"id": 2 * n + press, "ts": start + EVERY_S * n, "t": rng.gauss(57, 1), "p": rng.gauss(5, 0.1)}
        if not press and n in SPIKES:
            body["t"] = SPIKES[n]
        messages.append((f"plant/press-{press}", json.dumps(body).encode()))
    return [messages[i : i + AT_ONCE] for i in range(0, len(messages), AT_ONCE)]


def play(node: Filtered) -> None:
    """The gateway dies thrice, once as soon as somebody labelled an alert; the hub is away meanwhile."""
    story = a_story()
    for batch in story[: FIRST // 2]:
        node.publish(batch)
    node.publish(story[FIRST // 2], await_stored=False)
    node.kill()
    node.up()
    for batch in story[FIRST // 2 : FIRST]:  # the first of them once more
        node.publish(batch)
    node.site.kill("hub")
    eventually(lambda: bool(node.ask("alerts?state=all&rule=unusual")), lambda: node.site.log("gw"))
    first = min(
        (one for one in node.ask("alerts?state=all&rule=unusual") if one["why"]["metric"] == "temperature"),
        key=lambda one: abs(one["raised_ns"] - json.loads(story[12][24][1])["ts"] * 10**9),
    )
    code, told = cli(node, "reject", str(first["id"]), "--by", "ann", "--comment", "door was open")
    assert code == 0, told
    node.kill()
    node.up()
    for batch in story[FIRST:SECOND]:
        node.publish(batch)
    node.kill()
    node.site.bring_up(["gw", "hub"])
    for batch in story[SECOND:]:
        node.publish(batch)
    deadline = time.monotonic() + 60
    while not node.is_settled() and time.monotonic() < deadline:
        time.sleep(0.2)


@pytest.mark.timeout(200)
def test_a_detectors_alert_brings_the_readings_of_its_series_alone_and_all_else_goes_up_once(tmp_path: Path) -> None:
    node = Filtered(tmp_path)
    node.site.bring_up(("gw", "hub"))
    try:
        play(node)
    finally:
        node.site.stop()
    assert node.is_settled(), node.ledger("gw")
    assert node.ledger("gw").balanced, node.ledger("gw")
    assert node.ledger("hub").balanced, node.ledger("hub")
    kept = list(node.rows("gw", Lane.LOCAL))
    assert Counter(kept).total() == len(set(kept)) == 4 * READINGS
    assert {metric for _, metric, *_ in kept} == {"temperature", "pressure"}
    # what was decided, and what people said of it
    events = node.said("gw")
    assert Counter(one.id for one in events) == Counter(one.id for one in node.said("hub"))
    raised = [one for one in events if one.kind == "alert.raised"]
    (label,) = (one for one in node.said("hub") if one.kind == "alert.labelled")
    assert (label.metric, label.why["label"], label.why["by"]) == ("temperature", "rejected", "ann")
    assert {one.metric for one in raised} <= {"temperature", "pressure"}
    assert sum(one.device == "press-0" and one.metric == "temperature" for one in raised) >= 2
    # readings around alerts: of the alert's series, and of no other of its device
    spans = [(one.device, one.metric, one.ts // 10**9) for one in raised]
    around = {
        row for row in kept if any(row[:2] == (d, m) and at - BEFORE_S <= row[2] <= at + AFTER_S for d, m, at in spans)
    }
    there = Counter(node.rows("hub", Lane.BULK))
    assert set(there.values()) == {1}
    assert {row for row in there if row[1] in ("temperature", "pressure")} == around
    # what the rule stored went up as it is, each once, and nobody summed it up
    results = {row for row in there if row[1] in ("temperature.mean_1h", "pressure.mean_1h")}
    assert set(there) == around | results
    assert len(results) >= 4 * (READINGS * EVERY_S // 3600 - 2)
    summed = list(node.rows("hub", Lane.NORMAL))
    assert {metric.partition(".120s.")[0] for _, metric, *_ in summed} == {"temperature", "pressure"}
    counted: Counter[tuple[str, str, int]] = Counter()
    for device, metric, at_s, value in summed:
        if metric.endswith(".count"):
            counted[device, metric.removesuffix(".120s.count"), at_s] += int(value)
    assert counted == Counter((device, metric, at_s // STEP_S * STEP_S) for device, metric, at_s, _ in kept)
    known = node.ledger("gw").filtered
    assert known is not None
    assert (known.kept, known.summarised, known.around) == (len(kept), len(kept), len(around))
