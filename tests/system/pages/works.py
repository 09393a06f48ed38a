"""A gateway with its pages, a hub, a cable between them, and the demo's devices: what the page tests look at."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.ports import free_port
from tests.system.cable import Cable
from tests.system.kill.site import Site

RULES = """
rules:
  overheat:
    select: avg(air.temperature) as mean
    window: sliding 5 samples
    when: mean > 21.5
    clear_when: mean < 21
    severity: critical
    message: "{device} is hot: {mean:.1f} Cel"
  stuffy:
    select: avg(air.co2) as mean
    window: sliding 5 samples
    when: mean > 700
    severity: warning
    message: "{device} needs air: {mean:.0f} ppm CO2"
"""


@dataclass
class Works(Site):
    """gw with pages at `page`, below hub; the cable can be cut. more: further settings of the gateway."""

    api: int = field(default_factory=free_port)
    rules: str = RULES
    profiles: str = "['builtin:rooms', 'builtin:host']"

    def prepare(self) -> None:
        super().prepare()
        self.cable = Cable(self.hub)
        (self.folder / "rules.yaml").write_text(self.rules)
        (self.folder / "gw.yaml").write_text(
            f"node: gw\ndata: gw\nmqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\n"
            f"api: {{listen: '127.0.0.1:{self.api}'}}\nhost: {{every: 1s}}\nhistory: true\n"
            f"profiles: {self.profiles}\nrules: [rules.yaml]\n"
            f"parent: {{url: 'https://127.0.0.1:{self.cable.port}', ca: ca.pem, token_file: gw.token, linger: 5ms, "
            f"min_rows: 1, backoff_min: 50ms, backoff_max: 500ms}}\n{self.more}"
        )

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    @property
    def hub_page(self) -> str:
        return f"https://127.0.0.1:{self.hub}"

    def ask(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"{self.page}/api/v1/{path}", params=params, timeout=20, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @contextmanager
    def devices(self, count: int = 30, rate: int = 100, seconds: float = 300) -> Iterator[None]:
        """The demo's devices, publishing as long as the block lasts."""
        words = [sys.executable, "-m", "holdfast", "sim", "--broker", f"127.0.0.1:{self.mqtt}"]
        words += ["--devices", str(count), "--rate", str(rate), "--seconds", str(seconds)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:  # it waits for a broker that is gone
                process.kill()
                process.wait()


@contextmanager
def works(folder: Path, rules: str = RULES, profiles: str = "", more: str = "") -> Iterator[Works]:
    """Both nodes running, the link up."""
    site = Works(folder, more=more, rules=rules)
    site.profiles = profiles or site.profiles
    site.prepare()
    try:
        site.bring_up(["hub", "gw"])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if httpx.get(f"{site.page}/readyz", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield site
    finally:
        site.stop()
        site.cable.close()
