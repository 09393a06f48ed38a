"""Raw vibration at a running node, by the how-to's own profile and rule: a fault is named, over a kill -9."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from tests.system.test_gateway import Gateway
from tests.unit.stream.vibration.machines import impacts, noise

from holdfast.stream.vibration.bearings import bearing

pytestmark = pytest.mark.system
PAGE = Path(__file__).parents[2] / "docs/how-to/vibration.md"
RATE, BLOCK = 12_000, 1_200


def test_blocks_of_samples_become_an_alert_that_names_the_fault_though_the_node_is_killed_meanwhile(
    tmp_path: Path,
) -> None:
    gateway = Gateway(tmp_path)
    for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        name, _, rest = text.removeprefix("# ").partition("\n")
        (tmp_path / name).write_text(rest, encoding="utf-8")
    said = gateway.settings.read_text()
    gateway.settings.write_text(
        said.replace("['builtin:rooms']\nrules: ['builtin:rooms']", "[profiles.yaml]\nrules: [rules.yaml]")
    )
    gateway.start()
    rng, orders = np.random.default_rng(1), bearing("6205")
    x = 2 * impacts(rng, 3 * RATE, RATE, 1797 / 60, orders, "inner race") + noise(rng, 3 * RATE)
    begin = time.time_ns() // 1000 - 3_000_000
    out = None
    for i in range(0, len(x), BLOCK):
        if i == len(x) // 2:
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGKILL)
            gateway.process.wait(20)
            gateway.start()
            command = ["mosquitto_sub", "-p", str(gateway.mqtt), "-t", "alerts/#", "-C", "1", "-W", "30"]
            out = subprocess.Popen(command, stdout=subprocess.PIPE)
            time.sleep(0.5)
        block = {
            "t0": begin + i * 1_000_000 // RATE,
            "rate": RATE,
            "rpm": 1797,
            "x": x[i : i + BLOCK].round(5).tolist(),
        }
        assert gateway.publish("vibration/motor-1", json.dumps(block).encode()) == 0
    assert out is not None
    alert = json.loads(out.communicate(timeout=40)[0])
    assert (alert["kind"], alert["device"]) == ("alert.raised", "motor-1")
    values = alert["why"]["values"]
    assert values["fault"] == "inner race"
    assert values["hz"] == pytest.approx(orders.inner * 1797 / 60, rel=0.02)
    assert gateway.counters()["messages_accepted"] >= len(x) // BLOCK // 2
    assert gateway.stop() == 0, gateway.log()
