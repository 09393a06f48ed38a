"""Messages of devices over HTTP, on a real node: who may send what, what is answered, what is stored."""

import asyncio
import base64
import contextlib
import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.running import Running, running

from holdfast.identity.tokens import issue_token
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S, SystemClock
from holdfast.node.trying import try_all
from holdfast.web import intake as routes

_clock = SystemClock()
SETTINGS = """
node: gw
api: {listen: "127.0.0.1:0"}
journal: {ballast: 0MB}
profiles: ["builtin:rooms", "builtin:influx", "builtin:lorawan", "builtin:senml"]
apps:
  dev: {token: dev.token, intake: ["acme/+/telemetry", "influx/#"]}
  other: {token: other.token}
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("intake")
    for name in ("dev", "other", "shop"):
        issue_token(folder / f"{name}.token")
    (folder / "node.yaml").write_text(SETTINGS)
    with running(folder) as one:
        yield one


def post(node: Running, path: str, body: bytes | str, **headers: str) -> tuple[int, Any, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=20)
    data = body.encode() if isinstance(body, str) else body
    connection.request("POST", path, data, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text) if text else None, answer


def token(node: Running, app: str) -> str:
    return (node.folder / f"{app}.token").read_text().strip()


def room(number: int, temperature: object = 21.5) -> str:
    said = {
        "id": number,
        "ts": _clock.wall_ns() / NS_PER_S,
        "temp_c": temperature,
        "hum": 40,
        "lux": 100,
        "co2": 500,
        "occ": False,
    }
    return json.dumps(said)


def accepted(node: Running) -> int:
    return int(node.real.journal.counters().get("messages_accepted", 0))


def test_a_message_is_on_disk_when_its_post_is_answered_and_once_only(node: Running) -> None:
    before = accepted(node)
    path = "/api/v1/intake/acme/room-1/telemetry"
    assert post(node, path, room(1))[:2] == (200, {"taken": 1, "repeated": 0, "quarantined": 0, "refusals": []})
    assert accepted(node) == before + 1
    assert post(node, path, room(1))[1]["repeated"] == 1
    packed = gzip.compress(room(2).encode())
    assert post(node, path, packed, Content_Encoding="gzip")[1]["repeated"] == 0
    lines = "\n".join(room(number) for number in (2, 3, 4))
    told = post(node, path, lines, Content_Type="application/x-ndjson; charset=utf-8")[1]
    assert (told["taken"], told["repeated"]) == (3, 1)
    assert accepted(node) == before + 4


def test_what_a_profile_refuses_is_told_by_its_place_and_kept(node: Running) -> None:
    topic = "acme/room-2/telemetry"
    entries = [
        {"topic": topic, "payload": json.loads(room(1))},
        {"topic": topic, "payload": json.loads(room(2, "warm"))},
        {"topic": "senml/x/y", "payload_text": '[{"n":"urn:dev:ow:10e2073a01080063:t","v":3,"u":"Cel"}]'},
        {"topic": topic, "payload_base64": base64.b64encode(b"{").decode()},
    ]
    status, told, _ = post(node, "/api/v1/intake", json.dumps(entries))
    assert (status, told["taken"], told["quarantined"]) == (200, 4, 2)
    assert [(one["message"], one["reason"]) for one in told["refusals"]] == [(1, "wrong_type"), (3, "malformed")]
    kept = node.do(asyncio.to_thread(node.real.quarantine.page, QuarantineFilter(), 10, 1 << 60))
    assert [(one.source, bytes(one.payload)[:1]) for one in kept[:1]] == [("http:local", b"{")]


def test_an_application_may_send_on_its_topics_and_shows_its_token_as_its_protocol_has_it(node: Running) -> None:
    path, mine = "/api/v1/intake/acme/room-3/telemetry", token(node, "dev")
    assert post(node, path, room(1), Authorization=f"Bearer {mine}")[0] == 200
    assert post(node, path, room(2), Authorization=f"Token {mine}")[0] == 200
    basic = base64.b64encode(f"dev:{mine}".encode()).decode()
    assert post(node, path, room(3), Authorization=f"Basic {basic}")[0] == 200
    for said in ("Bearer hf1.0." + "x" * 43, "Basic ?", "Digest x", "Bearer"):
        assert post(node, path, room(4), Authorization=said)[0] == 401
    status, told, _ = post(node, "/api/v1/intake/senml/a", "[]", Authorization=f"Bearer {mine}")
    assert (status, told["hint"]) == (403, "name a filter for it under `apps.dev.intake` in node.yaml")
    assert post(node, path, room(5), Authorization=f"Bearer {token(node, 'other')}")[0] == 403
    row = next(one for one in node.real.adapters.statuses() if one.kind == "http")
    assert (row.state, row.unsettled) == ("working", 0)


def test_a_devices_page_and_a_test_of_the_settings_tell_of_the_door(node: Running) -> None:
    assert post(node, "/api/v1/intake/acme/room-8/telemetry", room(1))[0] == 200
    found = httpx.get(f"http://127.0.0.1:{node.port}/api/v1/devices/room-8", timeout=20).json()
    (source,) = found["sources"]
    assert (source["adapter"], source["where"], source["source"]) == ("http", "/api/v1/intake", "http:local")
    tried = asyncio.run(try_all(node.real.plan, _clock, is_running=False))
    assert [(one.name, one.works) for one in tried] == [("http", True)]


def test_where_people_log_in_a_post_needs_an_application_or_an_operator(tmp_path: Path) -> None:
    for name in ("dev", "other", "shop"):
        issue_token(tmp_path / f"{name}.token")
    (tmp_path / "node.yaml").write_text(SETTINGS + "people: true\n")
    path = "/api/v1/intake/acme/room-1/telemetry"
    with running(tmp_path) as one:
        assert post(one, path, room(1))[0] == 401
        assert post(one, path, room(1), Authorization="Bearer hf1.0." + "x" * 43)[0] == 401
        mine = token(one, "dev")
        assert post(one, path, room(1), Authorization=f"Bearer {mine}")[0] == 200
        assert post(one, path, room(2), Authorization=f"Token {mine}")[0] == 200
        assert post(one, path, room(3), Authorization=f"Bearer {mine}", Host="node.example", Origin="")[0] == 200


def test_lines_as_telegraf_writes_them_become_readings_at_either_address(node: Running) -> None:
    before, now = accepted(node), round(_clock.wall_ns() / NS_PER_S)
    body = "\n".join(f"cpu,host=box usage={n},busy={n}i {now - n}" for n in range(250))
    status, told, _ = post(node, "/api/v2/write?org=a&bucket=plant&precision=s", body)
    assert (status, told, accepted(node) - before) == (204, None, 3)
    assert post(node, "/api/v2/write?org=a&bucket=plant&precision=s", body)[0] == 204  # once more: known by its bytes
    assert accepted(node) - before == 3
    packed = gzip.compress(f"mem,host=box used=1 {now * 1000}".encode())
    assert post(node, "/write?db=plant&rp=&precision=ms", packed, Content_Encoding="gzip")[0] == 204
    catalogue = node.real.journal.catalogue
    names = {catalogue[i].metric for i in range(len(catalogue)) if catalogue[i].device == "box"}
    assert names == {"cpu.usage", "cpu.busy", "mem.used"}


def test_network_servers_webhooks_are_read_as_their_mqtt_messages_are(node: Running) -> None:
    uplink = {
        "end_device_ids": {"device_id": "mast", "dev_eui": "0004A30B001C0530",
                           "application_ids": {"application_id": "a"}},
        "uplink_message": {"session_key_id": "s", "f_port": 1, "f_cnt": 7, "frm_payload": "AQ==",
                           "decoded_payload": {"temperature": 21.5}},
    }  # fmt: skip
    body = json.dumps(uplink)
    assert post(node, "/api/v1/intake/lorawan/tts?tenant=ttn", body)[1]["quarantined"] == 0
    assert post(node, "/api/v1/intake/lorawan/tts?tenant=ttn", body)[1]["repeated"] == 1
    other = {"deviceInfo": {"applicationId": "17c8", "devEui": "0004a30b001c0531"}, "deduplicationId": "d1",
             "fPort": 1, "data": "AQ==", "object": {"temperature": 22.5}}  # fmt: skip
    assert post(node, "/api/v1/intake/lorawan/chirpstack?event=up", json.dumps(other))[1]["quarantined"] == 0
    catalogue = node.real.journal.catalogue
    series = {catalogue[i].device: i for i in range(len(catalogue)) if catalogue[i].metric.endswith("temperature")}
    found = [node.real.last_values.get(series[one]) for one in ("0004A30B001C0530", "0004a30b001c0531")]
    assert [one and one.value for one in found] == [21.5, 22.5]


REFUSED: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("/api/v1/intake/nobody/reads", b"{}", {}, 422, "no profile of this node takes"),
    ("/api/v1/intake/acme/+/telemetry", b"{}", {}, 422, "a topic has no"),
    ("/api/v1/intake/acme/room-1/telemetry", b"", {}, 400, "empty"),
    ("/api/v1/intake/acme/room-1/telemetry?x=1", b"{}", {}, 400, "unknown parameter"),
    ("/api/v1/intake/acme/room-1/telemetry", b"{}", {"Content_Encoding": "br"}, 415, "aren't taken"),
    ("/api/v1/intake/acme/room-1/telemetry", b"{}", {"Content_Encoding": "gzip"}, 400, "damaged"),
    ("/api/v1/intake/acme/room-1/telemetry", b"{}", {"Content_Type": "multipart/form-data"}, 415, "forms"),
    ("/api/v1/intake/acme/room-1/telemetry", b"{}", {"Origin": "https://evil.example"}, 403, "another site"),
    ("/api/v1/intake/acme/room-1/telemetry", b"{}", {"X_Forwarded_For": "10.0.0.1"}, 403, "from this machine"),
    ("/api/v1/intake", b'[{"topic":"acme/a/telemetry","payload":1},{"topic":"no","payload":1}]', {}, 422, "no profile"),
    ("/api/v1/intake", b"{", {}, 400, "line 1"),
    ("/api/v1/intake/lorawan/tts", b"{}", {}, 400, "The Things Stack"),
    ("/api/v1/intake/lorawan/chirpstack", b"{}", {}, 400, "ChirpStack"),
    ("/api/v2/write?bucket=b&precision=h", b"a v=1", {}, 400, "precision"),
    ("/write", b"a v=1", {}, 422, "which bucket"),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "said"), REFUSED)
def test_what_can_be_known_before_the_commit_is_said_and_nothing_is_stored(
    node: Running, path: str, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    before = node.real.journal.counters().get("messages_received", 0)
    found, told, _ = post(node, path, body, **headers)
    assert (found, said in told["error"]) == (status, True), told
    assert node.real.journal.counters().get("messages_received", 0) == before


def test_a_body_beyond_the_bound_is_refused_before_it_has_come(node: Running) -> None:
    status, told, _ = post(node, "/api/v1/intake/acme/room-1/telemetry", bytes((4 << 20) + 1))
    assert status == 413
    assert "larger than" in told["error"]
    bomb = gzip.compress(bytes(17 << 20))
    assert post(node, "/api/v1/intake/acme/room-1/telemetry", bomb, Content_Encoding="gzip")[0] == 413


def test_a_body_that_stalls_or_breaks_off_stores_nothing(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    before = node.real.journal.counters().get("messages_received", 0)
    monkeypatch.setattr(routes, "WHOLE_S", 0.4)
    head = b"POST /api/v1/intake/acme/room-1/telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n"
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as slow:
        slow.sendall(head)
        for one in b'{"id"':  # a byte now and then, for ever: it's the whole that takes too long
            slow.sendall(bytes([one]))
            time.sleep(0.05)
        answer = b""
        while piece := slow.recv(4096):  # and the connection is closed
            answer += piece
    assert answer.startswith(b"HTTP/1.1 408")
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as cut:
        cut.sendall(head + room(99).encode()[:50])
    time.sleep(0.1)
    assert node.real.journal.counters().get("messages_received", 0) == before


def test_a_node_that_can_store_nothing_says_when_to_come_again(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/api/v1/intake/acme/room-1/telemetry"
    monkeypatch.setattr(type(node.real.journal), "condition", Condition.FULL)
    status, told, answer = post(node, path, room(50))
    assert (status, told["error"], answer.headers["Retry-After"]) == (503, "the journal is full", "1")
    monkeypatch.undo()
    inbox = node.real.intake.inbox
    monkeypatch.setattr(inbox, "_max_messages", 1)
    assert post(node, path, room(51))[0] == 200  # taken, but full now, until it's stored
    assert post(node, path, room(52))[0] == 200
    monkeypatch.undo()
    monkeypatch.setattr(routes, "TOGETHER", 10)
    assert post(node, path, room(53))[0] == 503


def test_a_sender_with_too_many_posts_under_way_keeps_no_other_out(
    node: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PER_SENDER", 2)
    path = "/api/v1/intake/acme/room-9/telemetry"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n{{".encode()
    with contextlib.ExitStack() as held:
        for _ in range(2):
            held.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=10)).sendall(head)
        time.sleep(0.2)
        status, told, answer = post(node, path, room(60))
        assert (status, answer.headers["Connection"], answer.headers["Retry-After"]) == (503, "close", "1")
        assert told["error"] == "2 posts of this sender are under way"
        assert post(node, path, room(60), Authorization=f"Bearer {token(node, 'dev')}")[0] == 200
    time.sleep(0.2)
    assert post(node, path, room(61))[0] == 200


def test_posts_on_kept_connections_at_once_are_all_stored(node: Running) -> None:
    before, per = accepted(node), 25

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
        for n in range(per):
            body = room(10_000 + number * per + n).encode()
            head = f"POST /api/v1/intake/acme/c{number}/telemetry HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            said = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert said.startswith(b"http/1.1 200")
            await reader.readexactly(int(said.split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(client(number) for number in range(20)))

    asyncio.run(all_of_them())
    assert accepted(node) - before == 20 * per
