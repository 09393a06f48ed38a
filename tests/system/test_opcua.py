"""node-opcua's server and a real node: values with time and quality, failures of every kind, writes, security."""

import asyncio
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.ports import free_port
from tests.system.npm import NODE
from tests.system.opcua_peer import QUICK, SPACE, Server, Site, node, peers, server_yaml
from tests.system.test_cli_core import holdfast, told

from holdfast.adapters.opcua.addresses import parse
from holdfast.adapters.opcua.certificates import Pair, endpoints, make_keys
from holdfast.adapters.opcua.link import Link, node_id
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.kernel.clock import SystemClock
from holdfast.sim.ends.opcua import OpcuaEnd, OpcuaEndSettings
from holdfast.sim.ends.port import SOUND, DevicePlan, Faults, PointPlan

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
NODES = ", ".join(
    (
        node("force", unit="kN"),
        node("flag", type="bool"),
        node("int64", type="int"),
        node("uint32", type="int"),
        node("text", type="text"),
        node("label", type="text"),
        node("when", type="text"),
        node("mode", type="text"),
        node("array", array=3),
        node("nothing"),
        node("setpoint", unit="kN", min=0, max=50_000, writable=True),
        node("locked", writable=True),
    )
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return peers(tmp_path_factory.mktemp("peers") / "opcua")


@pytest.fixture
def server(packages: Path) -> Iterator[Server]:
    one = Server(packages).start()
    yield one
    one.hold(on=False)
    one.kill()


def works(site: Site, name: str) -> bool:
    return bool(site.adapters()[f"opcua:{name}"]["state"] == "working")


def test_values_come_typed_with_the_servers_own_time_and_quality_and_a_write_is_read_back(
    tmp_path: Path, server: Server
) -> None:
    site = Site(tmp_path / "node", server_yaml("press", server.url, NODES))
    said = holdfast("adapters", "test", site.settings, code=1)
    assert "1 of 12 nodes can't be read: nothing: BadNodeIdUnknown" in said
    assert "holdfast opcua browse" in said
    site.start()
    try:
        site.within(lambda: bool(site.values("press/press.array.2")))
        found = {name: site.values(f"press/press.{name}")[-1] for name in ("flag", "int64", "uint32", "text", "label")}
        assert found == {
            "flag": True,
            "int64": 0x1FFFFFFFFFFFFF,
            "uint32": 4_000_000_000,
            "text": "grün",
            "label": "Presse",
        }
        assert site.values("press/press.when") == ["2026-01-02T03:04:05.678000Z"]
        assert site.values("press/press.mode") == ["Auto"]
        assert [site.values(f"press/press.array.{i}") for i in range(3)] == [[1.5], [2.5], [3.5]]
        at = (time.time_ns() // 10**9 - 60) * 1_000 + 123
        for status, value in (("Good", 2.0), ("UncertainSubNormal", 3.0), ("BadSensorFailure", 4.0), ("Good", 5.0)):
            server.set("force", value, status=status, at=at + int(value))
            time.sleep(0.2)  # longer than the server samples
        site.within(lambda: 5_000 in site.values("press/press.force"))
        rows = dict(
            zip(site.column("press/press.force", "ts"), site.column("press/press.force", "quality"), strict=True)
        )
        kinds = [rows[(at + i) * 10**6] for i in range(2, 6)]
        assert kinds[0] == kinds[3] == 0
        assert 0 < kinds[1] < kinds[2]  # uncertain, then bad
        (device,) = site.devices("opcua:press")
        assert "nothing: BadNodeIdUnknown" in device["error"]
        assert device["state"] == "working"
        for number, params, state, words in (
            ("w1", {"setpoint": 12_500}, "done", ""),
            ("w2", {"setpoint": 60_000}, "refused", "outside"),
            ("w3", {"locked": 4}, "refused", "NotWritable"),
            ("w4", {"force": 4}, "refused", "writable: true"),
        ):
            body = {"name": "write", "params": params, "id": number, "deadline": 20}
            assert site.client.post("/api/v1/devices/press/commands", json=body).status_code == 202
            row = f"/api/v1/devices/press/commands/{number}"
            site.within(lambda at=row: bool(site.client.get(at).json()["ended_ns"]))  # type: ignore[misc]
            answer = site.client.get(row).json()
            assert (answer["state"], words in answer["detail"]) == (state, True), answer
        server.do("read", name="setpoint")
        assert site.client.get("/api/v1/devices/press/commands/w1").json()["result"] == {"setpoint": 12_500}
        server.do("add", name="nothing")
        assert site.metric("holdfast_opcua_values_total") > 12
    finally:
        site.kill()


def test_a_server_that_is_killed_frozen_or_comes_back_with_other_namespaces_is_followed_again_and_others_go_on(
    tmp_path: Path, packages: Path, server: Server
) -> None:
    other = Server(packages).start()
    lines = server_yaml("press", server.url, node("double")) + server_yaml("calm", other.url, node("double"))
    site = Site(tmp_path / "node", lines)
    site.start()
    try:
        site.within(lambda: bool(site.values("press/press.double") and site.values("calm/press.double")))
        other.do("ramp", name="double", count=200, every=50, wait=False)
        server.hold(on=True)
        site.within(lambda: site.values("press/press.double")[-1] is None)  # a gap is said
        assert site.devices("opcua:press")[0]["state"] == "failing"
        assert "has said nothing" in site.adapters()["opcua:press"]["error"] or "didn't answer" in str(site.adapters())
        server.hold(on=False)
        site.within(lambda: site.values("press/press.double")[-1] == 12.75 and works(site, "press"))
        server.kill()
        site.within(lambda: site.values("press/press.double")[-1] is None)
        assert site.adapters()["opcua:press"]["hint"]
        server.start(shift=3)
        server.set("double", 99)
        site.within(lambda: site.values("press/press.double")[-1] == 99 and works(site, "press"))
        assert site.values("press/press.double").count(None) == 2  # each time once
        assert other.hear("ramped") == "double"
        site.within(lambda: 199 in site.values("calm/press.double"))
        calm = site.values("calm/press.double")
        assert calm.count(None) == 0
        told = [value for value in calm if value != 12.75]
        assert told == sorted(set(told))
        assert len(told) > 180  # a server that has to wait for the CPU samples less often
    finally:
        site.kill()
        other.kill()


class Cable:
    """A TCP connection between node and server that can be pulled out, or made silent."""

    def __init__(self, to: int) -> None:
        self.port, self._to, self._open = free_port(), to, list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.is_silent = False
        self.spoil: random.Random | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._open += [here, there]
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    def _carry(self, a: socket.socket, b: socket.socket) -> None:
        try:
            while data := a.recv(65_536):
                if not self.is_silent:
                    b.sendall(self._spoilt(data))
        except OSError:
            pass

    def _spoilt(self, data: bytes) -> bytes:
        if self.spoil is None or self.spoil.random() < 0.6:
            return data
        found = bytearray(data)
        for _ in range(self.spoil.randint(1, 4)):
            found[self.spoil.randrange(len(found))] = self.spoil.choice(
                (0, 0x7F, 0x80, 0xFF, self.spoil.randrange(256))
            )
        return bytes(found)

    def pull(self) -> None:
        sockets, self._open = self._open, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self._listener.close()
        self.pull()


def test_when_a_connection_is_lost_the_session_is_kept_and_nothing_that_changed_meanwhile_is_missed(
    tmp_path: Path, server: Server
) -> None:
    cable = Cable(server.port)
    more = QUICK.replace("sampling: 20ms", "sampling: 0ms, queue: 1000")  # every change is told
    site = Site(tmp_path / "node", server_yaml("press", f"opc.tcp://127.0.0.1:{cable.port}", node("double"), more))
    site.start()
    try:
        site.within(lambda: bool(site.values("press/press.double")))
        server.do("ramp", name="double", count=150, every=20, wait=False)
        for _ in range(3):
            time.sleep(0.7)
            cable.pull()
        cable.is_silent = True
        time.sleep(0.3)
        cable.is_silent = False
        server.hear("ramped")
        site.within(lambda: 149 in site.values("press/press.double"))
        found = [value for value in site.values("press/press.double") if value not in (12.75, None)]
        assert sorted(set(found)) == [float(i) for i in range(150)]
        assert site.metric("holdfast_opcua_gaps_total") == 0
    finally:
        site.kill()
        cable.close()


def test_what_a_server_has_is_browsed_and_the_map_that_is_written_reads_it(tmp_path: Path, server: Server) -> None:
    shown = holdfast("opcua", "browse", server.url, "--under", "nsu=urn:plant:press;s=Press1")
    assert "force  ns=2;s=Press1.force  Double kN" in shown
    assert "setpoint  ns=2;s=Press1.setpoint  Float  may be written" in shown
    devices = holdfast("opcua", "browse", server.url, "--yaml")
    assert "max: 500000.0" in devices
    indented = "".join(f"    {line}\n" for line in devices.splitlines())
    site = Site(tmp_path / "node", f"  hall:\n    url: {server.url}\n{indented}")
    assert "18 nodes read" in holdfast("adapters", "test", site.settings)
    site.client.close()


def test_security_works_and_what_is_wrong_with_it_is_said_before_the_node_runs(tmp_path: Path, packages: Path) -> None:
    server = Server(packages, secure=True, users={"gw": "right"}, pki=str(tmp_path / "pki"))
    server.start()
    mute = socket.create_server(("127.0.0.1", 0))
    silent = f"opc.tcp://127.0.0.1:{mute.getsockname()[1]}"
    try:
        holdfast("opcua", "keys", tmp_path / "keys", "--node", "gw")
        assert "is there already" in holdfast("opcua", "keys", tmp_path / "keys", "--node", "gw", code=2)
        said = holdfast("opcua", "trust", server.url, "--out", tmp_path / "server.der")
        assert "security: Basic256Sha256, mode: sign-and-encrypt" in said
        pair = f"certificate: {tmp_path}/keys/opcua.pem, key: {tmp_path}/keys/opcua.key"
        trusted = f"{pair}, server_certificate: {tmp_path}/server.der"
        login = "user: gw, password: right"
        ways = {
            "good": f"security: Basic256Sha256, {trusted}, {login}",
            "signed": f"security: Aes256Sha256RsaPss, mode: sign, {trusted}, {login}",
            "wrong": f"security: Basic256Sha256, {trusted}, user: gw, password: wrong",
            "nobody": f"security: Basic256Sha256, {trusted}",
            "unoffered": f"security: Aes128Sha256RsaOaep, {trusted}, {login}",
            "stranger": f"security: Basic256Sha256, {pair}, server_certificate: {tmp_path}/keys/opcua.pem, {login}",
        }
        lines = "".join(
            server_yaml(name, server.url, node("double"), f"timeout: 3s, {way}") for name, way in ways.items()
        )
        lines += server_yaml("silent", silent, node("double"), "timeout: 500ms")
        site = Site(tmp_path / "node", lines)
        site.client.close()
        found = {one["name"].removeprefix("opcua:"): one for one in told("adapters", "test", site.settings, code=1)}
        assert {name for name, one in found.items() if one["works"]} == {"good", "signed"}, found
        assert "user" in found["wrong"]["hint"], found["wrong"]
        for name in ("nobody", "unoffered", "stranger"):
            assert found[name]["hint"], found[name]
        assert found["silent"]["note"] == f"{silent} didn't answer within 0.5 s"
        assert "firewall" in found["silent"]["hint"]
    finally:
        mute.close()
        server.kill()


@pytest.mark.slow
def test_what_changes_faster_than_the_servers_queue_holds_is_counted_as_lost_and_spoilt_bytes_hurt_nobody_else(
    tmp_path: Path, server: Server
) -> None:
    cable = Cable(server.port)
    calm = node("double", queue=2)
    lines = server_yaml("calm", server.url, calm, QUICK.replace("20ms", "0ms").replace("50ms", "200ms"))
    lines += server_yaml("press", f"opc.tcp://127.0.0.1:{cable.port}", node("force"))
    site = Site(tmp_path / "node", lines)
    site.start()
    try:
        site.within(lambda: bool(site.values("press/press.force") and site.values("calm/press.double")))
        server.do("ramp", name="double", count=100, every=10, wait=False)
        server.hear("ramped")
        site.within(lambda: site.values("calm/press.double")[-1] == 99)
        assert site.metric("holdfast_opcua_queue_overflows_total") > 0
        assert site.devices("opcua:calm")[0]["skipped"] > 0
        cable.spoil = random.Random(7)
        for round_ in range(12):
            server.set("double", 1_000 + round_)
            server.set("force", round_)
            cable.pull()
            time.sleep(0.4)
        site.within(lambda: site.values("calm/press.double")[-1] == 1_011)
        assert None not in site.values("calm/press.double")
        assert site.process is not None
        assert psutil.Process(site.process.pid).memory_info().rss < 400 * 2**20
        cable.spoil = None
        cable.pull()
        server.set("force", 77)
        site.within(lambda: site.values("press/press.force")[-1] == 77)
    finally:
        site.kill()
        cable.close()


def test_node_opcua_as_a_client_reads_the_simulators_end_and_sees_its_faults_on_the_wire(packages: Path) -> None:
    asyncio.run(_watched(packages))


async def _watched(packages: Path) -> None:
    port = free_port()
    plans = {"press-1": DevicePlan(0, {"force": PointPlan("press.force", "N"), "mode": PointPlan("m", "", "text")})}
    end = OpcuaEnd("hall", OpcuaEndSettings(address=f"127.0.0.1:{port}"), plans)
    await end.start()
    words = "client.cjs", f"opc.tcp://127.0.0.1:{port}", "ns=2;s=press-1.force", "ns=2;s=press-1.mode"
    client = await asyncio.create_subprocess_exec(
        str(NODE), *words, cwd=packages, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )

    async def hear(wanted: Callable[[list[Any]], bool]) -> None:
        assert client.stdout is not None
        async with asyncio.timeout(20):
            while line := await client.stdout.readline():
                if b"values" in line and wanted(json.loads(line)["values"]):
                    return

    async def show(at: int, faults: Faults, **values: Any) -> None:
        await end.show("press-1", at, end.frames("press-1", at, values), faults)

    at = 1_767_323_045_678_000_000
    try:
        await show(at, SOUND, force=1.5, mode="grün")
        when = "2026-01-02T03:04:05.678Z"
        await hear(
            lambda found: (
                [(one["value"], one["status"], one["at"]) for one in found]
                == [(1.5, "Good", when), ("grün", "Good", when)]
            )
        )
        await show(at, Faults(dropout=False), force=2.5)
        await hear(lambda found: found[0]["value"] == 2.5 and found[1]["status"] == "BadNoData")
        await show(at, Faults(slow_s=0.2), force=3.5)
        await hear(lambda found: found[0]["value"] == 3.5)
    finally:
        client.kill()
        await client.communicate()
        await end.stop()


@pytest.mark.slow
def test_a_channels_keys_are_renewed_without_a_hitch(
    tmp_path: Path, packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.adapters.opcua.link._CHANNEL_MS", 4_000)
    server = Server(packages, secure=True, pki=str(tmp_path / "pki")).start()
    pair = make_keys(tmp_path, "gw", SystemClock())
    try:
        asyncio.run(_renewed(server.url, pair, tmp_path))
    finally:
        server.kill()


async def _renewed(url: str, pair: Pair, folder: Path) -> None:
    (folder / "server.der").write_bytes((await endpoints(url)).certificate)
    settings = OpcuaSettings(
        url=url,
        devices={},
        security="Basic256Sha256",
        certificate=str(pair.certificate),
        key=str(pair.key),
        server_certificate="server.der",
    )
    link = Link(settings, lambda name: folder / name, "gw")
    await link.open()
    renewing = asyncio.create_task(link.renew())
    tokens = set()
    for _ in range(90):
        tokens.add(link._client.uaclient.protocol._connection.security_token.TokenId)  # type: ignore[union-attr]
        (found,) = await link.read([node_id(parse(f"{SPACE}double").resolved(link.spaces))])  # type: ignore[arg-type]
        assert found.value == 12.75
        await asyncio.sleep(0.1)
    assert len(tokens) > 2
    renewing.cancel()
    await link.close(2)
