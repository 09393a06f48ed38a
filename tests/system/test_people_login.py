"""People at a node that is a process of its own: the command line, a browser-like client, TLS, kills and tampering."""

import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.ports import free_port
from tests.system.foreign.site import ROOT, NodeProcess, listens
from tests.waiting import wait_until

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.opening import Access

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
PASSWORD = "correct horse"  # noqa: S105  # of a node that lives for seconds


class Site:
    """A node with people, and what somebody at its machine types."""

    def __init__(self, folder: Path, api: str = "") -> None:
        self.port = free_port()
        self.node = NodeProcess(folder, f'api: {{listen: "127.0.0.1:{self.port}"{api}}}\npeople: true\n')
        self.settings = folder / "node.yaml"

    def start(self) -> None:
        self.node.start()
        wait_until(lambda: listens(self.port))
        wait_until(lambda: self.node.says("NodeStarted"))

    def holdfast(self, *words: str, typed: str = "", code: int = 0) -> str:
        group, verb, *rest = words
        done = subprocess.run(
            [sys.executable, "-m", "holdfast", group, verb, str(self.settings), *rest],
            input=typed,
            env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(self.settings.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path)
    yield one
    one.node.kill()


def browser(site: Site, scheme: str = "http", trusted: ssl.SSLContext | None = None) -> httpx.Client:
    base = f"{scheme}://127.0.0.1:{site.port}"
    return httpx.Client(
        base_url=base, headers={"Origin": base}, verify=trusted or ssl.create_default_context(), timeout=20
    )


def login(client: httpx.Client, name: str) -> Any:
    return client.post("/api/v1/login", json={"name": name, "password": PASSWORD}).json()


def test_people_are_added_by_the_command_line_before_and_while_the_node_runs(site: Site) -> None:
    site.holdfast("people", "add", "ada", "--role", "admin", typed=f"{PASSWORD}\n")
    site.start()
    with browser(site) as ada, browser(site) as otto:
        assert login(ada, "ada")["role"] == "admin"
        assert "error" in login(otto, "otto")
        site.holdfast("people", "add", "otto", "--role", "operator", typed=f"{PASSWORD}\n")
        assert login(otto, "otto")["role"] == "operator"
        assert otto.post("/api/v1/rules/reload", json={}).status_code == 403
        site.holdfast("people", "role", "otto", "admin")
        assert otto.post("/api/v1/rules/reload", json={}).status_code == 200
        listed = site.holdfast("people", "list")
        assert re.search(r"otto +admin", listed)
        assert listed.count("python-httpx") == 2
        site.holdfast("people", "remove", "otto")
        assert otto.get("/api/v1/status").status_code == 401
    site.holdfast("rules", "reload")
    said = site.holdfast("audit", "people")
    assert re.search(r"local +people: remove otto +200 +127\.0\.0\.1", said)
    assert re.search(r"otto +POST /api/v1/rules/reload +403", said)
    assert PASSWORD not in said + site.node.log.read_text() + (site.node.folder / "data" / "people.json").read_text()


def test_a_killed_node_forgets_no_session_and_its_machines_token_is_new(site: Site) -> None:
    site.holdfast("people", "add", "ada", "--role", "admin", typed=f"{PASSWORD}\n")
    site.start()
    local = site.node.folder / "data" / "local.token"
    with browser(site) as ada, browser(site) as wall:
        login(ada, "ada")
        link = site.holdfast("people", "kiosk", "--name", "hall", "--for", "1h").strip()
        base, _, token = link.partition("#")
        assert base == f"http://127.0.0.1:{site.port}/kiosk"
        assert wall.post("/api/v1/kiosk", json={"token": token}).json()["kiosk"] is True
        former = local.read_text()
        site.node.kill()
        site.start()
        assert local.read_text() != former
        assert ada.get("/api/v1/me").json()["name"] == "ada"
        assert wall.get("/api/v1/me").json()["name"] == "hall"
        assert wall.post("/api/v1/rules/reload", json={}).status_code == 403
        site.holdfast("people", "revoke", "hall")
        assert wall.get("/api/v1/me").json()["role"] == ""
        site.holdfast("rules", "reload")


def test_a_script_with_a_token_needs_no_session(site: Site) -> None:
    site.holdfast("people", "add", "otto", "--role", "operator", typed=f"{PASSWORD}\n")
    token = site.holdfast("people", "token", "otto", "--name", "nightly", "--for", "1d").strip()
    site.start()
    bearer = {"Authorization": f"Bearer {token}"}
    base = f"http://127.0.0.1:{site.port}"
    assert httpx.get(f"{base}/api/v1/me", headers=bearer).json()["name"] == "otto"
    done = httpx.post(f"{base}/api/v1/quarantine/replay", json={"dry_run": True}, headers=bearer)
    assert done.status_code == 200
    assert httpx.get(f"{base}/api/v1/status").status_code == 401


def test_whoever_edits_the_record_of_a_stopped_node_is_found_out(site: Site) -> None:
    site.holdfast("people", "add", "ada", "--role", "admin", typed=f"{PASSWORD}\n")
    site.start()
    with browser(site) as ada:
        login(ada, "ada")
        ada.post("/api/v1/silences", json={"until": "+1h", "why": "nobody must know"})
    site.node.stop()
    wait_until(lambda: site.node.says("NodeStopped"))
    site.node.kill()
    assert "nobody must know" in site.holdfast("audit", "people")
    db = Access(site.node.folder / "data" / FILE_NAME).writer(1 << 30)
    db.execute("UPDATE audit_log SET body = replace(body, 'ada', 'eve')")
    db.close()
    assert "was tampered with" in site.holdfast("audit", "people", code=1)


def test_over_tls_the_cookie_is_for_tls_alone_and_bound_to_its_host(tmp_path: Path) -> None:
    create_authority(tmp_path / "ca")
    issue_certificate(tmp_path / "ca", "gw", ["127.0.0.1"])
    tls = f", tls: {{certificate: {tmp_path / 'ca' / 'gw.pem'}, key: {tmp_path / 'ca' / 'gw.key'}}}"
    site = Site(tmp_path, tls)
    try:
        site.holdfast("people", "add", "ada", "--role", "admin", typed=f"{PASSWORD}\n")
        site.start()
        trusted = ssl.create_default_context(cafile=str(tmp_path / "ca" / "ca.pem"))
        with browser(site, "https", trusted) as ada:
            said = ada.post("/api/v1/login", json={"name": "ada", "password": PASSWORD})
            cookie = said.headers["set-cookie"]
            assert cookie.startswith("__Host-holdfast-")
            assert all(part in cookie for part in ("; Secure", "; HttpOnly", "; Path=/", "; SameSite=strict"))
            assert "Domain" not in cookie
            assert ada.get("/api/v1/status").status_code == 200
            plain = ada.post("/api/v1/rules/reload", json={}, headers={"Origin": f"http://127.0.0.1:{site.port}"})
            assert plain.status_code == 403
            assert ada.post("/api/v1/rules/reload", json={}).status_code == 200
        assert "ada" in site.holdfast("people", "list")
    finally:
        site.node.kill()
