"""A running node's support bundle: secrets are planted wherever it can hold one, and none comes out over its API."""

import base64
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port
from tests.system.foreign.site import ROOT, NodeProcess, listens
from tests.unit.cli.test_bundle import opened
from tests.waiting import wait_until

from holdfast.crypto.certificates import make_authority, make_server_certificate
from holdfast.crypto.tokens import mint_token

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
HASHED = ("person", "hashed-user")
"""Nobody knows these in clear, the node neither: only what it makes of them could come out."""
TOKENS = ("up-token", "child-token", "app-token")
HELPFUL = "an ordinary word that must be left in"


def planted(name: str) -> str:
    """A secret that nobody writes by chance."""
    return f"{name}-{secrets.token_hex(8)}"


class Vault:
    """A node with every kind of secret, and what was planted, by where."""

    def __init__(self, folder: Path) -> None:
        self.mqtt, self.api = free_port(), free_port()
        names = (
            "mqtt-user", "hashed-user", "up-token", "child-token", "app-token", "broker-password", "broker-file",
            "hook-path", "hook-query", "hook-header", "hook-env", "ntfy-topic", "ntfy-token", "mail-password",
            "mail-file", "otlp-header", "route-password", "person", "other-env", "payload", "bearer", "url-login",
        )  # fmt: skip
        self.secret = {name: mint_token().text if name in TOKENS else planted(name) for name in names}
        self.folder, s = folder, self.secret
        self.env = {"HF_HOOK": s["hook-env"], "AWS_SECRET_ACCESS_KEY": s["other-env"]}
        self.node = NodeProcess(folder, self._settings())
        for name, key in (("up", "up-token"), ("kid", "child-token"), ("app", "app-token")):
            (folder / f"{name}.token").write_text(f"{s[key]}\n")
        for name, key in (("broker.pw", "broker-file"), ("mail.pw", "mail-file")):
            (folder / name).write_text(f"{s[key]}\n")
        authority = make_authority("test", time.time())
        pair = make_server_certificate(authority, "gw", ["127.0.0.1"], time.time())
        (folder / "ca.pem").write_bytes(authority.certificate)
        (folder / "web.pem").write_bytes(pair.certificate)
        (folder / "web.key").write_bytes(pair.key)
        (folder / "web.key").chmod(0o600)
        (folder / "journal.key").write_text(secrets.token_hex(32))
        (folder / "journal.key").chmod(0o600)
        (folder / "mqtt-users").write_text("")

    def _settings(self) -> str:
        s, dead = self.secret, free_port()
        hook = f"https://127.0.0.1:{dead}/services/{s['hook-path']}?key={s['hook-query']}"
        headers = f"{{X-Key: '{s['hook-header']}', X-Env: {{env: HF_HOOK}}}}"
        mail = f"host: 127.0.0.1, port: {dead}, from: a@example.com, to: [b@example.com], user: mailer"
        login = f"url: 'mqtt://127.0.0.1:{dead}', username: u"
        route = f"{{{login}, password: '{s['route-password']}'}}, readings: {{topic: 'r/{{node}}'}}"
        return (
            f"mqtt: {{listen: '127.0.0.1:{self.mqtt}', users: {{press: '{s['mqtt-user']}'}}, users_file: mqtt-users}}\n"
            f"api: {{listen: '127.0.0.1:{self.api}', tls: {{certificate: web.pem, key: web.key}}}}\n"
            "people: true\nchildren: {tokens: {kid: kid.token}}\napps: {till: {token: app.token}}\n"
            f"parent: {{url: 'https://127.0.0.1:{dead}', ca: ca.pem, token_file: up.token}}\n"
            f"brokers:\n  one: {{{login}, password: '{s['broker-password']}', subscribe: {{'a/#': 1}}}}\n"
            f"  two: {{{login}, password_file: broker.pw, subscribe: {{'b/#': 1}}}}\n"
            f"routes:\n  out: {{to: {route}}}\n"
            f"channels:\n  chat: {{slack: {{url: '{hook}'}}}}\n"
            f"  hook: {{webhook: {{url: '{hook}', headers: {headers}}}}}\n"
            f"  phone: {{ntfy: {{url: 'https://127.0.0.1:{dead}', topic: '{s['ntfy-topic']}', "
            f"token: '{s['ntfy-token']}'}}}}\n"
            f"  mail: {{email: {{{mail}, password: '{s['mail-password']}'}}}}\n"
            f"  post: {{email: {{{mail}, password: {{file: mail.pw}}}}}}\n"
            f"telemetry: {{otlp: {{url: 'https://127.0.0.1:{dead}', headers: {{api: '{s['otlp-header']}'}}}}, "
            "log: {keep: 4MiB}, traces: {keep: 4MiB}}\n"
            "rules: [rules.yaml]\n"
        ).replace("journal: {ballast: 0MB, scrub: 0}", "")

    def run(self, *words: str, typed: str = "") -> str:
        path = str(self.folder / "node.yaml")
        argv = [sys.executable, "-m", "holdfast", *[path if word == "@" else word for word in words]]
        env = {**os.environ, **self.env, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        done = subprocess.run(argv, input=typed, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def everything(self) -> str:
        """Words that mention every secret, as a careless person or a server would write them."""
        unknown = (*HASHED, "bearer", "url-login", "payload")
        known = " ".join(text for name, text in self.secret.items() if name not in unknown)
        s = self.secret
        return f"{HELPFUL} {known} Authorization: Bearer {s['bearer']} mqtt://u:{s['url-login']}@b.example.com/x"

    def publish(self, topic: str, payload: bytes, client: str = "press-client") -> None:
        one = paho.Client(CallbackAPIVersion.VERSION2, client)
        one.username_pw_set("press", self.secret["mqtt-user"])
        one.connect("127.0.0.1", self.mqtt)
        one.loop_start()
        one.publish(topic, payload, qos=1).wait_for_publish(30)
        one.disconnect()
        one.loop_stop()


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    one = Vault(tmp_path_factory.mktemp("vault"))
    s, settings = one.secret, one.folder / "node.yaml"
    text = settings.read_text().replace("journal: {", "journal: {key: {file: journal.key}, ")
    settings.write_text(f"{text}# once it was {s['mqtt-user']}\n")
    one.run("people", "add", "@", "ada", "--role", "admin", typed=f"{s['person']}\n")
    one.run("mqtt", "user", "add", "@", "hashed", typed=f"{s['hashed-user']}\n")
    s["script-token"] = one.run("people", "token", "@", "ada", "--name", "nightly").split()[-1]
    s["kiosk-link"] = one.run("people", "kiosk", "@", "--name", "hall").split("#")[-1].split()[0]
    said = json.dumps(one.everything())
    (one.folder / "rules.yaml").write_text(
        f"rules:\n  hot:\n    select: test.n\n    when: test.n > 100\n    severity: critical\n    message: {said}\n"
    )
    os.environ.update(one.env)  # the node, as a service of the system has them
    try:
        one.node.start()
        wait_until(lambda: listens(one.api) and one.node.says("NodeStarted"))
        live_through(one)
        yield one
    finally:
        for name in one.env:
            os.environ.pop(name, None)
        one.node.kill()


def live_through(one: Vault) -> None:
    """What a node does with secrets in a day: logins that fail, alerts that nobody can be told of, refused payloads."""
    s = one.secret
    base = f"https://127.0.0.1:{one.api}"
    trusted = ssl.create_default_context(cafile=str(one.folder / "ca.pem"))
    with httpx.Client(base_url=base, verify=trusted, headers={"Origin": base}, trust_env=False, timeout=20) as person:
        for password in ("not the one", s["person"]):
            person.post("/api/v1/login", json={"name": "ada", "password": password})
        s["session"] = next(iter(person.cookies.values()))
        person.post("/api/v1/devices", json={"do": "describe", "devices": ["*"], "note": s["mqtt-user"]})
        match = {"devices": ["nobody"]}
        silence = {"match": match, "until": "+1h", "by": "ada", "why": one.everything()}
        assert person.post("/api/v1/silences", json=silence).status_code < 300
        for device in ("room-1", s["broker-password"]):
            one.publish(f"rooms/{device}", json.dumps({"ts": time.time() * 1000, "id": 1, "n": 500}).encode())
        one.publish("rooms/bad", f"no JSON: {one.everything()} {s['payload']}".encode(), s["up-token"])
        one.publish(f"elsewhere/{s['app-token']}/up", b"x" + s["payload"].encode())
        wait_until(lambda: len(person.get("/api/v1/alerts").json()) >= 2)
        wait_until(lambda: len(person.get("/api/v1/quarantine").json()) >= 2)
        person.post("/api/v1/channels/test", json={"channel": "hook"})


def forms(secret: str) -> Iterator[str]:
    """A secret as it stands, and as URLs, JSON, hex and base64 write it, wherever it begins in what is encoded."""
    yield from (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret.encode().hex())
    for shift in range(3):
        packed = base64.b64encode(b"x" * shift + secret.encode()).decode().rstrip("=")
        yield packed[4 if shift else 0 : -1]


def private_lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if len(line) > 30 and not line.startswith("-----")]


def test_no_secret_of_a_running_node_is_in_its_bundle_and_what_helps_is(vault: Vault) -> None:
    target = vault.folder / "b.zip"
    vault.run("support-bundle", "@", "-o", str(target))
    files = opened(target)
    failed = {name: text for name, text in files.items() if "failed" in name}
    assert failed == {}
    assert {"full-status.json", "alerts.json", "metrics.txt", "traces.jsonl"} <= set(files), (
        "it wasn't asked over the API"
    )
    secret = dict(vault.secret)
    data = vault.folder / "data"
    secret["local token"] = (data / "local.token").read_text().strip()
    secret["journal key"] = (vault.folder / "journal.key").read_text().strip()
    for i, line in enumerate(private_lines(vault.folder / "web.key")):
        secret[f"tls key, line {i}"] = line
    people = json.loads((data / "people.json").read_text())
    secret["person's hash"] = people["people"][0]["password"]
    secret.update({f"digest of {link['name']}": link["digest"] for link in people["links"]})
    secret["user's hash"] = (vault.folder / "mqtt-users").read_text().strip().splitlines()[-1].split(":")[1]
    for what, text in secret.items():
        for form in forms(text):
            found = [name for name, content in files.items() if form in content]
            assert not found, (what, form, found)
    for name in ("alerts.json", "silences.json", "rules.json"):
        assert HELPFUL in files[name], name
    assert len(json.loads(files["quarantine.json"])) >= 2
    assert "room-1" in files["devices.json"]
    assert files["log.jsonl"].count("\n") > 5
