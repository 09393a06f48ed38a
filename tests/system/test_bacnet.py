"""BACnet devices that others wrote (npm: @bacnet-js/client) in front of a real gateway."""

import json
import queue
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.ports import free_port
from tests.system.npm import NODE, fetched
from tests.system.test_gateway import HOLDFAST, Gateway
from tests.waiting import wait_until

pytestmark = pytest.mark.system

HERE = Path(__file__).parent / "bacnetjs"
OBJECTS = """
          supply_temp: {object: "analog-input,1", metric: air.supply.temperature, unit: Cel}
          humidity: {object: "analog-input,2", metric: humidity, unit: "%RH"}
          setpoint: {object: "analog-value,1", metric: setpoint, unit: degF, to: Cel, writable: true}
          alarm: {object: "binary-input,1", metric: filter.alarm, type: bool, writable: true}
          fan: {object: "binary-output,1", metric: fan, type: bool, writable: true, priority: 8}
          mode: {object: "multi-state-value,1", metric: mode, type: text}
          message: {object: "characterstring-value,1", metric: message, type: text}
"""
FAST = "every: 500ms; timeout: 500ms; retry_max: 1s; failures: 2"
METRICS = ("air.supply.temperature", "humidity", "setpoint", "filter.alarm", "fan", "mode", "message")


class Device:
    """A foreign device: a process with a UDP port."""

    def __init__(self, folder: Path, instance: int, mood: str = "", port: int = 0) -> None:
        self.port, self.instance = port or free_port(), instance
        command = [str(NODE), str(folder / "device.mjs"), "127.0.0.1", str(self.port), str(instance), mood]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.heard: queue.Queue[dict[str, object]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        assert self.hears("ready")

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.heard.put(json.loads(line))

    def hears(self, key: str, value: object = None, seconds: float = 40.0) -> dict[str, object]:
        """The next it tells of this."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found = self.heard.get(timeout=0.2)
            except queue.Empty:
                continue
            assert "error" not in found or "unacknowledged" in found, found
            if key in found and value in (None, found[key]):
                return found
        raise AssertionError(f"it never told of {key} {value}")

    def tell(self, **what: object) -> None:
        self.say(what)

    def say(self, what: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._listener.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class House:
    """A gateway, and the devices of one link."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.devices, self.port = folder, list[Device](), free_port()
        self.gateway: Gateway | None = None

    def device(self, scripts: Path, instance: int, mood: str = "", port: int = 0) -> Device:
        self.devices.append(Device(scripts, instance, mood, port))
        return self.devices[-1]

    def begin(self, devices: str, link: str = FAST) -> None:
        keys = "".join(f"    {one}\n" for one in link.split("; "))
        more = (
            f"commands: {{local: true}}\nbacnet:\n  building:\n    address: 127.0.0.1:{self.port}\n{keys}"
            f"    devices:\n{devices}"
        )
        self.gateway = Gateway(self.folder, more)
        self.gateway.start()

    def get(self, path: str) -> dict[str, object]:
        assert self.gateway is not None
        return self.gateway.get(path)

    def last(self, device: str, metric: str) -> tuple[object, str, str] | None:
        """Value, unit and quality of the newest."""
        found = self.get(f"/api/v1/last?match={device}/{metric}")["series"]
        assert isinstance(found, list)
        if not found:
            return None
        one = found[0]
        return one["value"], one["unit"], str(one["quality"])

    def value(self, device: str, metric: str) -> object:
        found = self.last(device, metric)
        return None if found is None else found[0]

    def quality(self, device: str, metric: str) -> str | None:
        found = self.last(device, metric)
        return None if found is None else found[2]

    def state(self, device: str) -> dict[str, object]:
        found: object = self.get("/api/v1/adapters/bacnet:building/devices")
        assert isinstance(found, list)
        return next(one for one in found if one["device"] == device)

    def detail(self) -> str:
        found: object = self.get("/api/v1/adapters")
        assert isinstance(found, list)
        return str(next(one["detail"] for one in found if one["name"] == "bacnet:building"))

    def command(self, device: str, name: str, **params: object) -> dict[str, object]:
        """What became of it."""
        assert self.gateway is not None
        base = f"/api/v1/devices/{device}/commands"
        body = json.dumps({"name": name, "params": params, "deadline": 8.0}).encode()
        asked = urllib.request.Request(f"http://127.0.0.1:{self.gateway.api}{base}", body, method="POST")
        asked.add_header("content-type", "application/json")
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310  # our own node
            number = json.load(answer)["id"]
        found: dict[str, object] = {}

        def ended() -> bool:
            found.update(self.get(f"{base}/{number}"))
            return found["state"] not in ("waiting", "sent", "delivered", "accepted", "pending", "queued")

        wait_until(ended)
        return found

    def end(self) -> None:
        for one in self.devices:
            one.kill()
        if self.gateway is not None and self.gateway.process is not None and self.gateway.process.poll() is None:
            assert self.gateway.stop() == 0, self.gateway.log()


def device_yaml(name: str, device: Device, *, is_fixed: bool = True, more: str = "") -> str:
    where = f"        address: 127.0.0.1:{device.port}\n" if is_fixed else ""
    return f"      {name}:\n        device: {device.instance}\n{where}{more}        objects:{OBJECTS}"


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched(HERE, tmp_path_factory.mktemp("bacnetjs"))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    yield one
    one.end()


def test_values_of_a_foreign_device_are_canonical_and_its_changes_come_by_themselves(
    house: House, scripts: Path
) -> None:
    ahu = house.device(scripts, 1234)
    house.begin(device_yaml("ahu-1", ahu), "every: 4s; timeout: 2s; sweep: 4s")
    wait_until(lambda: house.value("ahu-1", "message") == "all is well")
    assert house.last("ahu-1", "air.supply.temperature") == (21.5, "Cel", "good")
    assert house.last("ahu-1", "humidity") == (40.25, "%RH", "good")
    assert house.last("ahu-1", "setpoint") == (pytest.approx(-6.6667, abs=1e-3), "Cel", "good")
    assert [house.value("ahu-1", metric) for metric in METRICS[3:]] == [False, True, "Heating", "all is well"]
    assert ahu.hears("acknowledged", "0,1")
    began = time.monotonic()
    ahu.say({"0,1": 23.75, "3,1": 1, "19,1": 3})
    wait_until(lambda: house.value("ahu-1", "mode") == "Cooling")
    assert house.value("ahu-1", "air.supply.temperature") == 23.75
    assert house.value("ahu-1", "filter.alarm") is True
    assert time.monotonic() - began < 5  # polls are 20 s apart
    assert ahu.hears("acknowledged", "19,1")
    for flags, said in (([0, 1, 0, 0], "uncertain"), ([0, 0, 0, 1], "bad"), ([1, 0, 0, 0], "good")):
        ahu.say({"flags 0,1": flags})
        wait_until(lambda said=said: house.quality("ahu-1", "air.supply.temperature") == said)  # type: ignore[misc]
    ahu.say({"fault 0,2": 4})  # an open loop: only told when it's read
    wait_until(lambda: house.quality("ahu-1", "humidity") == "bad")
    assert "7 subscriptions" in house.detail()


def test_a_device_that_is_killed_frozen_or_slow_comes_back_and_hurts_nobody(house: House, scripts: Path) -> None:
    one, two = house.device(scripts, 1), house.device(scripts, 2, "nocov")
    house.begin(device_yaml("one", one) + device_yaml("two", two))
    wait_until(lambda: house.value("one", "message") and house.value("two", "message"))
    polls = house.state("two")["polls"]
    assert isinstance(polls, int)
    began = time.monotonic()

    one.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: house.state("one")["state"] == "failing")
    wait_until(lambda: house.quality("one", "humidity") == "bad")
    one.process.send_signal(signal.SIGCONT)
    wait_until(lambda: house.last("one", "humidity") == (40.25, "%RH", "good"))

    one.kill()
    wait_until(lambda: house.state("one")["state"] == "failing")
    back = house.device(scripts, 1, port=one.port)
    assert back.hears("subscribed", "0,1")["confirmed"] is True
    wait_until(lambda: house.state("one")["state"] == "working")
    back.say({"0,1": 25.5})
    wait_until(lambda: house.value("one", "air.supply.temperature") == 25.5)

    back.tell(slow=300)
    time.sleep(1.5)
    back.say({"0,2": 55})
    wait_until(lambda: house.value("one", "humidity") == 55)

    after = house.state("two")
    expected = (time.monotonic() - began) / 0.5
    assert isinstance(after["polls"], int)
    assert after["polls"] - polls > 0.7 * expected
    assert (after["failures"], after["state"]) == (0, "working")


def test_writes_are_read_back_relinquished_and_refused_in_words(house: House, scripts: Path) -> None:
    ahu = house.device(scripts, 77)
    house.begin(device_yaml("ahu", ahu))
    wait_until(lambda: house.value("ahu", "message"))
    done = house.command("ahu", "write", setpoint=10.0, fan=False)
    assert done["state"] == "done", done
    assert ahu.hears("written", "4,1") == {"written": "4,1", "value": 0, "priority": 8}
    assert ahu.hears("written", "2,1") == {"written": "2,1", "value": 50, "priority": 16}
    wait_until(lambda: house.value("ahu", "fan") is False)
    assert house.command("ahu", "setpoint.relinquish", value=True)["state"] == "done"
    assert ahu.hears("written", "2,1")["value"] is None
    for params, state, said in (
        ({"alarm": True}, "refused", "write-access-denied"),
        ({"setpoint": 40.0}, "refused", "value-out-of-range"),
        ({"mode": "Off"}, "refused", "writable"),
        ({"nothing": 1}, "refused", "no point"),
    ):
        found = house.command("ahu", "write", **params)
        assert (found["state"], said in json.dumps(found)) == (state, True), found
    ahu.tell(hold="2,1")
    found = house.command("ahu", "write", setpoint=10.0)
    assert found["state"] == "failed", found
    assert "priority 8 holds 21" in json.dumps(found)


def test_devices_are_found_by_number_and_found_again_where_they_moved_and_doubles_are_said(
    house: House, scripts: Path
) -> None:
    old = house.device(scripts, 500, "plain")
    new_port, other_port = free_port(), free_port()
    asked = ", ".join(f"127.0.0.1:{port}" for port in (old.port, new_port, other_port))
    house.begin(device_yaml("wanderer", old, is_fixed=False), f"{FAST}; who_is: [{asked}]")
    wait_until(lambda: house.value("wanderer", "message") == "all is well")
    assert str(old.port) in str(house.state("wanderer")["where"])
    old.kill()
    moved = house.device(scripts, 500, "plain", new_port)
    moved.say({"0,1": 11.5})
    wait_until(lambda: house.value("wanderer", "air.supply.temperature") == 11.5)
    assert str(new_port) in str(house.state("wanderer")["where"])
    double = house.device(scripts, 500, "plain", other_port)
    double.say({"0,1": 99.5, "iam": f"127.0.0.1:{house.port}"})
    wait_until(lambda: "says to be device 500 too" in str(house.state("wanderer")["error"]))
    time.sleep(1)
    assert house.value("wanderer", "air.supply.temperature") == 11.5


def test_discover_lists_who_is_there_and_its_settings_run(house: House, scripts: Path) -> None:
    devices = [house.device(scripts, 41), house.device(scripts, 42, "plain")]
    words = ["--seconds", "1"]
    for one in devices:
        words += ["--who-is", f"127.0.0.1:{one.port}"]
    command = [*HOLDFAST, "bacnet", "discover", *words, "--address"]
    runs = [[*command, f"127.0.0.1:{free_port()}"], [*command, f"127.0.0.1:{house.port}", "--yaml"]]
    both = [subprocess.Popen(one, stdout=subprocess.PIPE, text=True) for one in runs]
    listed, found = (one.communicate(timeout=30)[0] for one in both)
    assert [one.returncode for one in both] == [0, 0]
    for one in devices:
        assert f"127.0.0.1:{one.port}  AHU 1  Foreign Controls  JS-1" in listed
    assert 'supply_air_temp: {object: "analog-input,1", metric: supply_air_temp, unit: "Cel"}' in found
    asked = "".join(f"'127.0.0.1:{one.port}', " for one in devices)
    more = found.replace("    devices:", f"    who_is: [{asked}]\n    every: 1s\n    devices:", 1)
    house.gateway = Gateway(house.folder, more)
    house.gateway.start()
    wait_until(lambda: house.value("ahu-1", "message") and house.value("ahu-1-2", "message"))
    assert house.last("ahu-1-2", "supply_air_temp") == (21.5, "Cel", "good")
    assert house.value("ahu-1", "mode") == "Heating"


def test_a_flood_of_garbage_costs_little_and_values_go_on(house: House, scripts: Path) -> None:
    ahu = house.device(scripts, 9)
    house.begin(device_yaml("ahu", ahu))
    wait_until(lambda: house.value("ahu", "message"))
    assert house.gateway is not None
    assert house.gateway.process is not None
    process = psutil.Process(house.gateway.process.pid)
    rng, sock = random.Random(9), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    iam = bytes.fromhex("810b001701") + bytes.fromhex("20ffff00ff1000c40200007b2205c4910322") + b"\x0f"
    rss, sent, until = process.memory_info().rss, 0, time.monotonic() + 1.5
    while time.monotonic() < until:
        data = rng.choice((rng.randbytes(rng.randrange(60)), bytes((0x81, 0x0A, 0, 30, 1, 4)) + rng.randbytes(24), iam))
        for _ in range(50):
            sock.sendto(data, ("127.0.0.1", house.port))
        sent += 50
        time.sleep(0.005)
    sock.close()
    ahu.say({"0,1": 17.25})
    wait_until(lambda: house.value("ahu", "air.supply.temperature") == 17.25)
    assert sent > 500
    assert "datagrams over the limit" in house.detail()
    assert process.memory_info().rss - rss < 40e6
    assert "Traceback" not in house.gateway.log()
