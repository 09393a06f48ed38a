"""Brokers are tried before a node uses them, and shown like every other adapter. The broker is Debian's mosquitto."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port
from tests.system.foreign.site import Broker, NodeProcess, have_mosquitto
from tests.system.test_cli_core import holdfast, told
from tests.waiting import wait_until

from holdfast.identity.authority import create_authority, issue_certificate, issue_client_certificate
from holdfast.kernel.clock import NS_PER_S, ManualClock, SystemClock

DYNAMIC = Path("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so")
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not have_mosquitto(), reason="mosquitto isn't installed"),
]
SUBSCRIBE = 'subscribe: {"rooms/+": 1, "meters/#": 2}'


class Secured(Broker):
    """A mosquitto with passwords and an ACL, and listeners with good and bad certificates."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mosquitto", folder)
        self.tls, self.misnamed, self.over, self.mutual = (free_port() for _ in range(4))
        create_authority(folder)
        past = ManualClock(wall_ns=SystemClock().wall_ns() - 3_000 * 86_400 * NS_PER_S)
        good = issue_certificate(folder, "good", ["127.0.0.1"])
        misnamed = issue_certificate(folder, "misnamed", ["broker.plant.example"])
        over = issue_certificate(folder, "over", ["127.0.0.1"], clock=past)
        issue_client_certificate(folder, "gw")
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(folder / "passwords"), "gw", "right"], check=True)
        (folder / "acl").write_text("user gw\ntopic read rooms/#\n")
        users = f"allow_anonymous false\npassword_file {folder}/passwords\nacl_file {folder}/acl\n"
        text = f"per_listener_settings true\nuser root\nlistener {self.port} 127.0.0.1\n{users}"
        listeners = ((self.tls, good, ""), (self.misnamed, misnamed, ""), (self.over, over, ""))
        for port, pair, more in (
            *listeners,
            (self.mutual, good, f"require_certificate true\ncafile {folder}/ca.pem\n"),
        ):
            text += f"listener {port} 127.0.0.1\n{users}{more}certfile {pair.certificate}\nkeyfile {pair.key}\n"
        self.conf.write_text(text)


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    broker = Secured(tmp_path / "broker")
    broker.start()
    yield broker
    broker.kill()


def tried(folder: Path, brokers: dict[str, str]) -> dict[str, Any]:
    """Name to what `holdfast adapters test` says of it, with the node not running."""
    lines = "".join(f"  {name}: {{{text}, timeout: 3s, {SUBSCRIBE}}}\n" for name, text in brokers.items())
    NodeProcess(folder, f"brokers:\n{lines}")
    found = told("adapters", "test", folder / "node.yaml", code=1)
    return {one["name"].removeprefix("broker:"): one for one in found}


def test_each_thing_that_may_be_wrong_is_told_before_the_node_runs_with_what_to_do(
    tmp_path: Path, secured: Secured
) -> None:
    ca, login = f"ca: {secured.folder}/ca.pem", "username: gw, password: right"
    other = create_authority(tmp_path / "other")
    pair = f"certificate: {secured.folder}/gw.pem, key: {secured.folder}/gw.key"
    found = tried(
        tmp_path / "node",
        {
            "good": f"url: 'mqtt://127.0.0.1:{secured.port}', {login}",
            "old": f"url: 'mqtt://127.0.0.1:{secured.port}', version: v3.1.1, {login}",
            "tls": f"url: 'mqtts://127.0.0.1:{secured.tls}', {ca}, {login}",
            "mutual": f"url: 'mqtts://127.0.0.1:{secured.mutual}', {ca}, {pair}, {login}",
            "unnamed": f"url: 'mqtt://no-such-host.invalid', {login}",
            "closed": f"url: 'mqtt://127.0.0.1:{free_port()}', {login}",
            "wrong": f"url: 'mqtt://127.0.0.1:{secured.port}', username: gw, password: wrong",
            "plain": f"url: 'mqtts://127.0.0.1:{secured.port}', {ca}, {login}",
            "secret": f"url: 'mqtt://127.0.0.1:{secured.tls}', {login}",
            "stranger": f"url: 'mqtts://127.0.0.1:{secured.tls}', ca: {other.certificate}, {login}",
            "misnamed": f"url: 'mqtts://127.0.0.1:{secured.misnamed}', {ca}, {login}",
            "over": f"url: 'mqtts://127.0.0.1:{secured.over}', {ca}, {login}",
            "bare": f"url: 'mqtts://127.0.0.1:{secured.mutual}', {ca}, {login}",
            "absent": f"url: 'mqtts://127.0.0.1:{secured.tls}', ca: nowhere.pem, {login}",
        },
    )
    assert {name for name, one in found.items() if one["works"]} == {"good", "old", "tls", "mutual"}
    assert found["good"]["note"] == f"mqtt://127.0.0.1:{secured.port} took us in, 2 filters granted"
    assert "TLSv1.3, its certificate is good for" in found["tls"]["note"]
    for name, note, hint in [
        ("unnamed", "the name can't be resolved", "getent hosts"),
        ("closed", "nothing listens there", "is this its port"),
        ("wrong", "not authorised", "Allow this user"),
        ("plain", "closed the connection", "is TLS not spoken at this port"),
        ("secret", "closed the connection", "mqtts://"),
        ("stranger", "is not signed by the CA", "copy the other end's ca.pem"),
        ("misnamed", "is for another name", "the host in the URL"),
        ("over", "its certificate is over", "issue a new one there"),
        ("bare", "certificate required", "`certificate` and `key`"),
        ("absent", "nowhere.pem can't be read", "node.yaml"),
    ]:
        assert note in found[name]["note"], found[name]
        assert hint in found[name]["hint"], found[name]


@pytest.mark.skipif(not DYNAMIC.exists(), reason="mosquitto's dynamic security isn't installed")
def test_filters_that_the_broker_refuses_are_named(tmp_path: Path) -> None:
    rights = tmp_path / "rights.json"
    subprocess.run(["mosquitto_ctrl", "dynsec", "init", str(rights), "admin", "right"], check=True, capture_output=True)
    config = json.loads(rights.read_text())
    (admin,) = config["clients"]
    config["clients"].append(admin | {"username": "gw", "roles": [{"rolename": "rooms"}]})
    acl = {"acltype": "subscribePattern", "topic": "rooms/#", "allow": True}
    config["roles"].append({"rolename": "rooms", "acls": [acl]})
    rights.write_text(json.dumps(config))
    broker = Broker("mosquitto", tmp_path / "broker", f"plugin {DYNAMIC}\nplugin_opt_config_file {rights}\n")
    broker.conf.write_text(broker.conf.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    broker.start()
    try:
        login = f"url: 'mqtt://127.0.0.1:{broker.port}', username: gw, password: right"
        (one,) = tried(tmp_path / "node", {"plant": login}).values()
        assert one["note"] == "took us in, but refuses the filters meters/#"
        assert "Allow this user" in one["hint"]
    finally:
        broker.kill()


def test_a_try_disturbs_neither_the_nodes_session_nor_its_messages_and_the_node_shows_how_its_broker_is(
    tmp_path: Path, secured: Secured
) -> None:
    login = f"url: 'mqtt://127.0.0.1:{secured.port}', username: gw, password: right, backoff_max: 300ms"
    node = NodeProcess(
        tmp_path / "node",
        f"api: {{listen: '127.0.0.1:{free_port()}'}}\nmqtt: {{listen: '127.0.0.1:{free_port()}', anonymous: true}}\n"
        f"brokers:\n  plant: {{{login}, {SUBSCRIBE}}}\n",
    )
    settings = node.folder / "node.yaml"
    node.start()
    try:
        wait_until(lambda: node.says("BrokerConnected"))
        said = holdfast("adapters", "test", settings)
        assert "2 filters granted" in said
        rows = {one["name"]: one for one in told("adapters", "list", settings)}
        assert set(rows) == {"mqtt", "broker:plant"}
        plant = rows["broker:plant"]
        assert (plant["state"], plant["failures"], plant["kind"]) == ("working", 0, "broker")
        assert not node.says("AdapterFailed")  # the try didn't take its session over
        secured.kill()
        wait_until(lambda: node.says("AdapterFailed"))
        wait_until(lambda: "retry_in_s" in str(told("adapters", "list", settings, code=1)))
        plant = {one["name"]: one for one in told("adapters", "list", settings, code=1)}["broker:plant"]
        assert plant["state"] == "failing"
        assert "127.0.0.1" in plant["error"]
        assert plant["hint"]
        assert plant["failures"] >= 1
        secured.start()
        wait_until(lambda: node.says("AdapterRecovered"))
        assert [one["state"] for one in told("adapters", "list", settings)] == ["working", "working"]
        assert node.log.read_text().count("AdapterFailed") <= 2  # lost, then not to be reached: each said once
    finally:
        node.kill()
