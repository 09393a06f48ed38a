"""People at a real node on loopback: log in, do what a role allows, and nothing else; what they did is on record."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from tests.events import alert
from tests.running import Running, running

from holdfast.crypto.passwords import PEOPLE, hashed
from holdfast.identity.people.book import BookFile
from holdfast.identity.people.roles import Role
from holdfast.identity.tokens import issue_token
from holdfast.model.lane import Lane
from holdfast.node.outlook import outlook_of
from holdfast.web.door import MARK

PASSWORD = "correct horse"  # noqa: S105  # of a node that lives for seconds
HASH = hashed(PASSWORD.encode(), p=PEOPLE)
SETTINGS = """
node: gw
api: {listen: "127.0.0.1:0"}
journal: {ballast: 0MB}
people: true
queues: {orders: {consume: true}}
apps: {shop: {token: shop.token, put: [orders]}}
"""


def settle(folder: Path, settings: str = SETTINGS) -> None:
    issue_token(folder / "shop.token")
    (folder / "node.yaml").write_text(settings)
    (folder / "data").mkdir()
    for name, role in (("vera", Role.VIEWER), ("otto", Role.OPERATOR), ("ada", Role.ADMIN)):
        BookFile(folder / "data" / "people.json").change(lambda book: book.add(name, role, HASH, 1))  # noqa: B023  # now


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("people")
    settle(folder)
    with running(folder) as one:
        one.do(raised(one, 1, 2, 3))
        yield one


async def raised(node: Running, *numbers: int) -> None:
    journal, changed = node.real.journal, asyncio.Event()
    journal.on_commit(changed.set)
    events = [alert(n, device=f"press-{n}") for n in numbers]
    last = await journal.submit(lambda tx: tx.append_events(Lane.CRITICAL, events))
    async with asyncio.timeout(10):
        while journal.cursor("alerts", Lane.CRITICAL) < last:
            changed.clear()
            await changed.wait()


OPEN: list[httpx.Client] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Browser:
    """Keeps cookies, and sends what browsers send."""

    def __init__(self, node: Running, *, origin: str | None = "") -> None:
        self.base = f"http://127.0.0.1:{node.port}"
        self.client = httpx.Client(base_url=self.base, timeout=20)
        OPEN.append(self.client)
        self.headers = {} if origin is None else {"Origin": origin or self.base}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(f"/api/v1/{path}", headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.client.post(f"/api/v1/{path}", json=body or {}, headers={**self.headers, **headers})

    def login(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("login", {"name": name, "password": password})


def logged_in(node: Running, name: str) -> Browser:
    browser = Browser(node)
    assert browser.login(name).status_code == 200
    return browser


def test_nobody_unknown_sees_anything_but_health_and_who_they_are(node: Running) -> None:
    browser = Browser(node)
    assert browser.get("me").json() == {"name": "", "role": "", "login": True, "kiosk": False, "empty": False}
    assert [browser.client.get(path).status_code for path in ("/healthz", "/readyz", "/", "/metrics")] == [200] * 4
    for path in ("status", "series", "alerts", "devices", "events", "ledger", "people", "audit", "commands", "queues"):
        refused = browser.get(path)
        assert (refused.status_code, "log in" in refused.json()["hint"]) == (401, True), path
    assert browser.post("alerts/1/acknowledge", {"by": "eve"}).status_code == 401


def test_a_login_gives_a_cookie_that_no_script_and_no_other_site_gets(node: Running) -> None:
    browser = Browser(node)
    said = browser.login("vera")
    assert said.json() == {"name": "vera", "role": "viewer", "login": True, "kiosk": False, "empty": False}
    cookie = said.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=604800"))
    assert "Secure" not in cookie, "over plain HTTP on loopback a browser would not keep it"
    assert browser.get("status").json()["node"] == "gw"
    kept = browser.client.cookies.jar
    secret = next(iter(kept)).value or ""
    stored = (node.folder / "data" / "sessions.json").read_text()
    assert "vera" in stored
    assert secret not in stored


def test_logging_out_ends_the_session_itself_and_not_only_the_cookie(node: Running) -> None:
    browser, stolen = logged_in(node, "vera"), Browser(node)
    stolen.client.cookies.update(browser.client.cookies)
    assert stolen.get("status").status_code == 200
    assert browser.post("logout").json()["role"] == ""
    assert not list(browser.client.cookies.jar)
    assert stolen.get("status").status_code == 401


@pytest.mark.parametrize(
    ("name", "path", "body", "status"),
    [
        ("vera", "alerts/2/acknowledge", {}, 403),
        ("vera", "silences", {"until": "+1h", "why": "x"}, 403),
        ("vera", "devices", {"do": "accept", "devices": ["*"]}, 403),
        ("vera", "devices/press-1/commands", {"name": "stop"}, 403),
        ("vera", "quarantine/replay", {}, 403),
        ("vera", "queues/orders/dead", {"do": "drop"}, 403),
        ("vera", "rules/reload", {}, 403),
        ("vera", "people", {"do": "role", "name": "vera", "role": "admin"}, 403),
        ("otto", "quarantine/replay", {"dry_run": True}, 200),
        ("otto", "devices", {"do": "accept", "devices": ["*"]}, 404),
        ("otto", "devices", {"do": "retire", "devices": ["*"]}, 403),
        ("otto", "devices", {"do": "rename", "devices": ["a"], "to": "b"}, 403),
        ("otto", "rules/reload", {}, 403),
        ("otto", "people", {"do": "remove", "name": "ada"}, 403),
        ("ada", "devices", {"do": "retire", "devices": ["*"]}, 404),
        ("ada", "rules/reload", {}, 200),
    ],
)
def test_a_role_may_do_so_much(node: Running, name: str, path: str, body: Any, status: int) -> None:
    done = logged_in(node, name).post(path, body)
    assert done.status_code == status, done.text
    if status == 403:
        assert "this needs the role" in done.json()["error"]


def test_who_acknowledges_is_who_logged_in_whatever_the_page_says(node: Running) -> None:
    done = logged_in(node, "otto").post("alerts/1/acknowledge", {"by": "ada", "comment": "on my way"})
    assert (done.json()["acknowledged_by"], done.json()["comment"]) == ("otto", "on my way")
    made = logged_in(node, "otto").post("silences", {"until": "+1h", "why": "works"})
    assert made.json()["by"] == "otto"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_another_sites_page_changes_nothing_with_somebodys_cookie(node: Running, headers: dict[str, str]) -> None:
    browser = logged_in(node, "ada")
    refused = browser.post("silences", {"until": "+1h", "why": "csrf"}, **headers)
    assert refused.status_code in (403, 415)
    assert "csrf" not in [one["why"] for one in browser.get("silences?all=true").json()]
    assert browser.post("login", {"name": "ada", "password": PASSWORD}, **headers).status_code in (403, 415)


def test_a_name_that_points_here_by_a_trick_reads_nothing(node: Running) -> None:
    refused = logged_in(node, "ada").get("status", Host="evil.example")
    assert (refused.status_code, "evil.example" in refused.json()["error"]) == (403, True)


def test_a_cookie_alone_changes_nothing(node: Running) -> None:
    browser = logged_in(node, "ada")
    browser.headers = {}
    assert browser.post("rules/reload").status_code == 403


def test_applications_keep_their_own_door(node: Running) -> None:
    token = (node.folder / "shop.token").read_text().strip()
    put = {"stream": "till", "messages": [{"n": 1, "body": "aGk="}]}
    base = f"http://127.0.0.1:{node.port}/api/v1"
    said = httpx.post(f"{base}/queues/orders/put", json=put, headers={"Authorization": f"Bearer {token}"})
    assert said.status_code == 200, said.text
    assert httpx.get(f"{base}/status", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert httpx.post(f"{base}/queues/orders/put", json=put).status_code == 401


def test_this_machines_own_token_may_do_everything_and_is_new_at_every_start(node: Running) -> None:
    path = node.folder / "data" / "local.token"
    assert path.stat().st_mode & 0o777 == 0o600
    here = Browser(node, origin=None)
    headers = {"Authorization": f"Bearer {path.read_text().strip()}"}
    assert here.post("rules/reload", **headers).status_code == 200
    assert here.get("status", **headers, **{"X-Forwarded-For": "192.0.2.9"}).status_code == 401


def test_a_look_of_the_parents_leaves_the_door_and_its_token_alone(node: Running) -> None:
    async def look() -> None:
        outlook_of(node.real)

    path = node.folder / "data" / "local.token"
    former = path.read_text()
    node.do(look())
    assert path.read_text() == former
    headers = {"Authorization": f"Bearer {former.strip()}"}
    assert Browser(node, origin=None).post("rules/reload", **headers).status_code == 200
    told = Browser(node).client.get("/metrics").text
    assert told.count("\nholdfast_audit_open ") == 1


def test_a_kiosks_link_looks_changes_nothing_and_is_revoked_at_once(node: Running) -> None:
    ada, wall = logged_in(node, "ada"), Browser(node)
    made = ada.post("people", {"do": "kiosk", "name": "hall", "for_s": 3600}).json()
    assert made["token"] not in (node.folder / "data" / "people.json").read_text()
    entered = wall.post("kiosk", {"token": made["token"]})
    assert entered.json() == {"name": "hall", "role": "viewer", "login": True, "kiosk": True, "empty": False}
    assert wall.get("alerts?state=all").status_code == 200
    assert wall.post("alerts/3/acknowledge").status_code == 403
    assert wall.post("me/password", {"old": PASSWORD, "new": "long enough"}).status_code == 403
    assert wall.get("status", Authorization=f"Bearer {made['token']}").status_code == 401, "a link is no token"
    listed = ada.get("people").json()
    assert ("hall", "kiosk") in [(one["name"], one["kind"]) for one in listed["sessions"]]
    assert ada.post("people", {"do": "revoke", "name": "hall"}).status_code == 200
    assert wall.get("status").status_code == 401
    assert wall.post("kiosk", {"token": made["token"]}).status_code == 401


def test_a_persons_token_has_the_persons_role_and_needs_no_origin(node: Running) -> None:
    ada, script = logged_in(node, "ada"), Browser(node, origin=None)
    made = ada.post("people", {"do": "token", "name": "nightly", "owner": "otto", "for_s": 3600}).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert script.get("me", **bearer).json()["name"] == "otto"
    assert script.post("quarantine/replay", {"dry_run": True}, **bearer).status_code == 200
    assert script.post("rules/reload", **bearer).status_code == 403
    ada.post("people", {"do": "revoke", "name": "nightly"})
    assert script.get("status", **bearer).status_code == 401


def test_people_come_change_and_go_and_their_sessions_with_them(node: Running) -> None:
    ada = logged_in(node, "ada")
    assert ada.post("people", {"do": "add", "name": "nina", "role": "viewer", "password": PASSWORD}).status_code == 200
    assert ada.post("people", {"do": "add", "name": "nina", "role": "viewer", "password": PASSWORD}).status_code == 409
    nina = logged_in(node, "nina")
    assert nina.post("quarantine/replay", {"dry_run": True}).status_code == 403
    ada.post("people", {"do": "role", "name": "nina", "role": "operator"})
    assert nina.post("quarantine/replay", {"dry_run": True}).status_code == 200
    assert nina.post("me/password", {"old": "wrong horse", "new": "battery staple"}).status_code == 401
    assert nina.post("me/password", {"old": PASSWORD, "new": "short"}).status_code == 400
    assert nina.post("me/password", {"old": PASSWORD, "new": "battery staple"}).status_code == 200
    assert nina.get("status").status_code == 401, "a new password ends the sessions"
    assert nina.login("nina", "battery staple").status_code == 200
    session = next(one for one in ada.get("people").json()["sessions"] if one["name"] == "nina")
    assert ada.post("people", {"do": "end", "name": session["id"]}).status_code == 200
    assert nina.get("status").status_code == 401
    assert nina.login("nina", "battery staple").status_code == 200
    assert ada.post("people", {"do": "remove", "name": "nina"}).status_code == 200
    assert nina.get("status").status_code == 401
    assert ada.post("people", {"do": "remove", "name": "nina"}).status_code == 404
    refused = ada.post("people", {"do": "remove", "name": "ada"})
    assert (refused.status_code, "nobody would be an admin" in refused.json()["error"]) == (400, True)


def test_what_people_did_and_tried_is_on_record_without_secrets(node: Running) -> None:
    ada, vera = logged_in(node, "ada"), logged_in(node, "vera")
    ada.post("silences", {"until": "+1h", "why": "for the record"})
    vera.post("silences", {"until": "+1h", "why": "never made"})
    Browser(node).login("mallory", "guess")
    ada.post("people", {"do": "add", "name": "rec", "role": "viewer", "password": "not in the log"})
    page = ada.get("audit?limit=1000&verify=true").json()
    assert page["broken_at"] == 0
    lines = {(one["who"], one["what"], one["status"]): one for one in page["lines"]}
    assert "for the record" in lines["ada", "POST /api/v1/silences", 201]["body"]
    assert lines["ada", "POST /api/v1/silences", 201]["address"] == "127.0.0.1"
    assert lines["vera", "POST /api/v1/silences", 403]["body"] == ""
    assert ("mallory", "login refused", 401) in lines
    assert ("vera", "login", 200) in lines
    assert ("ada", "people: add rec viewer", 200) in lines
    everything = ada.get("audit?limit=1000").text + "\n".join(node.log)
    assert all(word not in everything for word in ("not in the log", PASSWORD, "guess"))
    assert "PersonActed who=ada" in "\n".join(node.log)
    assert vera.get("audit").status_code == 403


def test_a_body_that_can_not_be_read_is_refused_without_being_quoted(node: Running) -> None:
    refused = Browser(node).post("login", {"name": "ada", "pasword": "my secret"})
    assert (refused.status_code, "secret" in refused.text) == (400, False)
    assert Browser(node).post("login", {"name": "a" * 2_000, "password": "x"}).status_code == 400


def test_sessions_outlive_a_restart_and_guesses_must_wait(tmp_path: Path) -> None:
    settle(tmp_path)
    with running(tmp_path) as one:
        vera = logged_in(one, "vera")
        kept = vera.client.cookies
    with running(tmp_path) as again:
        back = Browser(again)
        back.client.cookies.update(kept)
        assert back.get("me").json()["name"] == "vera"
        guesses = [Browser(again).login("ada", f"guess {n}").status_code for n in range(7)]
        assert guesses == [401, 401, 401, 401, 401, 429, 429]
        refused = Browser(again).login("ada")
        assert (refused.status_code, int(refused.headers["retry-after"])) == (429, 1), "the right one must wait, too"
        assert back.get("status").status_code == 200, "who is in stays in"


def test_without_people_this_machine_does_everything_and_the_record_says_so(tmp_path: Path) -> None:
    settle(tmp_path, SETTINGS.replace("people: true\n", ""))
    with running(tmp_path) as one:
        browser = Browser(one)
        assert browser.get("me").json() == {"name": "", "role": "admin", "login": False, "kiosk": False, "empty": False}
        assert browser.post("rules/reload").status_code == 200, "from the node's own page"
        assert browser.post("rules/reload", Origin="http://evil.example").status_code == 403
        assert browser.post("rules/reload", **{"X-Forwarded-For": "192.0.2.9"}).status_code == 403
        assert browser.get("status", Host="evil.example").status_code == 403
        assert browser.login("ada").status_code == 404
        assert not (tmp_path / "data" / "local.token").exists()
        (line,) = browser.get("audit").json()["lines"][-1:]
        assert (line["who"], line["via"], line["what"]) == ("", "local", "POST /api/v1/rules/reload")


def test_every_change_says_what_it_needs(node: Running) -> None:
    """A new route without `@needs` would take an admin; this finds it, so that somebody decides."""
    assert node.real.web is not None
    app = cast("Starlette", node.real.web._config.app)
    silent = [
        route.path
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith("/api/") and route.methods
        if not route.methods <= {"GET", "HEAD"} and not hasattr(route.endpoint, MARK)
    ]
    assert silent == []


def test_a_socket_takes_a_session_of_this_origin_and_closes_when_the_session_ends(node: Running) -> None:
    vera = logged_in(node, "vera")
    cookie = "; ".join(f"{one.name}={one.value}" for one in vera.client.cookies.jar)
    mine, foreign = f"http://127.0.0.1:{node.port}", "http://evil.example"
    assert shaken(node, {"Origin": mine}).startswith("HTTP/1.1 403")
    assert shaken(node, {"Origin": foreign, "Cookie": cookie}).startswith("HTTP/1.1 403")
    with socket.create_connection(("127.0.0.1", node.port), 20) as wire:
        wire.sendall(handshake(node, {"Origin": mine, "Cookie": cookie}))
        assert wire.recv(4096).startswith(b"HTTP/1.1 101")
        vera.post("logout")
        received = b""
        while piece := wire.recv(4096):  # a beat comes every few seconds; the first after the look closes
            received += piece
            if b"\x03\xf0" in received:  # 1008, RFC 6455 7.4.1
                break
        assert b"wants to know who you are" in received


def handshake(node: Running, headers: dict[str, str]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    key = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455's
    return (
        f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{''.join(lines)}\r\n"
    ).encode()


def shaken(node: Running, headers: dict[str, str]) -> str:
    with socket.create_connection(("127.0.0.1", node.port), 20) as wire:
        wire.sendall(handshake(node, headers))
        return wire.recv(4096).decode()
