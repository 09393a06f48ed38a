"""What an artifact's way down costs: bytes on the wire, speed beside curl's, and the acks of readings meanwhile.

python -m benchmarks.artifacts      (about 90 s; prints JSON)

Hub, region and gateway as processes on one machine. Acks: 50 messages a second over MQTT with QoS 1, from publish to
PUBACK, in ROUNDS of three phases of PHASE_S: nothing else, a download at 4 MB/s, and that download with its parent
gone. The ratios are medians over the rounds; the machine must have little else to do.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.system.artifact_tree import Tree, eventually, tree

ROUNDS, PHASE_S, RATE, SIZE, PACE = 5, 5.0, 50, 60_000_000, 4_000_000


class Acks:
    """Publishes readings, and knows how long each took."""

    def __init__(self, port: int) -> None:
        self.took: list[float] = []
        self._sent: dict[int, float] = {}
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench")
        self._client.on_publish = self._acked
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._n = 0

    def _acked(self, _client: Any, _data: Any, mid: int, *_rest: Any) -> None:
        with self._lock:
            if mid in self._sent:
                self.took.append(time.perf_counter() - self._sent.pop(mid))

    def phase(self) -> dict[str, float]:
        """Milliseconds, for a while."""
        self.took = []
        until = time.monotonic() + PHASE_S
        while time.monotonic() < until:
            self._n += 1
            rest = '"hum":40,"lux":1,"co2":5,"occ":false'
            body = f'{{"id":{self._n},"ts":{time.time():.3f},"temp_c":20,{rest}}}'
            with self._lock:
                mid = self._client.publish("acme/room-1/telemetry", body, 1).mid
                self._sent[mid] = time.perf_counter()
            time.sleep(1 / RATE)
        time.sleep(0.5)
        found = sorted(self.took)
        return {
            "acks": len(found),
            "p50_ms": round(1000 * statistics.median(found), 2),
            "p99_ms": round(1000 * found[int(0.99 * len(found))], 2),
        }

    def close(self) -> None:
        self._client.loop_stop()
        self._client.disconnect()


def timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return time.perf_counter() - began


def speed(site: Tree) -> dict[str, float]:
    """SIZE bytes at full speed: curl from the hub, and the gateway through the region, none of them having it."""
    digest, _ = site.publish_file(SIZE, "fast.bin")
    bearer = f"Authorization: Bearer {(site.folder / 'region-up.token').read_text().strip()}"
    url, ca = f"{site.local('hub')}/api/v1/artifacts/{digest}", str(site.folder / "ca.pem")
    curl = timed(["curl", "-sf", "--cacert", ca, "-H", bearer, url])
    before = site.bottom.proxy.down_bytes
    began = time.perf_counter()
    site.begin("gw", digest)
    eventually(lambda: site.has("gw", digest), site, 120)
    took = time.perf_counter() - began
    wire = site.bottom.proxy.down_bytes - before
    return {
        "curl_mb_s": round(SIZE / curl / 1e6, 1),
        "two_hops_mb_s": round(SIZE / took / 1e6, 1),
        "wire_over_size": round(wire / SIZE, 4),
    }


def killed(site: Tree) -> dict[str, float]:
    """The gateway killed 5 times in a download of 12 MB: bytes on the wire by those of the file."""
    digest, _ = site.publish_file(12_000_000, "killed.bin")
    site.top.proxy.bytes_per_s = site.bottom.proxy.bytes_per_s = 2_000_000
    before = site.bottom.proxy.down_bytes
    site.begin("gw", digest)
    for share in range(1, 6):
        eventually(lambda share=share: site.fetching("gw").get("held", 0) > share * 2_000_000, site, 60)  # type: ignore[misc]
        site.kill("gw")
        site.bring_up(["gw"])
    eventually(lambda: site.has("gw", digest), site, 60)
    site.top.proxy.bytes_per_s = site.bottom.proxy.bytes_per_s = 0
    return {"kills": 5, "wire_over_size": round((site.bottom.proxy.down_bytes - before) / 12_000_000, 4)}


def acked(site: Tree) -> dict[str, Any]:
    """Acks of readings, phase by phase."""
    acks, rounds = Acks(site.mqtt), list[dict[str, dict[str, float]]]()
    acks.phase()  # warm
    for n in range(ROUNDS):
        digest, _ = site.publish_file(30_000_000, f"acks-{n}.bin")
        found = {"quiet": acks.phase()}
        site.bottom.proxy.bytes_per_s = PACE
        site.begin("gw", digest)
        found["download"] = acks.phase()
        site.bottom.cut()
        found["parent_gone"] = acks.phase()
        site.bottom.proxy.bytes_per_s = 0
        site.bottom.restore()
        eventually(lambda digest=digest: site.has("gw", digest), site, 60)  # type: ignore[misc]
        rounds.append(found)
    acks.close()

    def ratio(phase: str, key: str) -> float:
        return round(statistics.median(one[phase][key] / one["quiet"][key] for one in rounds), 2)

    phases = ("quiet", "download", "parent_gone")
    return {
        "p99_ms": {phase: [one[phase]["p99_ms"] for one in rounds] for phase in phases},
        "p99_ratio": {phase: ratio(phase, "p99_ms") for phase in phases[1:]},
        "p50_ratio": {phase: ratio(phase, "p50_ms") for phase in phases[1:]},
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = tree(Path(folder))
        try:
            site.bring_up(["hub", "region", "gw"])
            found: dict[str, Any] = {"speed": speed(site), "killed": killed(site)}
            found["acks"] = acked(site)
        finally:
            site.stop()
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
