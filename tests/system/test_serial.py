"""Instruments behind socat, as devices and as a serial server: values, cuts, freezes, returns, commands."""

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.lines import Cable, SerialServer, Site
from tests.system.test_cli_core import holdfast, told
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(120),
    pytest.mark.skipif(shutil.which("socat") is None, reason="socat isn't installed"),
]
PROFILES = """
profiles:
  scale:
    topic: serial/scale
    device: name
    format: csv
    csv: {columns: [name, weight, unit]}
    map: {weight: {metric: weight, unit: g, to: kg, unit_field: unit}}
  others: {topic: "serial/{device}", format: text, name: value}
"""
SETTINGS = r"""
serial:
  scale: {{port: "{scale}", checksum: {{rule: xor, written: hex}}, joined: 0s, backoff_max: 1s, offline_after: 1s}}
  counter: {{port: "tcp://127.0.0.1:{server}", offline_after: 1s, joined: 0s, backoff_max: 1s}}
  chamber:
    port: "{chamber}"
    framing: {{start: '\x02', end: '\x03'}}
    ask: '\x02PV?\x03'
    every: 300ms
    timeout: 200ms
    backoff_max: 1s
    commands:
      setpoint: {{text: '\x02SP {{value:.1f}}\x03', expect: 'SP=([-0-9.]+)'}}
"""


def framed(text: str) -> str:
    proof = 0
    for byte in text.encode():
        proof ^= byte
    return f"{text}{proof:02X}\r\n"


class Chamber:
    """A climate chamber on a cable: answers questions, takes setpoints to half degrees."""

    def __init__(self, cable: Cable) -> None:
        self.setpoint, self._cable, self._on = 20.0, cable, True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        buffer = ""
        while self._on:
            buffer += self._cable.heard()
            *frames, buffer = buffer.split("\x03")
            for frame in frames:
                if frame == "\x02PV?":
                    self._cable.say(f"\x02{self.setpoint + 0.1:.1f}\x03")
                elif frame.startswith("\x02SP "):
                    self.setpoint = round(2 * float(frame[4:])) / 2
                    self._cable.say(f"\x02SP={self.setpoint}\x03")
            time.sleep(0.01)

    def stop(self) -> None:
        self._on = False
        self._thread.join()


class Plant:
    """All of it."""

    def __init__(self, folder: Path) -> None:
        self.scale, self.chamber_cable = Cable(folder, "scale"), Cable(folder, "chamber")
        self.server = SerialServer()
        self.scale.plug()
        self.chamber_cable.plug()
        self.server.start()
        self.chamber = Chamber(self.chamber_cable)
        ports = {"scale": self.scale.port, "chamber": self.chamber_cable.port, "server": self.server.port}
        self.site = Site(folder, SETTINGS.format(**ports), PROFILES)

    def close(self) -> None:
        self.site.kill()
        self.chamber.stop()
        self.server.kill()
        self.scale.unplug()
        self.chamber_cable.unplug()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    one = Plant(tmp_path)
    try:
        yield one
    finally:
        one.close()


def test_instruments_are_cut_off_frozen_and_back_and_the_others_do_not_notice(plant: Plant) -> None:
    site = plant.site
    site.start()
    wait_until(lambda: site.adapter("serial:scale")["state"] != "starting")
    said = framed("s-1,1250.5,g") + "s-1,9999.9,g00\r\n"  # the second one's checksum is wrong
    wait_until(lambda: plant.scale.say(said) or site.value("s-1/weight") == 1.2505)
    assert "checksum" in site.adapter("serial:scale")["detail"]
    assert site.last("s-1/weight")["unit"] == "kg"
    wait_until(lambda: (site.value("counter/value") or 0) > 3)
    wait_until(lambda: site.value("chamber/value") == 20.1)

    plant.scale.unplug()
    wait_until(lambda: site.adapter("serial:scale")["state"] == "failing")
    before = site.value("counter/value")
    wait_until(lambda: site.value("counter/value") > before)
    plant.scale.plug()
    wait_until(lambda: plant.scale.say(framed("s-1,7.5,kg")) or site.value("s-1/weight") == 7.5)
    assert site.adapter("serial:scale")["state"] == "working"

    plant.server.signal(signal.SIGSTOP)  # frozen: it keeps the connection, and says nothing
    wait_until(lambda: site.is_offline("counter/value"))
    assert site.adapter("serial:counter")["state"] == "failing"
    plant.server.signal(signal.SIGCONT)
    wait_until(lambda: not site.is_offline("counter/value"))
    plant.server.kill()
    wait_until(lambda: site.adapter("serial:counter")["state"] == "failing")
    wait_until(lambda: site.is_offline("counter/value"))
    plant.server.start()
    wait_until(lambda: not site.is_offline("counter/value"))
    assert site.value("chamber/value") == 20.1
    site.stop()


def test_a_command_is_done_with_what_was_taken_and_a_killed_node_keeps_what_was_shown(plant: Plant) -> None:
    site = plant.site
    site.start()
    wait_until(lambda: site.value("chamber/value") == 20.1)
    done = told("command", "send", site.settings, "chamber", "setpoint", "value=21.7", "--wait")
    assert (done["state"], done["result"]) == ("done", {"setpoint": 21.5})
    refused = told("command", "send", site.settings, "chamber", "reboot", "value=1", "--wait", code=1)
    assert refused["state"] == "refused"
    wait_until(lambda: site.value("chamber/value") == 21.6)
    shown, past = site.last("counter/value"), "/api/v1/query?series=counter/value&from=-5m"
    wait_until(lambda: shown["ts"] in site.get(past)["series"][0]["ts"])  # it's shown before it's committed
    site.kill()
    site.start()
    wait_until(lambda: site.last("counter/value").get("ts", 0) > shown["ts"])
    assert shown["ts"] in site.get(past)["series"][0]["ts"]
    site.stop()


def test_trying_the_adapters_says_what_is_there_and_what_to_do(plant: Plant) -> None:
    plant.scale.unplug()
    said = holdfast("adapters", "test", plant.site.settings, code=1)
    assert "serial:counter  ok" in said
    assert "serial:chamber  ok" in said
    assert "serial:scale    fails" in said
    assert "Is it plugged in?" in said
