"""A node with rules, and servers of others to which it tells; each a process that may be killed or frozen."""

import email
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port
from tests.system.foreign.site import ROOT, NodeProcess, listens
from tests.waiting import wait_until

from holdfast.crypto.certificates import make_authority, make_server_certificate

PROFILE_RULES = """rules:
  hot:
    select: test.n
    when: test.n > 100
    severity: critical
    message: "{device} is at {test.n:.0f}"
    do: [%s]
"""


class Server:
    """One of the two servers, by its module's name."""

    def __init__(self, module: str, folder: Path, target: Path) -> None:
        self.module, self.folder, self.target, self.port = module, folder, target, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        argv = [sys.executable, "-m", f"tests.system.people.{self.module}", str(self.port), str(self.target)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
        wait_until(lambda: listens(self.port))

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Webhook(Server):
    """Flask."""

    def __init__(self, folder: Path) -> None:
        super().__init__("webhook_server", folder, folder / "record")

    def taken(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.target.read_text().splitlines()] if self.target.exists() else []

    def bodies(self) -> list[dict[str, Any]]:
        return [one["body"] for one in self.taken()]

    def answer_as(self, status: int) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/as/{status}", method="PUT")  # ours
        urllib.request.urlopen(request, timeout=10).read()  # noqa: S310  # ours


class Mail(Server):
    """aiosmtpd, with a certificate of an authority of its own: `ca.pem` in its folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mail_server", folder, folder)
        authority = make_authority("mail", time.time())
        server = make_server_certificate(authority, "mail", ["localhost", "127.0.0.1"], time.time())
        (folder / "ca.pem").write_bytes(authority.certificate)
        (folder / "server.pem").write_bytes(server.certificate)
        (folder / "server.key").write_bytes(server.key)

    def mails(self) -> list[EmailMessage]:
        files = sorted((self.folder / "mails").glob("*.eml"), key=lambda file: file.stat().st_mtime_ns)
        return [email.message_from_bytes(file.read_bytes(), policy=default) for file in files]


class People:
    """A node whose rule `hot` is raised and cleared by what devices send."""

    def __init__(self, folder: Path, channels: str, do: str = "{publish: 'alerts/{device}'}", more: str = "") -> None:
        self.mqtt, self.api = free_port(), free_port()
        self.node = NodeProcess(
            folder,
            f'mqtt: {{listen: "127.0.0.1:{self.mqtt}", anonymous: true}}\napi: {{listen: "127.0.0.1:{self.api}"}}\n'
            f"rules: [rules.yaml]\n{channels}{more}",
        )
        (folder / "rules.yaml").write_text(PROFILE_RULES % do)
        self._sent = 0

    def start(self) -> None:
        self.node.start()
        wait_until(lambda: listens(self.mqtt) and listens(self.api))

    def send(self, device: str, value: float) -> None:
        """One reading, acknowledged when this returns."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self.mqtt)
        client.loop_start()
        self._sent += 1
        body = json.dumps({"id": f"m{time.time_ns()}", "ts": time.time_ns() // 1_000_000, "n": value})
        client.publish(f"rooms/{device}", body, qos=1).wait_for_publish(20)
        client.disconnect()
        client.loop_stop()

    def ask(self, path: str, body: Any = None, method: str = "") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # ours
            f"http://127.0.0.1:{self.api}/api/v1/{path}",
            data,
            {"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  # ours
            return json.loads(answer.read())

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api}/metrics", timeout=20) as answer:  # ours
            text = answer.read().decode()
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return float(lines[0].rpartition(" ")[2])
