"""node-opcua's server as a process, and a node that reads it."""

import json
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tests.ports import free_port
from tests.system.foreign.site import NodeProcess
from tests.system.npm import NODE, fetched
from tests.waiting import wait_until

JS = Path(__file__).parent / "opcuajs"
SPACE = "nsu=urn:plant:press;s=Press1."
QUICK = "publish_every: 50ms, sampling: 20ms, keep_alive: 300ms, timeout: 2s, backoff_min: 100ms, backoff_max: 300ms"


def peers(folder: Path) -> Path:
    folder.mkdir()
    return fetched(JS, folder)


class Server:
    """A press's server by node-opcua, killed, hung and returned on the same port."""

    def __init__(self, packages: Path, **options: Any) -> None:
        self.packages, self.options, self.port = packages, options, free_port()
        self.process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def start(self, **more: Any) -> "Server":
        self.options |= more
        argv = [str(NODE), "server.cjs", str(self.port), json.dumps(self.options)]
        log = (self.packages / f"{self.port}.log").open("ab")
        self.process = subprocess.Popen(
            argv, cwd=self.packages, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        log.close()
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        self.hear("listening", 40)
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                self._said.put(json.loads(line))

    def hear(self, what: str, within_s: float = 20.0) -> Any:
        until = time.monotonic() + within_s
        while True:
            said = self._said.get(timeout=max(0.0, until - time.monotonic()))
            if what in said:
                return said[what]

    def do(self, verb: str, *, wait: bool = True, **more: Any) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": verb, **more}) + "\n")
        self.process.stdin.flush()
        if wait:
            assert self.hear("done") == verb

    def set(self, name: str, value: Any, **more: Any) -> None:
        self.do("set", name=name, value=value, **more)

    def hold(self, *, on: bool) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                pipe.close()
            self.process = None


class Site(NodeProcess):
    """A node with an API that reads servers."""

    def __init__(self, folder: Path, opcua: str, more: str = "") -> None:
        self.api = free_port()
        super().__init__(folder, f"api: {{listen: '127.0.0.1:{self.api}'}}\nopcua:\n{opcua}{more}")
        self.settings = folder / "node.yaml"
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.api}", timeout=20)

    def values(self, series: str) -> list[Any]:
        return list(self.column(series, "value"))

    def column(self, series: str, name: str) -> list[Any]:
        answer = self.client.get("/api/v1/query", params={"series": series, "from": "-2h"})
        assert answer.status_code == 200, answer.text
        found = answer.json()["series"]
        return found[0][name] if found else []

    def last(self, series: str) -> dict[str, Any]:
        answer = self.client.get("/api/v1/last", params={"series": series})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def adapters(self) -> dict[str, Any]:
        return {one["name"]: one for one in self.client.get("/api/v1/adapters").json()}

    def devices(self, adapter: str) -> list[Any]:
        return list(self.client.get(f"/api/v1/adapters/{adapter}/devices").json())

    def metric(self, name: str) -> float:
        text = self.client.get("/metrics").text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def within(self, reached: Callable[[], bool], within_s: float = 20.0) -> None:
        def tolerant() -> bool:
            try:
                return reached()
            except httpx.HTTPError:
                return False

        wait_until(tolerant, within_s)

    def kill(self) -> None:
        self.client.close()
        super().kill()


def server_yaml(name: str, url: str, nodes: str, more: str = QUICK, device: str = "") -> str:
    return f"  {name}: {{url: '{url}', {more}, devices: {{{device or name}: {{nodes: {{{nodes}}}}}}}}}\n"


def node(name: str, **more: Any) -> str:
    said = {"id": f"{SPACE}{name}", "metric": f"press.{name}"} | more
    return f"{name}: {{{', '.join(f'{key}: {json.dumps(value)}' for key, value in said.items())}}}"


def copy_of(packages: Path, to: Path) -> Path:
    return Path(shutil.copytree(packages, to, symlinks=True))
