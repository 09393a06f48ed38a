"""Commands through real nodes to a device we'd trust with a press: done once, ended once, whatever is cut or killed."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.system.chain import Chain
from tests.system.kill.site import ROOT

pytestmark = pytest.mark.system
RULES = """rules:
  hot:
    select: air.temperature as temp
    when: temp > 60
    do:
      - publish: alerts/hot
      - command: {device: press-1, name: stop, params: {because: "{device}", at: "{temp}"}, deadline: 20s}
"""
COMMANDS = "commands: {local: true, from_parent: true, wait: 2s}\nrules: [rules.yaml]\n"


class Shop(Chain):
    """gw below region below hub, and a press at the gateway."""

    def furnish(self) -> None:
        (self.folder / "rules.yaml").write_text(RULES)
        self.configure(more=COMMANDS)
        region = self.folder / "region.yaml"
        region.write_text(region.read_text() + "commands: {from_parent: true, wait: 2s}\n")

    def press(self, delay: float = 0.0) -> None:
        words = [str(self.mqtt), "press-1", str(self.folder / "press.txt"), str(delay)]
        env = {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}
        self.processes["press"] = subprocess.Popen([sys.executable, "-m", "tests.system.press", *words], env=env)

    @property
    def executed(self) -> list[str]:
        record = self.folder / "press.txt"
        return [line.split(" ", 1)[0] for line in record.read_text().splitlines()] if record.exists() else []

    def base(self, name: str) -> str:
        return f"http://127.0.0.1:{self.gateway_api}" if name == "gw" else f"https://127.0.0.1:{getattr(self, name)}"

    def send(self, at: str, number: str, **more: Any) -> httpx.Response:
        body = {"name": "stop", "params": {"n": number}, "id": number, "node": "gw", "deadline": 60.0} | more
        return self.client.post(f"{self.base(at)}/api/v1/devices/press-1/commands", json=body)

    def keep_sending(self, name: str, number: str) -> None:
        """As a caller does that was told nothing: again, under the same id."""
        until = time.monotonic() + 60
        while True:
            try:
                if self.send(name, number).status_code in (200, 202):
                    return
            except httpx.HTTPError:
                assert time.monotonic() < until
            time.sleep(0.1)

    def row(self, name: str, number: str) -> dict[str, Any]:
        answer = self.client.get(f"{self.base(name)}/api/v1/devices/press-1/commands/{number}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, name: str, numbers: list[str], seconds: float = 60) -> dict[str, dict[str, Any]]:
        until = time.monotonic() + seconds
        while True:
            found = {number: self.row(name, number) for number in numbers}
            if all(row["ended_ns"] for row in found.values()):
                return found
            assert time.monotonic() < until, Counter(row["state"] for row in found.values())
            time.sleep(0.2)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.prepare()
    made.furnish()
    yield made
    made.stop()


@pytest.mark.timeout(120)
def test_a_rule_a_person_and_a_machine_command_a_press(shop: Shop) -> None:
    shop.bring_up(["gw"])
    shop.press()
    assert shop.send("gw", "by-hand").status_code == 202
    assert shop.send("gw", "by-hand").status_code == 200
    assert shop.send("gw", "by-hand", name="start").status_code == 409
    done = shop.ended("gw", ["by-hand"])["by-hand"]
    assert (done["state"], done["result"], done["origin"]) == ("done", {"n": "by-hand"}, "local")
    assert 0 < done["made_ns"] <= done["sent_ns"] <= done["ended_ns"]
    publish = ["mosquitto_pub", "-p", str(shop.mqtt), "-q", "1", "-i", "cell"]
    subprocess.run([*publish, "-t", "command/press-1/stop", "-m", '{"id":"by-machine"}'], check=True, timeout=20)
    assert shop.ended("gw", ["by-machine"])["by-machine"]["origin"] == "mqtt:cell"
    hot = f'{{"id":1,"ts":{time.time():.3f},"temp_c":80,"hum":40,"lux":1,"co2":5,"occ":false}}'
    subprocess.run([*publish, "-t", "acme/room-1/telemetry", "-m", hot], check=True, timeout=20)
    until = time.monotonic() + 20
    while len(shop.executed) < 3:
        assert time.monotonic() < until, shop.log("gw")
        time.sleep(0.05)
    ruled = shop.ended("gw", [shop.executed[2]])[shop.executed[2]]
    assert (ruled["origin"], ruled["params"], ruled["state"]) == ("rule:hot", {"because": "room-1", "at": 80.0}, "done")
    metrics = shop.client.get(f"{shop.base('gw')}/metrics").text
    assert 'holdfast_commands_ended_total{state="done"} 3.0' in metrics
    assert "holdfast_command_seconds_count 3.0" in metrics


@pytest.mark.timeout(120)
def test_a_press_that_is_away_gets_what_still_matters(shop: Shop) -> None:
    shop.bring_up(["gw"])
    assert shop.send("gw", "short", deadline=1.5).status_code == 202
    assert shop.send("gw", "long").status_code == 202
    assert shop.ended("gw", ["short"])["short"]["state"] == "expired"
    assert not shop.row("gw", "short")["doubt"]
    shop.kill("gw")
    shop.bring_up(["gw"])
    shop.press()
    assert shop.ended("gw", ["long"])["long"]["state"] == "done"
    assert shop.executed == ["long"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_from_the_hub_over_cuts_and_kills_each_is_done_once_and_ends_once(shop: Shop) -> None:
    shop.bring_up(["hub", "region", "gw"])
    shop.publish(5)  # the hub learns that there is a gateway below the region
    shop.until("hub", [1, 2, 3, 4, 5])
    shop.press(delay=0.02)
    rng = random.Random(7)
    numbers = [f"c{n:03d}" for n in range(60)]
    for n, number in enumerate(numbers):
        shop.keep_sending("hub", number)
        if n % 6 == 2:
            shop.cable.cut()
        elif n % 6 == 4:
            shop.cable.restore()
        if n % 9 == 5:
            victim = ["gw", "hub", "region", "press"][n // 9 % 4]
            time.sleep(rng.random() / 2)
            shop.kill(victim)
            if victim == "press":
                shop.press(delay=0.02)
            else:
                shop.bring_up([victim])
    shop.cable.restore()
    rows = shop.ended("hub", numbers, 150)
    assert Counter(row["state"] for row in rows.values()) == {"done": len(numbers)}
    assert all(row["result"] == {"n": number} and not row["doubt"] for number, row in rows.items())
    assert Counter(shop.executed) == Counter(numbers)
    assert shop.row("gw", "c000")["origin"] == "parent/parent/local"


@pytest.mark.timeout(120)
def test_commands_follow_a_renamed_device_and_the_old_name_says_where_to(shop: Shop) -> None:
    shop.bring_up(["gw"])
    send = ["mosquitto_pub", "-p", str(shop.mqtt), "-q", "1", "-t", "acme/press-1/telemetry", "-m"]
    fine = f'{{"id":1,"ts":{time.time():.3f},"temp_c":20,"hum":40,"lux":1,"co2":5,"occ":false}}'
    subprocess.run([*send, fine], check=True, timeout=20)  # the registry knows it
    assert shop.send("gw", "waits").status_code == 202
    change = {"do": "rename", "devices": ["press-1"], "to": "north"}
    assert shop.client.post(f"{shop.base('gw')}/api/v1/devices", json=change).status_code == 200
    refused = shop.send("gw", "too-late")
    assert refused.status_code == 409
    assert refused.json()["error"] == "press-1 is called north now"
    assert "north" in refused.json()["hint"]
    shop.kill("gw")
    shop.bring_up(["gw"])
    shop.press()  # it still calls itself press-1
    assert shop.ended("gw", ["waits"])["waits"]["state"] == "done"
    body = {"name": "stop", "params": {}, "id": "by-new-name", "deadline": 30.0}
    at = f"{shop.base('gw')}/api/v1/devices/north/commands"
    assert shop.client.post(at, json=body).status_code == 202
    found = shop.client.get(f"{at}/by-new-name?wait=20").json()
    assert (found["state"], found["device"]) == ("done", "north")
    assert [one["id"] for one in shop.client.get(at).json()] == ["by-new-name", "waits"]
    hot = f'{{"id":2,"ts":{time.time():.3f},"temp_c":80,"hum":40,"lux":1,"co2":5,"occ":false}}'
    subprocess.run([*send, hot], check=True, timeout=20)  # the rule still says press-1
    until = time.monotonic() + 20
    while len(shop.executed) < 3:
        assert time.monotonic() < until, shop.log("gw")
        time.sleep(0.05)
    assert shop.executed[:2] == ["waits", "by-new-name"]
    assert "CommandByOldName" in shop.log("gw")
