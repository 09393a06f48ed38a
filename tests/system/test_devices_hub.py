"""Devices of a gateway as its hub shows them, with a region in between: found, accepted, renamed, silent; and kills."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.chain import Chain
from tests.system.test_cli_core import holdfast

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
DEVICES = "devices: {accept: listed, store_every: 200ms, patience: 700ms, late_after: 2, silent_after: 3}\n"


class House(Chain):
    """gw below region below hub."""

    def base(self, name: str) -> str:
        return f"http://127.0.0.1:{self.gateway_api}" if name == "gw" else f"https://127.0.0.1:{getattr(self, name)}"

    def send(self, device: str, number: int) -> None:
        text = f'{{"id":{number},"ts":{time.time():.3f},"temp_c":20,"hum":40,"lux":1,"co2":5,"occ":false}}'
        words = ["mosquitto_pub", "-p", str(self.mqtt), "-q", "1", "-t", f"acme/{device}/telemetry", "-m", text]
        subprocess.run(words, check=True, timeout=20)

    def at_hub(self) -> dict[str, dict[str, Any]]:
        answer = self.client.get(f"{self.base('hub')}/api/v1/devices")
        assert answer.status_code == 200, answer.text
        return {f"{one['node']}/{one['name']}": one for one in answer.json()["devices"]}

    def within(self, true: Callable[[], bool], seconds: float = 40) -> None:
        until = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < until, self.at_hub()
            time.sleep(0.2)

    def says(self, device: str, **facts: object) -> bool:
        found = self.at_hub().get(device, {})
        return bool(found) and {name: found[name] for name in facts} == facts


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.prepare()
    made.configure(more=DEVICES)
    yield made
    made.stop()


def test_the_hub_shows_each_device_with_its_site_as_the_gateway_sees_it(house: House) -> None:
    house.bring_up(["hub", "region", "gw"])
    house.send("room-1", 1)
    house.within(lambda: house.says("gw/room-1", status="new", held=1))
    holdfast("devices", "accept", house.folder / "gw.yaml", "room-1")
    holdfast("devices", "group", house.folder / "gw.yaml", "room-1", "--labels", "line-3")
    for number in range(2, 14):
        house.send("room-1", number)
        time.sleep(0.4)
    house.within(lambda: house.says("gw/room-1", status="accepted", labels=["line-3"], state="silent"))
    numbers = iter(range(20, 10_000))

    def is_back() -> bool:
        house.send("room-1", next(numbers))
        return house.says("gw/room-1", state="online") or house.says("gw/room-1", state="late")

    house.within(is_back)
    row = house.at_hub()["gw/room-1"]
    assert abs(row["last_ns"] / 1e9 - time.time()) < 60
    assert row["series"] == 5
    detail = house.client.get(f"{house.base('hub')}/api/v1/devices/room-1?node=gw").json()
    house.within(lambda: bool(gaps(house, "room-1")))
    assert gaps(house, "room-1")[0]["missing"] >= 1
    assert detail["device"]["hardware"] == "room-1"
    holdfast("devices", "rename", house.folder / "gw.yaml", "room-1", "north")
    house.within(lambda: set(house.at_hub()) == {"gw/north"})
    assert house.says("gw/north", former=["room-1"], hardware="room-1")

    for name in ("hub", "region", "gw"):
        house.kill(name)
    house.bring_up(["hub"])
    assert house.says("gw/north", status="accepted", state="unknown", labels=["line-3"])  # known, though nobody tells
    house.bring_up(["region", "gw"])
    house.within(lambda: house.at_hub()["gw/north"]["state"] not in ("unknown", ""), 60)
    house.cable.cut()
    holdfast("devices", "retire", house.folder / "gw.yaml", "north")
    house.cable.restore()
    house.within(lambda: house.says("gw/north", status="retired"), 60)
    said = holdfast("devices", "show", house.folder / "gw.yaml", "north")
    assert "was called     room-1" in said


def gaps(house: House, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.client.get(f"{house.base('hub')}/api/v1/devices/{name}?node=gw").json()["gaps"]
    return found
