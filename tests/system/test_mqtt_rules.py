"""Users and rules that change while devices are connected: who may stay isn't disturbed, who may not is gone."""

import signal
import socket
from pathlib import Path

import pytest
from tests.system.kill.site import Site
from tests.system.test_mqtt_clients import Running, raw, serving
from tests.unit.adapters.mqtt.doubles import connect, publish, subscribe, text
from tests.waiting import wait_until

from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.users import User, write_users
from holdfast.crypto.passwords import hashed

pytestmark = pytest.mark.system
CONNACK = b"\x20\x02\0\0"
RULES = """acl:
  - {user: press, allow: [publish, subscribe], topics: ["press/#", "shared/#"]}
  - {user: pump, allow: [publish], topics: ["pump/#"]}
"""
PASSWORDS = {"press": b"right", "pump": b"wet"}


def write_files(folder: Path, rules: str = RULES, **passwords: bytes) -> MqttSettings:
    users, acl = folder / "users", folder / "acl.yaml"
    write_users(users, [User(name, hashed(word)) for name, word in (passwords or PASSWORDS).items()])
    acl.write_text(rules)
    return MqttSettings(listen="127.0.0.1:0", users_file=str(users), acl_file=str(acl))


def logged_in(running: Running, user: str, client: str = "", more: bytes = b"", flags: int = 0xC2) -> socket.socket:
    login = text(user) + text(PASSWORDS[user].decode())
    sock = raw(running, connect(client or user, flags=flags, more=more + login))
    assert sock.recv(4) == CONNACK
    return sock


def reloaded(running: Running) -> str:
    """Look at the files now; what the server said about it."""
    before = len(running.log)
    running.call(running.server.reload)
    return "\n".join(running.log[before:])


def is_acknowledged(sock: socket.socket, topic: str, pid: int = 1) -> bool:
    sock.sendall(publish(topic, b"1", pid=pid))
    return sock.recv(4) == b"\x40\x02" + pid.to_bytes(2, "big")


def test_new_rules_are_in_force_at_once_and_nobody_who_may_stay_is_disturbed(tmp_path: Path) -> None:
    with serving(settings=write_files(tmp_path)) as running, logged_in(running, "press") as press:
        press.sendall(subscribe("shared/#"))
        assert press.recv(5) == b"\x90\x03\0\x01\x01"
        with logged_in(running, "pump") as pump:
            (tmp_path / "acl.yaml").write_text(RULES.replace(', "shared/#"', "").replace("pump/#", "shared/#"))
            said = reloaded(running)
            assert "MqttReloaded" in said
            assert "closed=0 unsubscribed=1" in said
            assert is_acknowledged(pump, "shared/x")
            assert is_acknowledged(press, "press/x")  # and nothing of shared/x came before it
            pump.sendall(publish("pump/x", b"1", pid=3))
            assert pump.recv(4) == b""  # 3.1.1 can't be told otherwise


def test_a_user_that_is_gone_or_has_a_new_password_is_closed_and_no_other(tmp_path: Path) -> None:
    with serving(settings=write_files(tmp_path)) as running, logged_in(running, "press") as press:
        again = {name: User(name, hashed(word)) for name, word in PASSWORDS.items()}
        write_users(tmp_path / "users", again)
        assert "closed=1" in reloaded(running)  # a new hash: whether the password is the same can't be told
        assert press.recv(4) == b""
        with logged_in(running, "press") as once_more, logged_in(running, "pump") as pump:
            write_users(tmp_path / "users", {"press": again["press"]})
            assert "closed=1 unsubscribed=0" in reloaded(running)
            assert pump.recv(4) == b""
            assert is_acknowledged(once_more, "press/x")


def test_rules_that_cannot_be_read_change_nothing_and_are_told_once_by_line(tmp_path: Path) -> None:
    with serving(settings=write_files(tmp_path)) as running, logged_in(running, "press") as press:
        (tmp_path / "acl.yaml").write_text(RULES + "  - {usr: x, allow: [publish], topics: ['#']}\n")
        said = reloaded(running)
        assert "MqttReloadFailed" in said
        assert "acl.yaml:4" in said
        assert "usr" in said
        assert reloaded(running) == ""
        assert is_acknowledged(press, "press/x")
        (tmp_path / "acl.yaml").unlink()
        assert "can't be read" in reloaded(running)
        assert is_acknowledged(press, "press/x", 2)
        (tmp_path / "acl.yaml").write_text(RULES)
        assert "closed=0 unsubscribed=0" in reloaded(running)


def test_a_will_that_may_no_longer_be_published_is_not(tmp_path: Path) -> None:
    with serving(settings=write_files(tmp_path)) as running, logged_in(running, "press", "listener") as listener:
        listener.sendall(subscribe("shared/#"))
        assert len(listener.recv(5)) == 5
        will = text("shared/gone") + text("bye")
        pumps = [logged_in(running, "press", f"p{i}", more=will, flags=0xC6) for i in range(2)]
        pumps[0].close()
        assert b"shared/gone" in listener.recv(100)
        (tmp_path / "acl.yaml").write_text(RULES.replace("[publish, subscribe]", "[subscribe]"))
        assert "MqttReloaded" in reloaded(running)
        pumps[1].close()
        wait_until(lambda: running.server.stats().connections == 1)
        listener.sendall(b"\xc0\x00")
        assert listener.recv(100) == b"\xd0\x00"


def test_a_node_reads_its_rules_again_at_sighup(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.prepare()
    write_files(tmp_path)
    settings = tmp_path / "gw.yaml"
    settings.write_text(
        f"node: gw\ndata: gw\nprofiles: [rooms.yaml]\njournal: {{ballast: 0MB}}\n"
        f"mqtt: {{listen: '127.0.0.1:{site.mqtt}', users_file: users, acl_file: acl.yaml}}\n"
    )
    site.bring_up(["gw"])
    try:
        with socket.create_connection(("127.0.0.1", site.mqtt), timeout=10) as press:
            press.sendall(connect("press", flags=0xC2, more=text("press") + text("right")))
            assert press.recv(4) == CONNACK
            (tmp_path / "acl.yaml").write_text(RULES.replace("press/#", "elsewhere/#"))
            site.processes["gw"].send_signal(signal.SIGHUP)
            wait_until(lambda: "MqttReloaded" in site.log("gw"))  # unhandled, the signal would end it
            assert is_acknowledged(press, "elsewhere/x")
            (tmp_path / "acl.yaml").write_text("acl: nonsense\n")
            site.processes["gw"].send_signal(signal.SIGHUP)
            wait_until(lambda: "MqttReloadFailed" in site.log("gw"))
            assert is_acknowledged(press, "elsewhere/x", 2)
    finally:
        site.stop()
