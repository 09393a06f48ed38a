"""What a demo run is made of: names, ports, files. Pure; `write` is the only part that touches the disk."""

import socket
from dataclasses import dataclass
from pathlib import Path

GATEWAY, HUB = "gateway-1", "hub"

_HUB_YAML = """\
# The hub: a node with children.
node: {hub}
data: hub
api:
  listen: "127.0.0.1:{hub_port}"
  tls: {{certificate: hub.pem, key: hub.key}}
children:
  tokens: {{{gateway}: gateway.token}}
"""

_GATEWAY_YAML = """\
# The gateway: devices on one side, a parent on the other.
node: {gateway}
data: gateway
mqtt:
  listen: "127.0.0.1:{mqtt_port}"
  anonymous: true            # for the demo only; elsewhere: users
host: {{every: 1s}}            # this machine's own CPU, memory, disk and temperature
api: {{listen: "127.0.0.1:{api_port}"}}
profiles: ["builtin:rooms", "builtin:host"]
devices: {{refused_budget: 5%}}   # these devices send rubbish now and then, on purpose
rules: ["builtin:rooms"]
models:                      # is somebody there? said from light, CO2, temperature and humidity
  deploy:
    occupancy: {{model: "builtin:occupancy", from: "readings where device like '%0'", record: [label, confidence]}}
parent:
  url: "https://127.0.0.1:{link_port}"
  ca: ca.pem
  token_file: gateway.token
  backoff_max: 2s            # the demo is short; the default is 30s
"""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """One run. Times in seconds, rate in messages a second over all devices."""

    folder: Path
    seconds: float
    outage: float
    devices: int
    rate: int
    seed: int
    mqtt_port: int
    api_port: int
    hub_port: int
    link_port: int

    @property
    def tells_progress(self) -> bool:
        """Does the fleet's process say how far it is?"""
        return True

    @property
    def record(self) -> Path:
        """The fleet's own record of what it sent and what was acknowledged."""
        return self.folder / "fleet.npz"

    def write(self) -> None:
        """Settings of both nodes."""
        for name in (HUB, GATEWAY):
            self.settings_file(name).write_text(self.yaml(name), encoding="utf-8")

    def fleet(self) -> list[str]:
        """The command that plays the devices."""
        options = {
            "broker": f"127.0.0.1:{self.mqtt_port}",
            "devices": self.devices,
            "rate": self.rate,
            "seconds": self.seconds,
            "seed": self.seed,
            "record": self.record,
        }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        return ["holdfast", "sim", *words, "--progress"]

    def yaml(self, name: str) -> str:
        """node.yaml of one of the two nodes."""
        template = _HUB_YAML if name == HUB else _GATEWAY_YAML
        return template.format(
            hub=HUB,
            gateway=GATEWAY,
            hub_port=self.hub_port,
            mqtt_port=self.mqtt_port,
            api_port=self.api_port,
            link_port=self.link_port,
        )

    def settings_file(self, name: str) -> Path:
        """Where a node's settings stand."""
        return self.folder / f"{'hub' if name == HUB else 'gateway'}.yaml"

    def journal(self, name: str) -> Path:
        """A node's journal file."""
        return self.folder / ("hub" if name == HUB else "gateway") / "journal.db"


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
