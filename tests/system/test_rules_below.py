"""The same rule text at gateway, region and hub: parents decide on what children sent, once, whatever is killed."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.chain import Chain, chain

from holdfast.journal.blobs import decode_events
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import OWN, GroupKind
from holdfast.model.event import Event
from holdfast.model.lane import Lane

pytestmark = pytest.mark.system

RULES = """
rules:
  hot: {select: air.temperature as t, when: t > 20, clear_when: t < 20, severity: critical}
  any: {select: air.temperature as t, by: all, when: t > 20, for: 2 samples}
  warm: {select: avg(air.temperature) as t, window: sliding 4 samples, when: t > 20, for: 2 samples}
"""
PERIOD = 8
"""Messages from one rise of the temperature to the next."""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Chain]:
    made = chain(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES)
    for name in ("hub", "region"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(path.read_text() + "rules: [rules.yaml]\n")
    made.configure(more="rules: [rules.yaml]\n")
    yield made
    made.stop()


def waves(nodes: Chain, count: int) -> None:
    """Send messages, a second apart by their stamps, whose temperature goes up and down."""
    lines = []
    for _ in range(count):
        nodes.sent += 1
        temperature = 30 if nodes.sent % PERIOD >= PERIOD // 2 else 10
        stamp = START + nodes.sent
        lines.append(
            json.dumps(
                {"id": nodes.sent, "ts": stamp, "temp_c": temperature, "hum": 40, "lux": 1, "co2": 5, "occ": False}
            )
        )
    command = ["mosquitto_pub", "-p", str(nodes.mqtt), "-q", "1", "-t", "acme/room-1/telemetry", "-l"]
    subprocess.run(command, input="\n".join(lines) + "\n", text=True, timeout=60, check=True)


START = time.time() - 7200


def own_events(nodes: Chain, name: str) -> list[Event]:
    """What a node itself decided."""
    reader = JournalReader(nodes.folder / name / FILE_NAME)
    found = list[Event]()
    for lane in (Lane.CRITICAL, Lane.NORMAL):
        after = 0
        while groups := reader.read(lane, after, 10_000):
            after = groups[-1].last
            for group in groups:
                if group.kind is GroupKind.EVENTS and group.origin == OWN:
                    found += decode_events(group.blob)
    reader.close()
    return sorted((e for e in found if e.rule), key=lambda e: (e.ts, e.rule))


def settle(nodes: Chain, name: str, wanted: int, seconds: float = 40) -> list[Event]:
    end = time.monotonic() + seconds
    while len(found := own_events(nodes, name)) < wanted and time.monotonic() < end:
        time.sleep(0.2)
    return found


@pytest.mark.timeout(200)
def test_parents_decide_on_childrens_readings_once_whatever_is_killed(nodes: Chain) -> None:
    nodes.bring_up(["hub", "region", "gw"])
    for turn, killed in enumerate(("hub", "region", "hub", "gw", "region", "hub")):
        waves(nodes, 40)
        time.sleep(0.1 * turn)
        nodes.kill(killed)
        waves(nodes, 20) if killed != "gw" else None
        nodes.bring_up([killed])
    waves(nodes, 20)
    expected = Counter((e.rule, e.kind, e.ts) for e in own_events(nodes, "gw"))
    assert len(expected) > 80
    for name in ("region", "hub"):
        found = settle(nodes, name, sum(expected.values()))
        assert Counter((e.rule, e.kind, e.ts) for e in found) == expected, f"{name} decided otherwise"
        assert {(e.node, e.device) for e in found if e.rule != "any"} == {("gw", "room-1")}
        assert {(e.node, e.device) for e in found if e.rule == "any"} == {(name, "all")}
        assert {e.why["decided_on"] for e in found} == {name}


@pytest.mark.timeout(120)
def test_a_cut_link_is_no_silence_and_its_backlog_is_judged_by_its_own_time(nodes: Chain) -> None:
    nodes.bring_up(["hub", "region", "gw"])
    waves(nodes, 40)
    before = len(settle(nodes, "hub", len(own_events(nodes, "gw"))))
    nodes.cable.cut()
    waves(nodes, 200)
    time.sleep(1)
    assert len(own_events(nodes, "hub")) == before
    nodes.cable.restore()
    expected = Counter((e.rule, e.kind, e.ts) for e in own_events(nodes, "gw"))
    assert Counter((e.rule, e.kind, e.ts) for e in settle(nodes, "hub", sum(expected.values()))) == expected


@pytest.mark.timeout(150)
def test_an_edit_at_a_parent_leaves_its_other_rules_alone_over_a_kill(nodes: Chain) -> None:
    rules = nodes.folder / "of-the-hub.yaml"
    rules.write_text(RULES)
    hub = nodes.folder / "hub.yaml"
    hub.write_text(hub.read_text().replace("[rules.yaml]", "[of-the-hub.yaml]"))
    nodes.bring_up(["hub", "region", "gw"])
    waves(nodes, PERIOD * 4 + PERIOD // 2 + 3)  # ends while it's warm
    settle(nodes, "hub", len(own_events(nodes, "gw")))
    rules.write_text("".join(line + "\n" for line in RULES.splitlines() if "warm:" not in line))
    nodes.processes["hub"].send_signal(signal.SIGHUP)
    end = time.monotonic() + 20
    while "RulesChanged" not in nodes.log("hub"):
        assert time.monotonic() < end, nodes.log("hub")
        time.sleep(0.1)
    waves(nodes, 20)
    nodes.kill("hub")
    nodes.bring_up(["hub"])
    waves(nodes, 20)
    expected = [(e.rule, e.kind, e.ts) for e in own_events(nodes, "gw") if e.rule == "hot"]
    end = time.monotonic() + 30
    while len([e for e in own_events(nodes, "hub") if e.rule == "hot"]) < len(expected) and time.monotonic() < end:
        time.sleep(0.2)
    found = own_events(nodes, "hub")
    assert [(e.rule, e.kind, e.ts) for e in found if e.rule == "hot"] == expected
    warm = [e for e in found if e.rule == "warm"]
    assert (warm[-1].kind, warm[-1].why["because"]) == ("alert.cleared", "the rule was removed")
    assert [e.kind for e in warm] == ["alert.raised", "alert.cleared"] * (len(warm) // 2)
