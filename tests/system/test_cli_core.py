"""The command line over a real node: status, ledger, quarantine and replay, scan, with the node up and down."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.system.test_gateway import Gateway

from holdfast.journal.journal import FILE_NAME

pytestmark = pytest.mark.system

PROFILE = """profiles:
  press:
    topic: plant/{device}/up
    version: 1
    time: {field: ts, unit: s}
    id: id
    stale_after: 10min
    fields:
      t: {metric: temperature, unit: Cel}
"""


def message(number: int, age_s: float = 0) -> bytes:
    return f'{{"id":{number},"ts":{time.time() - age_s:.3f},"t":2{number}.5}}'.encode()


def holdfast(*words: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "holdfast", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


def told(*words: object, code: int = 0) -> Any:
    return json.loads(holdfast(*words, "--json", code=code))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path)
    one.settings.write_text(one.settings.read_text().replace("['builtin:rooms']\nrules", "[press.yaml]\nrules"))
    (tmp_path / "press.yaml").write_text(PROFILE)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def stored(gateway: Gateway) -> list[Any]:
    answer: Any = gateway.get("/api/v1/query?series=press-1/temperature&from=-2h")
    return sorted(answer["series"][0]["value"])


@pytest.mark.timeout(300)
def test_refused_messages_are_found_understood_and_stored_once_when_the_profile_is_mended(gateway: Gateway) -> None:
    settings, topic = gateway.settings, "plant/press-1/up"
    assert gateway.publish(topic, message(1)) == gateway.publish(topic, message(2)) == 0
    assert gateway.publish(topic, message(3, age_s=3600)) == gateway.publish(topic, message(4, age_s=3600)) == 0
    assert gateway.publish(topic, b'{"id":5,"t":\x1b[31m') == 0

    status = told("status", settings)
    assert (status["source"], status["node"], status["journal"]["condition"]) == ("api", "gw", "ok")
    assert told("ledger", settings, "--verify")["ledger"]["balanced"] is True
    assert [row["id"] for row in told("quarantine", "list", settings, "--topic", "plant/+/up")] == [3, 2, 1]
    assert [row["id"] for row in told("quarantine", "list", settings, "--reason", "malformed")] == [3]
    assert "\\x1b[31m" in holdfast("quarantine", "show", settings, 3)
    assert told("quarantine", "show", settings, 1)["verdict"]["reason"] == "stale"
    assert told("quarantine", "replay", settings)["replayed"] == 0

    (gateway.folder / "press.yaml").write_text(PROFILE.replace("10min", "2h"))
    assert gateway.stop() == 0
    gateway.start()
    assert told("quarantine", "show", settings, 1)["verdict"]["decodes"] is True
    assert told("quarantine", "replay", settings, "--dry-run", "--reason", "stale")["replayed"] == 2
    done = told("quarantine", "replay", settings)
    assert (done["replayed"], done["readings"], done["still_rejected"]) == (2, 2, {"malformed": 1})
    assert told("quarantine", "replay", settings)["replayed"] == 0
    assert stored(gateway) == [21.5, 22.5, 23.5, 24.5]
    ledger = told("ledger", settings, "--verify")["ledger"]
    assert (ledger["balanced"], ledger["messages"]["accepted"], ledger["rows"]["readings"]) == (True, 4, 4)


@pytest.mark.timeout(300)
def test_a_stopped_node_is_read_from_its_file_and_a_flipped_byte_is_found_and_isolated(gateway: Gateway) -> None:
    settings = gateway.settings
    for number in range(1, 6):
        assert gateway.publish("plant/press-1/up", message(number)) == 0
    assert "Whole." in holdfast("journal", "scan", settings)
    assert "is in use by process" in holdfast("journal", "scan", settings, "--repair", code=2)
    assert gateway.stop() == 0
    status = told("status", settings)
    assert (status["source"], status["running"], status["journal"]["heads"][2]) == ("file", False, 5)
    holdfast("status", "--url", f"http://127.0.0.1:{gateway.api}", code=2)

    path = gateway.folder / "data" / FILE_NAME
    db = apsw.Connection(str(path))
    ((found,),) = db.execute("SELECT chain FROM groups WHERE place & 255 = 3").fetchall()
    db.wal_checkpoint(mode=3)
    db.close()
    data, chain = path.read_bytes(), found
    assert isinstance(chain, bytes)
    assert data.count(chain) == 1
    at = data.index(chain)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([data[at] ^ 1]))
    damaged = told("journal", "scan", settings, code=1)["damaged"]
    assert (damaged[0]["lane"], damaged[0]["first"]) == (2, 3)
    assert told("journal", "scan", settings, "--repair")["whole"] is True
    ledger = told("ledger", settings, "--verify")["ledger"]
    assert (ledger["balanced"], [gap["reason"] for gap in ledger["gaps"]]) == (True, ["damaged"])
    gateway.start()
    assert told("ledger", settings, "--verify")["ledger"]["balanced"] is True
    assert stored(gateway) == [21.5, 22.5, 24.5, 25.5]
