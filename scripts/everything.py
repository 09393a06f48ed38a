"""A node with every part that counts something: what its metrics are is what any node's can be."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.kernel.clock import SystemClock
from holdfast.node.node import Node
from holdfast.node.reporting import reports_of, telemetry_of
from holdfast.node.settings import read_plan
from holdfast.node.web import build_server
from holdfast.telemetry.happenings import Telemetry

_NODE = """
node: everything
data: data
mqtt: {listen: "127.0.0.1:0", anonymous: true}
host: {}
api: {listen: "127.0.0.1:0", tls: {certificate: node.pem, key: node.key}}
profiles: ["builtin:rooms", "builtin:host"]
rules: ["builtin:rooms"]
parent: {url: "https://127.0.0.1:1", ca: ca.pem, token_file: up.token, send: [{series: "*", as: summaries}]}
children: true
apps: {line: {token: up.token.sha256, put: [orders], consume: [orders], documents: ["*"]}}
queues: {orders: {consume: true}}
documents: {up: ["*"]}
backup: {folder: backups}
history: {cold: {folder: cold}}
brokers: {plant: {url: "mqtt://127.0.0.1:1", subscribe: {"a/#": 1}}}
coap: {field: {listen: "127.0.0.1:0"}}
serial: {scale: {port: "tcp://127.0.0.1:1"}}
ble: {hall: {source: "file:none"}}
bacnet: {hall: {address: "127.0.0.1:1", devices: {ahu: {device: 1, objects: {n: {object: "loop,1", metric: n}}}}}}
opcua: {line: {url: "opc.tcp://127.0.0.1:1", devices: {press: {nodes: {n: {id: i=1, metric: n}}}}}}
routes: {out: {to: {url: "mqtt://127.0.0.1:1"}, readings: {}}}
telemetry: {metrics: {}, log: {level: error, send: error}, otlp: {url: "http://127.0.0.1:1", plain: true}}
models: {deploy: {room: {model: "builtin:occupancy", hybrid: {model: big, below: 0.7}}}}
channels: {ops: {webhook: {url: "http://127.0.0.1:1/", plain: true}}}
"""


async def everything(folder: Path) -> list[Metric]:
    """Every metric of such a node that was built and not started."""
    settle(folder)
    clock, plan = SystemClock(), read_plan(folder / "node.yaml")
    telemetry = telemetry_of(plan, clock)
    node = Node(plan, clock, telemetry)
    try:
        reports_of(node)
        if plan.settings.api is not None:  # the pages count, too, and the node builds them as it starts
            build_server(node, plan.settings.api)
        return sorted(_families(telemetry), key=lambda family: family.name)
    finally:
        await node.stop(1.0)


def settle(folder: Path) -> None:
    """Write the settings of such a node, and what they name."""
    create_authority(folder)
    made = issue_certificate(folder, "node", ["127.0.0.1"])
    for file, name in ((made.certificate, "node.pem"), (made.key, "node.key")):
        if file.name != name:
            shutil.copy(file, folder / name)
    issue_token(folder / "up.token")
    for name in ("backups", "cold"):
        (folder / name).mkdir()
    (folder / "node.yaml").write_text(_NODE)


def _families(telemetry: Telemetry) -> Iterator[Metric]:
    yield from telemetry.registry.collect()
    yield from telemetry.slow.collect()
