"""How many messages a node takes over HTTP, and how long an acknowledged post takes: one a post, and many.

    python -m benchmarks.http_intake [--seconds 4] [--repeat 3]

Clients on kept connections, in a process of their own on this machine, each posting its next when the last was answered
(200: on disk). Legs: one client and twenty with a message a post; four with a hundred a post, as NDJSON for a topic and
as a JSON array for any. They're run by turns; medians of the repeats are printed, with what the node's CPU spends on a
message. Every message carries a new id, and at the end the node must count as many as were answered.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.options import percentiles
from benchmarks.processes import cpu_s, free_port, python, running, wait_for_port

LEGS = {"single_1": (1, 1, "one"), "single_20": (20, 1, "one"), "lines_4x100": (4, 100, "lines"),
        "array_4x100": (4, 100, "array")}  # fmt: skip
"""By name: clients, messages a post, how they're sent."""


def bodies(client: int, many: int, how: str, numbers: Iterator[int]) -> Iterator[bytes]:
    """Whole requests of one client, without end."""
    topic, kind, path = f"acme/room-{client}/telemetry", "application/json", "/api/v1/intake"
    if how != "array":
        path = f"{path}/{topic}"
    if how == "lines":
        kind = "application/x-ndjson"
    while True:
        now = time.time()
        said = [
            f'{{"id":{next(numbers)},"ts":{now:.3f},"temp_c":21.5,"hum":40.1,"lux":100,"co2":500,"occ":true}}'
            for _ in range(many)
        ]
        if how == "array":
            text = "[" + ",".join(f'{{"topic":"{topic}","payload":{one}}}' for one in said) + "]"
        else:
            text = "\n".join(said)
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n"
        yield (head + text).encode()


async def one_client(port: int, requests: Iterator[bytes], until: float, took: list[float]) -> None:
    """Post and wait, in a row."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        began = time.perf_counter()
        writer.write(next(requests))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise SystemExit(head.decode())
        told = json.loads(await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0])))
        if told["quarantined"] or told["repeated"]:
            raise SystemExit(str(told))
        took.append((time.perf_counter() - began) * 1e3)
    writer.close()


async def load(port: int, leg: str, seconds: float, first: int) -> dict[str, Any]:
    """One leg."""
    clients, many, how = LEGS[leg]
    numbers, took, began = count(first), list[float](), time.monotonic()
    until = began + seconds
    await asyncio.gather(
        *(one_client(port, bodies(client, many, how, numbers), until, took) for client in range(clients))
    )
    spent = time.monotonic() - began
    messages = len(took) * many
    return {"messages": messages, "per_s": round(messages / spent), **percentiles(took, "ms")}


def measure(folder: Path, seconds: float, repeat: int) -> dict[str, Any]:
    """All legs, by turns."""
    api = free_port()
    (folder / "gw.yaml").write_text(
        f"node: gw\napi: {{listen: '127.0.0.1:{api}'}}\nprofiles: ['builtin:rooms']\n"
        "journal: {quota: 4GB}\nmqtt: {listen: '127.0.0.1:0', anonymous: true}\n"
    )
    found: dict[str, list[dict[str, Any]]] = {leg: [] for leg in LEGS}
    with running(*python("holdfast.node", str(folder / "gw.yaml")), log=folder / "log", env=dict(os.environ)) as node:
        wait_for_port(api)
        time.sleep(1.0)
        taken = 0
        for _ in range(repeat):
            for leg, rows in found.items():
                before = cpu_s(node.pid)
                words = ["--load", leg, "--port", str(api), "--seconds", str(seconds), "--first", str(taken + 1)]
                said = subprocess.run(
                    [sys.executable, "-m", "benchmarks.http_intake", *words], capture_output=True, text=True, check=True
                )
                row = json.loads(said.stdout)
                taken += row["messages"]
                row["node_cpu_us"] = round((cpu_s(node.pid) - before) / row["messages"] * 1e6, 1)
                rows.append(row)
        with urllib.request.urlopen(f"http://127.0.0.1:{api}/api/v1/status", timeout=10) as answer:
            counted = json.load(answer)["counters"]["messages_accepted"]
    if counted != taken:
        raise SystemExit(f"answered {taken}, stored {counted}")
    return {
        leg: {key: statistics.median(row[key] for row in rows) for key in rows[0] if key != "messages"}
        for leg, rows in found.items()
    }


def main() -> None:
    """Run, and print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--load", choices=LEGS)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    args = parser.parse_args()
    if args.load:
        print(json.dumps(asyncio.run(load(args.port, args.load, args.seconds, args.first))))
        return
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(Path(name), args.seconds, args.repeat), indent=1))


if __name__ == "__main__":
    main()
