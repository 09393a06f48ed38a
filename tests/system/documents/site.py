"""A hub and two gateways with shared documents, a link to each that can be cut, and applications as processes."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.ports import free_port
from tests.system.cable import Cable
from tests.system.kill.site import ROOT

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token

APP = Path(__file__).parent / "app.py"
NODES = ("hub", "gw1", "gw2")


@dataclass
class Documents:
    """The site. ports: of each node's API."""

    folder: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NODES})
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def prepare(self) -> None:
        create_authority(self.folder)
        pair = issue_certificate(self.folder, "hub", ["127.0.0.1"])
        self.links = {name: Cable(self.ports["hub"]) for name in ("gw1", "gw2")}
        for name in NODES:
            issue_token(self.folder / f"{name}-app.token")
        for name in ("gw1", "gw2"):
            issue_token(self.folder / f"{name}.token")
        tls = f"tls: {{certificate: {pair.certificate}, key: {pair.key}}}"
        self._write(
            "hub",
            tls,
            "documents: {children: ['*'], wait: 5s, max_bytes: 4MiB}\n"
            "children: {tokens: {gw1: gw1.token, gw2: gw2.token}}\n",
        )
        for name in ("gw1", "gw2"):
            port = self.links[name].port
            parent = f"url: 'https://127.0.0.1:{port}', ca: ca.pem, token_file: {name}.token"
            self._write(
                name,
                "",
                f"documents: {{up: ['*'], wait: 5s, max_bytes: 4MiB}}\n"
                f"parent: {{{parent}, backoff_min: 50ms, backoff_max: 200ms, timeout: 3s}}\n",
            )

    def _write(self, name: str, tls: str, more: str) -> None:
        (self.folder / f"{name}.yaml").write_text(
            f"node: {name}\ndata: {name}\napi: {{listen: '127.0.0.1:{self.ports[name]}', {tls}}}\n"
            f"apps: {{hmi: {{token: {name}-app.token, documents: ['*']}}}}\n{more}"
        )

    def url(self, name: str) -> str:
        return f"{'https' if name == 'hub' else 'http'}://127.0.0.1:{self.ports[name]}"

    def start(self, name: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "holdfast.node", str(self.folder / f"{name}.yaml")],
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"},
                stdout=log,
                stderr=log,
                text=True,
            )

    def wait_up(self, name: str) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert self.processes[name].poll() is None, self.log(name)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[name]), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(self.log(name))

    def bring_up(self, *names: str) -> None:
        for name in names:
            self.start(name)
        for name in names:
            self.wait_up(name)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].communicate()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def app(self, label: str, node: str, *words: object) -> subprocess.Popen[str]:
        """Run the test application on `node`, with the file `label`.db; it prints what it did."""
        command = [sys.executable, str(APP), str(self.folder), label, node, self.url(node), *map(str, words)]
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        self.processes[label] = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return self.processes[label]

    def ask(self, label: str, node: str, *words: object) -> str:
        """Run the application to its end; what it printed."""
        out, err = self.app(label, node, *words).communicate(timeout=60)
        assert self.processes[label].returncode == 0, err
        return out.strip()

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
        for link in self.links.values():
            link.close()


def eventually(is_true: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.1)
    return is_true()
