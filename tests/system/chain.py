"""Gateway, region and hub as real processes, with a link between the lower two that can be cut."""

import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.ports import free_port
from tests.system.cable import Cable
from tests.system.kill.site import ROOT, Site

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token

LINK = "linger: 5ms, min_rows: 1, backoff_min: 50ms, backoff_max: 200ms, remember_every: 100ms"
METRICS = 5
"""Readings a message."""


@dataclass
class Chain(Site):
    """gw below region below hub. gateway_api: port of the gateway's own API."""

    region: int = field(default_factory=free_port)
    gateway_api: int = field(default_factory=free_port)
    sent: int = 0

    def prepare(self) -> None:
        create_authority(self.folder)
        self.cable = Cable(self.region)
        for name, port in (("hub", self.hub), ("region", self.region)):
            issued = issue_certificate(self.folder, name, ["127.0.0.1"])
            tls = f"tls: {{certificate: {issued.certificate}, key: {issued.key}}}"
            text = f"node: {name}\ndata: {name}\napi: {{listen: '127.0.0.1:{port}', {tls}}}\nchildren: true\n"
            if name == "region":
                text += self.parent("region", self.hub)
            (self.folder / f"{name}.yaml").write_text(text)
        for parent, child in (("hub", "region"), ("region", "gw")):
            issue_token(self.folder / f"{child}-up.token")
            folder = self.folder / parent / "children"
            folder.mkdir(parents=True)
            (folder / f"{child}.token").write_bytes((self.folder / f"{child}-up.token.sha256").read_bytes())
        self.configure()
        self.client = httpx.Client(
            verify=ssl.create_default_context(cafile=str(self.folder / "ca.pem")), timeout=20, trust_env=False
        )

    def parent(self, name: str, port: int, more: str = "") -> str:
        return f"parent: {{url: 'https://127.0.0.1:{port}', ca: ca.pem, token_file: {name}-up.token, {LINK}{more}}}\n"

    def configure(self, link: str = "", more: str = "") -> None:
        """link: further settings of the gateway's `parent`; more: further sections."""
        shipped = (ROOT / "src" / "holdfast" / "codecs" / "builtin" / "rooms.yaml").read_text()
        lines = [line for line in shipped.splitlines() if "stale_after" not in line]  # readings of any age are taken
        (self.folder / "rooms.yaml").write_text("\n".join(lines) + "\n")
        (self.folder / "gw.yaml").write_text(
            f"node: gw\ndata: gw\nmqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\n"
            f"api: {{listen: '127.0.0.1:{self.gateway_api}'}}\nprofiles: [rooms.yaml]\n"
            f"{self.parent('gw', self.cable.port, link)}{more}"
        )

    def hold_back(self) -> str:
        """Link settings under which bulk must wait for hours that are not now."""
        hour = time.gmtime().tm_hour
        return f", budget: {{hours: '{(hour + 2) % 24:02d}:00-{(hour + 3) % 24:02d}:00'}}"

    def wait_up(self, name: str) -> None:
        if name != "region":
            super().wait_up(name)
            return
        mine, self.hub = self.hub, self.region
        try:
            super().wait_up(name)
        finally:
            self.hub = mine

    def restart(self, name: str) -> None:
        process = self.processes[name]
        process.terminate()
        process.wait(20)
        self.bring_up([name])

    def publish(self, count: int, days_ago: float = 0.0) -> None:
        """Messages with every number once, a second apart."""
        first = time.time() - days_ago * 86_400 - count
        lines = []
        for n in range(count):
            self.sent += 1
            rest = '"hum":40,"lux":1,"co2":5,"occ":false'
            lines.append(f'{{"id":{self.sent},"ts":{first + n:.3f},"temp_c":{self.sent / 100},{rest}}}')
        command = ["mosquitto_pub", "-p", str(self.mqtt), "-q", "1", "-t", "acme/room-1/telemetry", "-l"]
        subprocess.run(command, input="\n".join(lines) + "\n", text=True, timeout=60, check=True)
        wanted = METRICS * self.sent
        until = time.monotonic() + 20
        while self.head("gw") < wanted and time.monotonic() < until:
            time.sleep(0.05)
        assert self.head("gw") == wanted, self.log("gw")

    def ask(self, name: str, **params: str) -> dict[str, Any]:
        """What a node answers about the temperature."""
        base = f"http://127.0.0.1:{self.gateway_api}" if name == "gw" else f"https://127.0.0.1:{getattr(self, name)}"
        wanted = {"series": "gw/room-1/air.temperature", "from": "-30d", "to": "now", "limit": "100000"} | params
        answer = self.client.get(f"{base}/api/v1/query", params=wanted)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def values(self, name: str, **params: str) -> list[int]:
        """The numbers of the messages in a node's answer, in order of time."""
        return [round(100 * value) for column in self.ask(name, **params)["series"] for value in column["value"]]

    def until(self, name: str, wanted: list[int], seconds: float = 30, **params: str) -> None:
        """Wait until a node answers with exactly these messages; more of them than wanted is wrong at any time."""
        end = time.monotonic() + seconds
        while True:
            found = self.values(name, **params)
            assert len(found) == len(set(found)), "a reading came twice"
            if sorted(found) == wanted:
                return
            assert time.monotonic() < end, (len(found), len(wanted), self.ask(name, **params)["sources"])
            time.sleep(0.2)

    def stop(self) -> None:
        super().stop()
        self.cable.close()
        self.client.close()


def chain(folder: Path) -> Chain:
    made = Chain(folder)
    made.prepare()
    return made
