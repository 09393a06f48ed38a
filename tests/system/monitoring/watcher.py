"""Debian's Prometheus on a free loopback port, for as long as a test wants it."""

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.ports import free_port

from holdfast.cli.monitoring import export, target

QUICK = {"10m": "2s", "5m": "1s", "2m": "1s"}


@dataclass
class Watcher:
    """Scrapes every second; alerts wait for seconds instead of minutes."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self, nodes: dict[str, str], ca: Path) -> None:
        export(self.folder, [target(f"{name}={url}") for name, url in nodes.items()], str(ca))
        config, rules = self.folder / "prometheus.yml", self.folder / "rules" / "holdfast.rules.yaml"
        config.write_text(config.read_text().replace("15s", "1s"))
        text = rules.read_text()
        for before, after in QUICK.items():
            text = text.replace(f"for: {before}\n", f"for: {after}\n")
        rules.write_text(text)
        with (self.folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self.folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(15)

    def ask(self, path: str, **params: str) -> Any:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/{path}", params=params, timeout=10, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("query", query=expr)["result"]
        return found

    def value(self, expr: str) -> float | None:
        """The only value of an expression; None: it has none (yet)."""
        found = self.query(expr)
        return float(found[0]["value"][1]) if found else None

    def alerts(self, state: str = "firing") -> set[tuple[str, str]]:
        """Alerts by name and instance."""
        found = self.ask("alerts")["alerts"]
        return {(a["labels"]["alertname"], a["labels"].get("instance", "")) for a in found if a["state"] == state}

    def until(self, what: str, seconds: float, is_so: Any) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                if is_so():
                    return
            except httpx.TransportError:  # not up yet
                pass
            assert time.monotonic() < end, f"{what}: {self.log()}"
            time.sleep(0.2)

    def log(self) -> str:
        return (self.folder / "prometheus.log").read_text(errors="replace")[-2000:]
