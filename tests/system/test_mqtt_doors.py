"""The doors of our MQTT server, by clients we didn't write: TLS, client certificates, WebSocket, users and rights."""

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from tests.system.npm import NODE, fetched
from tests.system.test_mqtt_clients import (
    VERSIONS,
    Running,
    done,
    mosquitto,
    needs_mosquitto,
    raw,
    read_until_closed,
    serving,
)
from tests.unit.adapters.mqtt.doubles import connect, publish, subscribe, text
from tests.waiting import wait_until
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)

from holdfast.adapters.mqtt.door_settings import AclRule, ListenerSettings, ListenerTls, RateSettings
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.users import NO_PASSWORD, User, write_users
from holdfast.crypto.passwords import hashed
from holdfast.identity.authority import create_authority, issue_certificate, issue_client_certificate

pytestmark = pytest.mark.system
HERE = "127.0.0.1:0"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site's authority, a server's certificate and a device's."""
    folder = tmp_path_factory.mktemp("keys")
    create_authority(folder)
    issue_certificate(folder, "gw", ["127.0.0.1", "localhost"])
    issue_client_certificate(folder, "press-07")
    return folder


@pytest.fixture(scope="module")
def mqttjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mqtt.js with its packages, pinned by hash in its lock file."""
    return fetched(Path(__file__).parent / "mqttweb", tmp_path_factory.mktemp("mqttjs")) / "client.mjs"


def tls(keys: Path, **more: Any) -> ListenerTls:
    return ListenerTls(str(keys / "gw.pem"), str(keys / "gw.key"), **more)


def trusting(keys: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(keys / "ca.pem"))


def settings(*listeners: ListenerSettings, anonymous: bool = True, **more: Any) -> MqttSettings:
    return MqttSettings(listen="", listeners=listeners, anonymous=anonymous, **more)


@needs_mosquitto
@pytest.mark.parametrize("version", VERSIONS)
def test_mosquitto_speaks_over_tls_while_others_speak_in_the_clear(keys: Path, version: str) -> None:
    both = MqttSettings(listen=HERE, anonymous=True, listeners=(ListenerSettings(HERE, tls(keys)),))
    with serving(settings=both) as running:
        secure = ["-p", str(running.server.ports[1]), "--cafile", str(keys / "ca.pem")]
        assert done(mosquitto("pub", running, "-t", "t", "-q", "1", "-m", "clear", version=version))[0] == 0
        assert done(mosquitto("pub", running, *secure, "-t", "t", "-q", "1", "-m", "secret", version=version))[0] == 0
        wait_until(lambda: running.inbox.payloads == [b"clear", b"secret"])
        stranger = socket.create_connection(("127.0.0.1", running.server.ports[1]), timeout=5)
        stranger.sendall(connect("d"))
        assert b"\x20\x02" not in read_until_closed(stranger)
        wait_until(lambda: running.server.entrance.counts.refused_tls == 1)


@needs_mosquitto
def test_a_client_certificate_is_the_user_and_none_is_turned_away(keys: Path) -> None:
    rules = (AclRule(allow=("publish",), topics=("site/%user/#",), user="press-*"),)
    door = ListenerSettings(HERE, tls(keys, client_ca=str(keys / "ca.pem")))
    with serving(settings=settings(door, anonymous=False, acl=rules)) as running:
        trust = ["--cafile", str(keys / "ca.pem")]
        shown = ["--cert", str(keys / "press-07.pem"), "--key", str(keys / "press-07.key")]
        assert done(mosquitto("pub", running, *trust, "-t", "site/press-07/a", "-q", "1", "-m", "x"))[0] != 0
        assert done(mosquitto("pub", running, *trust, *shown, "-t", "site/press-07/a", "-q", "1", "-m", "x"))[0] == 0
        lying = ["-u", "press-08", "-P", "x", "-V", "mqttv5"]
        other = mosquitto("pub", running, *trust, *shown, *lying, "-t", "site/press-08/a", "-q", "1", "-m", "y")
        done(other)
        assert running.inbox.payloads == [b"x"]
        assert running.server.entrance.counts.denied_publishes == 1


@pytest.mark.parametrize(("version", "good"), [("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False)])
def test_old_tls_is_refused(keys: Path, version: str, *, good: bool) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl isn't installed")
    with serving(settings=settings(ListenerSettings(HERE, tls(keys)))) as running:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{running.port}", version]
        command += ["-cipher", "DEFAULT:@SECLEVEL=0"] if not good else []
        found = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=10)
        assert ("Cipher is (NONE)" not in found.stdout) is good


def test_a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not(keys: Path, tmp_path: Path) -> None:
    for name in ("gw.pem", "gw.key"):
        shutil.copy(keys / name, tmp_path / name)
    door = ListenerSettings(HERE, ListenerTls(str(tmp_path / "gw.pem"), str(tmp_path / "gw.key")))

    def serial(running: Running) -> str:
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=5) as sock,
            trusting(keys).wrap_socket(sock, server_hostname="127.0.0.1") as secure,
        ):
            return str((secure.getpeercert() or {})["serialNumber"])

    with serving(settings=settings(door)) as running:
        first = serial(running)
        (tmp_path / "gw.key").write_text("nonsense")
        running.call(running.server.reload)
        assert serial(running) == first
        assert any("MqttReloadFailed" in line for line in running.log)
        if not (keys / "renewed.pem").exists():
            issue_certificate(keys, "renewed", ["127.0.0.1"])
        shutil.copy(keys / "renewed.pem", tmp_path / "gw.pem")
        shutil.copy(keys / "renewed.key", tmp_path / "gw.key")
        running.call(running.server.reload)
        assert serial(running) != first


@pytest.mark.timeout(120)
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("version", ["4", "5"])
def test_mqttjs_speaks_over_websocket(mqttjs: Path, keys: Path, version: str, *, secure: bool) -> None:
    door = ListenerSettings(HERE, tls(keys) if secure else None, websocket=True)
    with serving(settings=settings(door)) as running:
        url = f"{'wss' if secure else 'ws'}://127.0.0.1:{running.port}/mqtt"
        command = [str(NODE), str(mqttjs), url, str(keys / "ca.pem") if secure else "", version]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        said = json.loads(found.stdout)
        assert said["granted"] == [1]
        assert sorted(said["heard"]) == [["js/large", 200_000, "xxxxx"], ["js/small", 5, "hello"], ["js/zero", 0, ""]]
        assert [len(payload) for payload in running.inbox.payloads] == [5, 200_000, 0]


@pytest.mark.parametrize("five", [False, True])
def test_paho_speaks_over_websocket(keys: Path, *, five: bool) -> None:
    with serving(settings=settings(ListenerSettings(HERE, tls(keys), websocket=True))) as running:
        version = MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311
        client = paho.Client(CallbackAPIVersion.VERSION2, "p", protocol=version, transport="websockets")
        client.ws_set_options(path="/mqtt")
        client.tls_set_context(trusting(keys))
        heard: list[bytes] = []
        up = threading.Event()
        client.on_message = lambda _c, _u, message: heard.append(bytes(message.payload))
        client.on_subscribe = lambda *_: up.set()
        client.on_connect = _subscribing
        client.connect("127.0.0.1", running.port)
        client.loop_start()
        assert up.wait(5)
        infos = [client.publish("t", b"%d" % i, qos=1) for i in range(100)]
        for info in infos:
            info.wait_for_publish(5)
        wait_until(lambda: heard == [b"%d" % i for i in range(100)])
        client.disconnect()
        client.loop_stop()


def _subscribing(client: paho.Client, *_: object) -> None:
    client.subscribe("t", 1)


class Web:
    """A WebSocket client that can be as odd as it likes."""

    def __init__(
        self, running: Running, path: str = "/mqtt", protocols: tuple[str, ...] = ("mqtt",), origin: str = ""
    ) -> None:
        self.sock = socket.create_connection(("127.0.0.1", running.port), timeout=5)
        self.ws = WSConnection(ConnectionType.CLIENT)
        extra = [(b"origin", origin.encode())] if origin else []
        host = f"127.0.0.1:{running.port}"
        self.say(Request(host=host, target=path, subprotocols=list(protocols), extra_headers=extra))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.sock.close()

    def say(self, *events: Event) -> None:
        self.sock.sendall(b"".join(self.ws.send(event) for event in events))

    def hear(self) -> Iterator[Event]:
        while True:
            data = self.sock.recv(65_536)
            if not data:
                return
            self.ws.receive_data(data)
            yield from self.ws.events()

    def binary(self, size: int) -> bytes:
        out = b""
        for event in self.hear():
            if isinstance(event, BytesMessage):
                out += event.data
            if len(out) >= size:
                return out
        return out


def web_server() -> Any:
    return serving(settings=settings(ListenerSettings(HERE, websocket=True, origins=("https://hmi.example.org",))))


def test_packets_may_lie_anyhow_in_frames() -> None:
    with web_server() as running, Web(running) as web:
        accepted = next(web.hear())
        assert isinstance(accepted, AcceptConnection)
        assert accepted.subprotocol == "mqtt"
        stream = connect("w") + publish("t", b"x", pid=1) + publish("t", b"y" * 300, pid=2)
        for i in range(0, len(stream) - 7, 7):
            web.say(BytesMessage(data=stream[i : i + 7], message_finished=i % 14 == 0), Ping(b"p"))
        web.say(BytesMessage(data=stream[i + 7 :]))
        assert web.binary(12) == b"\x20\x02\0\0\x40\x02\0\x01\x40\x02\0\x02"
        assert running.inbox.payloads == [b"x", b"y" * 300]


def test_a_ping_is_answered_and_a_goodbye_returned() -> None:
    with web_server() as running, Web(running) as web:
        assert isinstance(next(web.hear()), AcceptConnection)
        web.say(Ping(b"you?"), CloseConnection(1000))
        events = list(web.hear())
        assert [type(event) for event in events] == [Pong, CloseConnection]
        wait_until(lambda: running.server.stats().connections == 0)


@pytest.mark.parametrize(
    ("path", "protocols", "origin", "status"),
    [
        ("/other", ("mqtt",), "", 404),
        ("/mqtt", ("chat",), "", 400),
        ("/mqtt", (), "", 400),
        ("/mqtt", ("mqtt",), "https://evil.example", 403),
        ("/mqtt?x=1", ("mqttv3.1", "mqtt"), "https://hmi.example.org", 101),
    ],
)
def test_a_request_for_something_else_is_refused(
    path: str, protocols: tuple[str, ...], origin: str, status: int
) -> None:
    with web_server() as running, Web(running, path, protocols, origin) as web:
        answer = next(web.hear())
        found = answer.status_code if isinstance(answer, RejectConnection) else 101
        assert found == status


@pytest.mark.parametrize(
    ("odd", "code"), [(TextMessage("hello"), 1003), (b"\x82\x05plain", 1002), (b"\xc2\x80mask", 1002)]
)
def test_what_is_not_a_binary_frame_closes_with_its_code(odd: Any, code: int) -> None:
    with web_server() as running, Web(running) as web:
        assert isinstance(next(web.hear()), AcceptConnection)
        if isinstance(odd, bytes):
            web.sock.sendall(odd)
        else:
            web.say(odd)
        closed = [event for event in web.hear() if isinstance(event, CloseConnection)]
        assert [event.code for event in closed] == [code]
        wait_until(lambda: running.server.stats().connections == 0)
        assert running.server.entrance.counts.refused_websocket == 1


def test_an_endless_message_is_cut() -> None:
    with web_server() as running, Web(running) as web:
        assert isinstance(next(web.hear()), AcceptConnection)
        web.say(BytesMessage(data=connect("w")))
        piece = BytesMessage(data=publish("t", b"x" * 900_000), message_finished=False)
        with contextlib.suppress(ConnectionError):
            web.say(*[piece] * 20)
        wait_until(lambda: running.server.entrance.counts.refused_websocket == 1)


def with_users(folder: Path, **more: Any) -> MqttSettings:
    users = [User("press", hashed(b"right"), ("line",)), User("hmi", hashed(b"view")), User("pump", NO_PASSWORD)]
    write_users(folder / "users", users)
    return MqttSettings(listen=HERE, users_file=str(folder / "users"), **more)


def login(user: str, password: str, *, version: int = 4, client: str = "d", will: str = "") -> bytes:
    more = (b"\0" if version == 5 and will else b"") + (text(will) + text("gone") if will else b"")
    flags = 0xC2 | (4 if will else 0)
    return connect(client, version=version, flags=flags, more=more + text(user) + text(password))


@needs_mosquitto
@pytest.mark.parametrize("version", VERSIONS)
def test_users_of_the_file_log_in_and_a_changed_file_is_read(tmp_path: Path, version: str) -> None:
    with serving(settings=with_users(tmp_path)) as running:
        for user, password, good in [("press", "right", True), ("press", "wrong", False), ("pump", "", False)]:
            device = mosquitto("pub", running, "-t", "t", "-m", "x", "-u", user, "-P", password, version=version)
            assert (done(device)[0] == 0) is good
        write_users(tmp_path / "users", [User("press", hashed(b"newer"))])
        running.call(running.server.reload)
        for password, good in [("right", False), ("newer", True)]:
            device = mosquitto("pub", running, "-t", "t", "-m", "x", "-u", "press", "-P", password, version=version)
            assert (done(device)[0] == 0) is good


RULES = (
    AclRule(allow=("publish",), topics=("site/%user/+", "local/%device"), group="line"),
    AclRule(allow=("subscribe",), topics=("site/#",), user="h*"),
)


def test_what_no_rule_allows_is_denied_and_version_5_is_told(tmp_path: Path) -> None:
    with serving(settings=with_users(tmp_path, acl=RULES)) as running:
        sent = [publish("site/press/a", b"1", pid=1, said=b""), publish("site/other/a", b"2", pid=2, said=b"")]
        sent += [publish("local/d", b"3", pid=3, said=b""), publish("local/e", b"4", said=b"")]
        press = raw(running, login("press", "right", version=5), *sent, subscribe("site/press/a", pid=9, said=b""))
        wait_until(lambda: running.server.entrance.counts.denied_subscriptions == 1)
        press.sendall(b"\xe0\x00")
        said = read_until_closed(press)
        assert b"\x40\x02\0\x01\x40\x03\0\x02\x87\x40\x02\0\x03" in said
        assert said.endswith(b"\x90\x04\0\x09\0\x87")
        assert running.inbox.payloads == [b"1"]
        assert running.server.entrance.counts.denied_publishes == 2


def test_version_311_is_closed_instead_of_lied_to(tmp_path: Path) -> None:
    with serving(settings=with_users(tmp_path, acl=RULES)) as running:
        press = raw(running, login("press", "right"), publish("site/press/a", b"1", pid=1), subscribe("#"))
        press.sendall(publish("other", b"0") + publish("other", b"2", pid=2) + publish("site/press/a", b"3", pid=3))
        assert read_until_closed(press) == b"\x20\x02\0\0\x40\x02\0\x01\x90\x03\0\x01\x80"
        assert running.inbox.payloads == [b"1"]


@pytest.mark.parametrize("version", [4, 5])
def test_a_will_to_a_forbidden_topic_is_no_way_in(tmp_path: Path, version: int) -> None:
    with serving(settings=with_users(tmp_path, acl=RULES)) as running:
        refused = read_until_closed(raw(running, login("press", "right", version=version, will="site/hmi/a")))
        assert refused[:4] == (b"\x20\x03\0\x87" if version == 5 else b"\x20\x02\0\x05")
        raw(running, login("press", "right", version=version, will="site/press/a")).close()
        wait_until(lambda: running.inbox.payloads == [b"gone"])


def test_retained_messages_go_only_to_those_who_may_hear_them(tmp_path: Path) -> None:
    with serving(settings=with_users(tmp_path, acl=RULES)) as running:
        with raw(running, login("press", "right"), publish("site/press/a", b"kept", pid=1, retain=True)):
            wait_until(lambda: running.server.stats().retained == 1)
        hmi = raw(running, login("hmi", "view"), subscribe("site/+/a", 0))
        wait_until(lambda: running.server.stats().sent == 1)
        hmi.sendall(subscribe("#", 0) + subscribe("+/press/a", 0) + b"\xe0\x00")
        said = read_until_closed(hmi)
        assert said.count(b"kept") == 1
        assert said.count(b"\x90\x03\0\x01\x80") == 2


def test_a_guesser_waits_longer_and_longer_while_others_log_in_at_once(tmp_path: Path) -> None:
    rates = RateSettings(guess_delay=0.2, guess_delay_max=60.0)
    with serving(settings=with_users(tmp_path, rates=rates)) as running:
        healthy = raw(running, login("press", "right"), publish("t", b"x", pid=1))
        assert healthy.recv(8)[:4] == b"\x20\x02\0\0"
        answers = [read_until_closed(raw(running, login("press", f"guess-{i}"))) for i in range(40)]
        assert answers[:4] == [b"\x20\x02\0\x04"] * 4
        assert set(answers[4:]) <= {b"\x20\x02\0\x03", b"\x20\x02\0\x04"}
        counts = running.server.entrance.counts
        assert counts.failed_logins < 12
        assert counts.refused_guessing == 40 - counts.failed_logins
        healthy.sendall(publish("t", b"y", pid=2))
        wait_until(lambda: running.inbox.payloads == [b"x", b"y"])
        started = time.monotonic()
        assert read_until_closed(raw(running, login("press", "right"))) == b"\x20\x02\0\x03"
        assert time.monotonic() - started < 1
        healthy.close()
