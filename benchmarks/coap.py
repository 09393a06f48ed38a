"""CoAP messages a second that are answered 2.04 after the commit, beside MQTT QoS 1 at the same node in the same run.

    python -m benchmarks.coap [--seconds 8] [--rounds 3]

Each round loads three in turn, from a process of their own: `bare`, aiocoap's own server that answers 2.04 at once and
stores nothing; `coap`, the node's listener; `mqtt`, the node's MQTT listener with the same readings. Medians of the
rounds. `ms_p50` and `ms_p99` are from sending a message to its 2.04: under full load (20 devices with 8 messages each),
and with one device that has one message under way (`idle`). `node_share`: of a core, by the node.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import aiocoap
import aiocoap.interfaces

from benchmarks.processes import cpu_s, free_port, load, python, rss_mib, running, wait_for_port

SETTINGS = """node: bench
data: data
mqtt: {listen: "127.0.0.1:%d", anonymous: true}
api: {listen: "127.0.0.1:%d"}
coap: {field: {listen: "127.0.0.1:%d", rate: 0, under_way_per_peer: 2000}}
profiles: ["builtin:rooms"]
"""


class Root(aiocoap.interfaces.Resource):  # type: ignore[misc]  # aiocoap has no types
    """Answers anything 2.04, at once."""

    async def needs_blockwise_assembly(self, request: Any) -> bool:  # noqa: ARG002  # aiocoap's
        return False

    async def render(self, request: Any) -> Any:  # noqa: ARG002  # aiocoap's
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_to_pipe(self, pipe: Any) -> None:
        pipe.add_response(await self.render(pipe.request), is_last=True)


async def bare_server(port: int) -> None:
    """aiocoap as its manual has it, without any of ours."""
    await aiocoap.Context.create_server_context(Root(), bind=("127.0.0.1", port), transports=["udp6"])
    await asyncio.Event().wait()


def pushed(port: int, seconds: float, window: int, devices: int = 20) -> dict[str, float]:
    args = ("--port", f"{port}", "--seconds", f"{seconds:.0f}", "--window", f"{window}", "--devices", f"{devices}")
    done = subprocess.run(python("benchmarks.coap_load", *args), capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def ready(api: int) -> None:
    wait_for_port(api)
    for _ in range(200):
        with urllib.request.urlopen(f"http://127.0.0.1:{api}/readyz", timeout=5) as answer:
            if json.load(answer)["ready"]:
                return
        time.sleep(0.05)


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    rows: dict[str, list[dict[str, float]]] = {"bare": [], "coap": [], "idle": [], "mqtt": []}
    with tempfile.TemporaryDirectory() as folder:
        mqtt, api, port, bare = (free_port() for _ in range(4))
        (Path(folder) / "node.yaml").write_text(SETTINGS % (mqtt, api, port))
        command = python("holdfast", "run", f"{folder}/node.yaml")
        with (
            running(*command, log=Path(folder) / "log") as node,
            running(*python("benchmarks.coap", "--bare", f"{bare}")),
        ):
            ready(api)
            for _ in range(rounds):
                rows["bare"].append(pushed(bare, seconds, 8))
                before, began = cpu_s(node.pid), time.monotonic()
                rows["coap"].append(pushed(port, seconds, 8))
                share = (cpu_s(node.pid) - before) / (time.monotonic() - began)
                rows["coap"][-1]["node_share"] = round(share, 2)
                rows["idle"].append(pushed(port, seconds, 1, devices=1))
                rows["mqtt"].append(load(mqtt, devices=20, window=8, seconds=seconds))
            rss = rss_mib(node.pid)
    found: dict[str, Any] = {name: _medians(those) for name, those in rows.items()}
    found["coap_of_bare"] = round(found["coap"]["per_s"] / found["bare"]["per_s"], 2)
    found["coap_of_mqtt"] = round(found["coap"]["per_s"] / found["mqtt"]["per_s"], 3)
    return found | {"node_rss_mib": round(rss, 1)}


def _medians(rows: list[dict[str, float]]) -> dict[str, float]:
    keys = ("per_s", "ms_p50", "ms_p99", "node_share", "load_share", "again")
    return {key: round(statistics.median(row[key] for row in rows), 2) for key in keys if key in rows[0]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", type=int, default=0)
    asked = parser.parse_args()
    if asked.bare:
        asyncio.run(bare_server(asked.bare))  # under uvloop it's deaf after a round: see `endpoint` on IP_RECVERR
    else:
        print(json.dumps(measure(asked.seconds, asked.rounds), indent=1))
