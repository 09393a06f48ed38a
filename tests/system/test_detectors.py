"""Detectors in a real node: killed in the midst of it, labelled by people, and what they tell."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_rules import Batch, Press, a_press, eventually, facts

pytestmark = pytest.mark.system
RULES = """rules:
  unusual:
    detect: auto
    select: "*"
    from: readings where device like 'press-%'
  worst:
    select: max(anomaly(temperature)) as score
    window: count 50
    when: score > 0.5
"""
TICKS, SPIKES = 480, {300: 80.0, 440: 150.0}
TICK_S = 300
"""Between readings: `auto` says nothing on the first day."""
AT_ONCE = 24


def a_story(seed: int = 3) -> list[Batch]:
    """Forty hours of two presses, from a midnight some days ago; spikes in the temperature of the first."""
    rng, start = random.Random(seed), (int(time.time()) - 172_800) // 86_400 * 86_400
    messages = []
    for tick in range(TICKS):
        for press in range(2):
            body = {"id": 2 * tick + press, "ts": start + TICK_S * tick, "t": rng.gauss(57, 1), "p": rng.gauss(5, 0.1)}
            if not press and tick in SPIKES:
                body["t"] = SPIKES[tick]
            messages.append((f"plant/press-{press}", json.dumps(body).encode()))
    return [messages[i : i + AT_ONCE] for i in range(0, len(messages), AT_ONCE)]


def cli(press: Press, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "holdfast", "alerts", words[0], str(press.folder / "gw.yaml"), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def alerts(press: Press) -> list[dict[str, Any]]:
    found = press.ask("alerts?state=all&rule=unusual")
    return sorted((one for one in found if one["metric"] == "temperature"), key=lambda one: one["raised_ns"])


def watched(press: Press) -> dict[str, Any]:
    (row,) = (one for one in press.ask("rules")["rules"] if one["rule"] == "unusual")
    found: dict[str, Any] = row
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_node_tells_the_scores_of_one_that_lived_and_keeps_what_people_said(tmp_path: Path) -> None:
    story, cut = a_story(), 2 * 400 // AT_ONCE
    told = []
    for way in ("lived", "killed"):
        with a_press(tmp_path / way, RULES) as press:
            for i, batch in enumerate(story[:cut]):
                if way == "killed" and i % 6 == 5:
                    press.publish(batch, await_stored=False)
                    press.kill()
                    press.up()
                press.publish(batch)
            eventually(lambda: len(alerts(press)) > 0, lambda: press.site.log("gw"))
            first = alerts(press)[0]
            assert first["device"] == "press-0"
            code, said = cli(press, "reject", str(first["id"]), "--by", "ann", "--comment", "door was open")
            assert (code, "rejected by ann" in said) == (0, True), said
            eventually(lambda: watched(press)["labels"] != [], lambda: press.site.log("gw"))
            if way == "killed":
                press.kill()
                press.up()
            assert watched(press)["labels"] == [
                {"node": "gw", "device": "press-0", "metric": "temperature", "threshold": 0.55, "confirmed": 0,
                 "rejected": 1}
            ]  # fmt: skip
            for batch in story[cut:]:
                press.publish(batch)
            code, listed = cli(press, "labels", "--json")
            (label,) = json.loads(listed)
            assert (code, label["label"], label["by"], label["comment"], label["settled"]) == (
                0, "rejected", "ann", "door was open", True,
            )  # fmt: skip
            assert label["why"]["values"]["score"] == first["why"]["values"]["score"] or first["cleared_ns"]
            press.kill()
            told.append([one for one in press.events() if one.kind != "alert.labelled"])
    lived, killed = told
    assert [one.id for one in lived if one.rule == "worst"]
    raised: list[Any] = [one.why for one in lived if one.rule == "unusual" and one.metric == "temperature"]
    assert [why["detector"]["threshold"] for why in raised if why["condition"].startswith("score >=")] == [0.5, 0.55]
    assert len({one.id for one in killed}) == len(killed)
    assert facts(killed) == facts(lived)
