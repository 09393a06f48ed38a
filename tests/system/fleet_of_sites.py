"""A hub over two works, Leeds with residency rules and York without, each with a cable to the hub that can be cut."""

import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from tests.ports import free_port
from tests.system.cable import Cable
from tests.system.kill.site import PROFILE, Site

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.wire.devices import DeviceReceipt, DeviceReport
from holdfast.wire.sites import SiteAbout, SiteHealth, SiteTold

PLACES = {
    "leeds": "{name: Works Leeds, latitude: 53.8, longitude: -1.55, zone: Europe/London, note: gate 2}",
    "york": "{name: Works York, latitude: 53.96, longitude: -1.08, zone: Europe/London}",
}
FAR = (
    ("porto", "Works Porto", 41.15, -8.62),
    ("gdansk", "Gdansk yard", 54.35, 18.65),
    ("lyon", "Lyon foundry", 45.76, 4.84),
    ("turin", "Turin press shop", 45.07, 7.69),
    ("malmo", "Malmo packing", 55.6, 13.0),
    ("austin", "Austin lab", 30.27, -97.74),
    ("recife", "Recife mill", -8.05, -34.9),
    ("pune", "Pune castings", 18.52, 73.86),
    ("osaka", "Osaka assembly", 34.69, 135.5),
    ("perth", "Perth pumps", -31.95, 115.86),
    ("durban", "Durban port", -29.86, 31.02),
    ("hull", "Hull depot", 53.74, -0.33),
)
"""Sites of which only reports come: each is told over the real door, with a token of its own."""
KEEPS = "residency:\n  - series: 'secret-*/*'\n    stay: site\n"
WELL = SiteHealth((0, 0, 120), (0, 0, 2), "wide", 8_000, "trusted", "green", "ok", 21, 340.0)
RULES = """rules:
  overheat:
    select: avg(air.temperature) as mean
    window: sliding 1 samples
    when: mean > 50
    severity: critical
    message: "{device} is hot: {mean:.1f} Cel"
"""


@dataclass
class Fleet(Site):
    """hub above leeds and york. ports: of MQTT and of the API, by site."""

    ports: dict[str, tuple[int, int]] = field(default_factory=dict)
    cables: dict[str, Cable] = field(default_factory=dict)
    more_of: dict[str, str] = field(default_factory=dict)
    far: Sequence[tuple[str, str, float, float]] = ()
    _ends: threading.Event = field(default_factory=threading.Event)
    _telling: threading.Thread | None = None

    def prepare(self) -> None:
        create_authority(self.folder)
        issued = issue_certificate(self.folder, "hub", ["127.0.0.1"])
        tokens = ", ".join(f"{name}: {name}.token" for name in self._children)
        (self.folder / "hub.yaml").write_text(
            f"node: hub\ndata: hub\nsite: {{name: Head office, latitude: 51.5, longitude: -0.12}}\nhistory: true\n"
            f"api: {{listen: '127.0.0.1:{self.hub}', tls: {{certificate: {issued.certificate}, key: {issued.key}}}}}\n"
            f"children: {{tokens: {{{tokens}}}}}\n{self.more_hub}"
        )
        for name in self._children:
            issue_token(self.folder / f"{name}.token")
        (self.folder / "rooms.yaml").write_text(PROFILE)
        (self.folder / "rules.yaml").write_text(RULES)
        for name, place in PLACES.items():
            self.cables[name] = Cable(self.hub)
            self.ports[name] = free_port(), free_port()
            mqtt, api = self.ports[name]
            (self.folder / f"{name}.yaml").write_text(
                f"node: {name}\ndata: {name}\nsite: {place}\n"
                f"mqtt: {{listen: '127.0.0.1:{mqtt}', anonymous: true}}\n"
                f"api: {{listen: '127.0.0.1:{api}'}}\nprofiles: [rooms.yaml]\nrules: [rules.yaml]\n"
                f"parent: {{url: 'https://127.0.0.1:{self.cables[name].port}', ca: ca.pem, token_file: {name}.token, "
                f"linger: 5ms, min_rows: 1, timeout: 2s, backoff_min: 50ms, backoff_max: 300ms}}\n"
                f"{KEEPS if name == 'leeds' else ''}{self.more_of.get(name, '')}"
            )
        self.client = httpx.Client(
            verify=ssl.create_default_context(cafile=str(self.folder / "ca.pem")), timeout=20, trust_env=False
        )

    @property
    def _children(self) -> list[str]:
        return [*PLACES, *(one[0] for one in self.far)]

    def tell(self, name: str, health: SiteHealth = WELL) -> None:
        """A far site tells how it is, as a gateway does."""
        _, site, latitude, longitude = next(one for one in self.far if one[0] == name)
        told = SiteTold(name, about=SiteAbout(site, latitude, longitude, version="0.8.0"), health=health)
        token = (self.folder / f"{name}.token").read_text().strip()
        answer = self.client.post(
            f"https://127.0.0.1:{self.hub}/api/v1/sync/devices",
            content=msgspec.msgpack.encode(DeviceReport("life", sites=(told,))),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/vnd.msgpack"},
        )
        assert answer.status_code == 200, answer.text
        assert msgspec.msgpack.decode(answer.content, type=DeviceReceipt).sites

    def keep_telling(self, ill: Mapping[str, SiteHealth]) -> None:
        """All far sites tell how they are, now and every 15 s as gateways do; `ill` tells of those that aren't well."""

        def tell_all() -> None:
            for name, *_ in self.far:
                self.tell(name, ill.get(name, WELL))

        def go_on() -> None:
            while not self._ends.wait(15):
                tell_all()

        tell_all()
        self._telling = threading.Thread(target=go_on)
        self._telling.start()

    def wait_up(self, name: str) -> None:
        mine, self.hub = self.hub, self.hub if name == "hub" else self.ports[name][1]
        try:
            super().wait_up(name)
        finally:
            self.hub = mine

    def send(self, site: str, device: str, temperature: float, number: int | None = None) -> None:
        number = time.time_ns() // 1000 % 10**9 if number is None else number
        text = f'{{"id":{number},"ts":{time.time():.3f},"temp_c":{temperature},"hum":40,"lux":1,"co2":5,"occ":false}}'
        port = str(self.ports[site][0])
        words = ["mosquitto_pub", "-p", port, "-q", "1", "-t", f"acme/{device}/telemetry", "-m", text]
        subprocess.run(words, check=True, timeout=20)

    def get(self, path: str, *, at: str = "hub", **params: str) -> httpx.Response:
        base = f"https://127.0.0.1:{self.hub}" if at == "hub" else f"http://127.0.0.1:{self.ports[at][1]}"
        return self.client.get(f"{base}/api/v1/{path}", params=params or None)

    def look(self, site: str, path: str, **params: str) -> Any:
        """The site's own page through the hub; it must be reached."""
        answer = self.get(f"sites/{site}/api/{path}", **params)
        assert answer.status_code == 200, answer.text
        assert answer.headers["holdfast-site"] == "live"
        return answer.json()

    def site(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"sites/{name}").json()
        return found

    def until(self, true: Callable[[], bool], seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.get("sites").text
            time.sleep(0.2)

    def cut(self, site: str) -> None:
        self.cables[site].cut()

    def stop(self) -> None:
        self._ends.set()
        if self._telling is not None:
            self._telling.join()
        super().stop()
        for cable in self.cables.values():
            cable.close()
        self.client.close()


def fleet(folder: Path, far: Sequence[tuple[str, str, float, float]] = (), **more_of: str) -> Fleet:
    made = Fleet(folder, more_of=more_of, far=far)
    made.prepare()
    made.bring_up(["hub", "leeds", "york"])
    made.until(lambda: all(made.site(name)["looks"] and made.site(name)["version"] for name in PLACES))
    return made
