"""Clients that people use every day, MQTT.js and gmqtt, at every QoS and back after a while.

Neither is among this project's packages: npm and pip fetch them, pinned by hash, into a folder of the test. gmqtt's
wheel brings a top-level package called `tests`, which would hide ours.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.system.mqtt_peers import House, house
from tests.system.npm import NODE, fetched

pytestmark = pytest.mark.system

HERE = Path(__file__).parent
versions = pytest.mark.parametrize("version", [4, 5])


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture(scope="module")
def mqtt_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MQTT.js with its packages."""
    return fetched(HERE / "mqttjs", tmp_path_factory.mktemp("mqttjs")) / "client.mjs"


@pytest.fixture(scope="module")
def gmqtt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to import gmqtt from."""
    folder = tmp_path_factory.mktemp("gmqtt")
    wanted = ["--require-hashes", "--no-deps", "--target", str(folder), "-r", str(HERE / "gm" / "requirements.txt")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *wanted]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"gmqtt can't be fetched: {made.stderr[-300:]}")
    return folder


def told(command: Sequence[str], env: Mapping[str, str] | None = None) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def check(said: Any, topic: str) -> None:
    """The client heard each message once while it was here, and what it had to get after it was away."""
    assert said["granted"] == [2]
    assert sorted(said["here"]) == [[f"{topic}/here", f"here {qos}", qos] for qos in (0, 1, 2)]
    assert sorted(said["away"]) == [[f"{topic}/away", f"away {qos}", qos] for qos in (1, 2)]
    assert said["resumed"]


@pytest.mark.timeout(120)
@versions
def test_mqtt_js_publishes_hears_and_comes_back(node: House, mqtt_js: Path, version: int) -> None:
    check(told([str(NODE), str(mqtt_js), str(node.port), str(version)]), f"js/{version}")


@pytest.mark.timeout(120)
@versions
def test_gmqtt_publishes_hears_and_comes_back(node: House, gmqtt: Path, version: int) -> None:
    command = [sys.executable, str(HERE / "gm" / "client.py"), str(node.port), str(version)]
    check(told(command, {**os.environ, "PYTHONPATH": str(gmqtt)}), f"gmqtt/{version}")
