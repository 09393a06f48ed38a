"""HTTP intake from foreign clients (Node's fetch, curl): nothing that was answered is lost, whatever is killed when."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.npm import NODE, fetched
from tests.system.test_gateway import Gateway, reading

from holdfast.identity.tokens import issue_token

pytestmark = pytest.mark.system

CLIENT = """
const [port, name, count, batch, acked] = process.argv.slice(2);
const fs = require("node:fs");
const now = Date.now() / 1000;
const body = (id) => ({ id, ts: now, temp_c: 21.5, hum: 40, lux: id, co2: 500, occ: false });
(async () => {
  for (let id = 1; id <= Number(count); id += Number(batch)) {
    const ids = Array.from({ length: Number(batch) }, (_, i) => id + i);
    const topic = `acme/${name}/telemetry`;
    const [path, sent] = Number(batch) === 1
      ? [`/api/v1/intake/${topic}`, body(id)]
      : ["/api/v1/intake", ids.map((one) => ({ topic, payload: body(one) }))];
    for (;;) {
      try {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method: "POST", body: JSON.stringify(sent) });
        const told = await answer.text();
        if (answer.status === 200) { fs.appendFileSync(acked, ids.join("\\n") + "\\n"); break; }
        if (answer.status !== 503) { console.error(answer.status, told); process.exit(1); }
      } catch (error) { /* the node is away */ }
      await new Promise((later) => setTimeout(later, 20));
    }
  }
})();
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def stored(gateway: Gateway, device: str) -> Counter[int]:
    """Readings of a device by the number that it sent."""
    url = f"http://127.0.0.1:{gateway.api}/api/v1/query?series=gw/{device}/light.illuminance&from=-1h"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = json.load(answer)["series"]
    return Counter(int(value) for one in found for value in one["value"])


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_was_answered_is_there_once_after_kill_9_under_load(gateway: Gateway, tmp_path: Path) -> None:
    script = tmp_path / "client.cjs"
    script.write_text(CLIENT)
    plans = {"c1": (300, 1), "c2": (300, 1), "c3": (3_000, 50)}
    clients = {
        name: subprocess.Popen([str(NODE), str(script), str(gateway.api), name, *map(str, plan), str(tmp_path / name)])
        for name, plan in plans.items()
    }

    def acked(name: str) -> list[int]:
        return [int(one) for one in (tmp_path / name).read_text().split()] if (tmp_path / name).exists() else []

    until = time.monotonic() + 90
    for share in (0.15, 0.5):
        while sum(len(acked(name)) / plan[0] for name, plan in plans.items()) / len(plans) < share:
            assert time.monotonic() < until, gateway.log()
            time.sleep(0.02)
        assert gateway.process is not None
        gateway.process.kill()
        gateway.process.wait()
        answered = {name: acked(name) for name in plans}
        gateway.start()
        for name, ids in answered.items():
            assert set(ids) <= stored(gateway, name).keys()
    for client in clients.values():
        assert client.wait(60) == 0
    for name, (count, _) in plans.items():
        assert stored(gateway, name) == Counter(range(1, count + 1))


def test_curl_and_a_client_killed_in_the_middle_of_its_body(gateway: Gateway, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{gateway.api}/api/v1/intake/acme/room-1/telemetry"
    body = tmp_path / "body.json"
    body.write_bytes(reading(1))
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{body}"]
    assert subprocess.run([*curl, url], capture_output=True, timeout=20, check=True).stdout == b"200"
    slow = subprocess.Popen(["curl", "-s", "--limit-rate", "2000", "--data-binary", "@-", url], stdin=subprocess.PIPE)
    assert slow.stdin is not None
    slow.stdin.write(reading(2) + b" " * 50_000)
    slow.stdin.close()
    time.sleep(0.5)
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert gateway.counters()["messages_received"] == 1
    assert subprocess.run([*curl, url], capture_output=True, timeout=20, check=True).stdout == b"200"
    assert gateway.counters()["messages_rejected.duplicate"] == 1


@pytest.mark.timeout(120)
def test_clients_that_never_end_their_bodies_dont_keep_others_out(gateway: Gateway) -> None:
    head = b"POST /api/v1/intake/acme/room-1/telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999\r\n\r\n{"
    with contextlib.ExitStack() as held:
        for _ in range(100):
            one = held.enter_context(socket.create_connection(("127.0.0.1", gateway.api), timeout=10))
            one.sendall(head)
        began = time.monotonic()
        for number in range(20):
            url = f"http://127.0.0.1:{gateway.api}/api/v1/intake/acme/room-2/telemetry"
            with urllib.request.urlopen(urllib.request.Request(url, reading(number)), timeout=10) as answer:
                assert json.load(answer)["taken"] == 1
        assert time.monotonic() - began < 10
    assert gateway.counters()["messages_received"] == 20


@pytest.mark.timeout(120)
def test_a_node_that_is_frozen_and_thawed_answers_what_waited(gateway: Gateway) -> None:
    assert gateway.process is not None
    url = f"http://127.0.0.1:{gateway.api}/api/v1/intake/acme/room-3/telemetry"
    told: list[int] = []

    def send() -> None:
        with urllib.request.urlopen(urllib.request.Request(url, reading(1)), timeout=20) as answer:
            told.append(answer.status)

    os.kill(gateway.process.pid, signal.SIGSTOP)
    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(1.0)
    assert told == []
    os.kill(gateway.process.pid, signal.SIGCONT)
    sender.join(20)
    assert told == [200]
    assert gateway.counters()["messages_accepted"] == 1


def test_influxdatas_own_client_writes_its_points_with_a_token(tmp_path: Path) -> None:
    script = fetched(Path(__file__).parent / "influxjs", tmp_path) / "write.mjs"
    issue_token(tmp_path / "plant.token")
    gateway = Gateway(tmp_path, 'apps: {plant: {token: plant.token, intake: ["influx/+/plant"]}}\n')
    gateway.settings.write_text(gateway.settings.read_text().replace("'builtin:rooms'", "'builtin:influx'", 1))
    gateway.settings.write_text(gateway.settings.read_text().replace("rules: ['builtin:rooms']\n", ""))
    gateway.start()
    try:
        token = (tmp_path / "plant.token").read_text().strip()
        words = [str(NODE), str(script), f"http://127.0.0.1:{gateway.api}", token, "1000"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert (said.returncode, said.stdout) == (0, "written\n"), said.stderr
        counted = gateway.counters()
        assert (counted["readings_accepted"], counted["messages_received"]) == (4_000, counted["messages_accepted"])
        url = f"http://127.0.0.1:{gateway.api}/api/v1/query?series=gw/press-1/*state&from=-1h"
        with urllib.request.urlopen(url, timeout=10) as answer:
            (series,) = json.load(answer)["series"]
        assert set(series["value"]) == {"off", 'says "run",\nso'}
        words[3:] = ["hf1.0.wrong", "1"]
        refused = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 1
        assert "the token is unknown or over" in refused.stderr
    finally:
        assert gateway.stop() == 0, gateway.log()
