"""Serial lines between processes: pseudo-terminals that socat joins, a serial server that socat is, and a node."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


class Cable:
    """Two pseudo-terminals joined by socat: `port` is what the node opens, `end` the instrument's."""

    def __init__(self, folder: Path, name: str) -> None:
        self.port, self.end = folder / f"{name}-port", folder / f"{name}-end"
        self._socat: subprocess.Popen[bytes] | None = None
        self._fd = -1

    def plug(self) -> None:
        self._socat = subprocess.Popen(["socat", f"PTY,link={self.port},raw,echo=0", f"PTY,link={self.end},raw,echo=0"])
        wait_until(lambda: self.port.exists() and self.end.exists())
        self._fd = os.open(self.end, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def unplug(self) -> None:
        """As a kill: both ends are gone."""
        if self._socat is not None:
            self._socat.kill()
            self._socat.wait()
            os.close(self._fd)
            for link in (self.port, self.end):
                link.unlink(missing_ok=True)
            self._socat = None

    def say(self, text: str) -> bool:
        """Send it; False, so that it may stand before an `or`."""
        os.write(self._fd, text.encode())
        return False

    def heard(self) -> str:
        try:
            return os.read(self._fd, 4096).decode()
        except BlockingIOError:
            return ""


class SerialServer:
    """socat as a serial server: whoever connects gets what a shell writes, a line every 100 ms."""

    def __init__(self) -> None:
        self.port = free_port()
        self._socat: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        says = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.1; done"
        listen = f"TCP-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork"
        self._socat = subprocess.Popen(["socat", listen, f"SYSTEM:{says}"], start_new_session=True)

    def signal(self, number: int) -> None:
        assert self._socat is not None
        os.killpg(self._socat.pid, number)

    def kill(self) -> None:
        if self._socat is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            self._socat.wait()
            self._socat = None


class Site:
    """A node with these settings, as a process."""

    def __init__(self, folder: Path, settings: str, profiles: str, more: str = "") -> None:
        self.folder, self.api = folder, free_port()
        self.settings = folder / "node.yaml"
        (folder / "own.yaml").write_text(profiles)
        self.settings.write_text(
            f'node: gw\njournal: {{ballast: 0MB, scrub: 0}}\napi: {{listen: "127.0.0.1:{self.api}"}}\n'
            f"profiles: [own.yaml{more}]\n{settings}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        with (self.folder / "log").open("ab") as log:
            argv = [sys.executable, "-m", "holdfast", "run", str(self.settings)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.get("/api/v1/adapters")
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api}{path}", timeout=5) as answer:
            return json.load(answer)

    def last(self, series: str) -> dict[str, Any]:
        """The newest reading of `device/metric`; empty without one."""
        found = [one for one in self.get("/api/v1/last")["series"] if one["series"] == f"gw/{series}"]
        return dict(found[0]) if found else {}

    def value(self, series: str) -> Any:
        return self.last(series).get("value")

    def is_offline(self, series: str) -> bool:
        return self.last(series).get("reason") == "offline"

    def adapter(self, name: str) -> dict[str, Any]:
        return next(dict(one) for one in self.get("/api/v1/adapters") if one["name"] == name)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(30) == 0, (self.folder / "log").read_text()
            self.process = None
