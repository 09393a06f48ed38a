"""Devices through a real node: found, held, accepted, replaced, renamed, retired, gone silent; killed in between."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_cli_core import holdfast, told
from tests.system.test_gateway import Gateway

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

PROFILE = """profiles:
  press:
    topic: plant/{device}/up
    version: 1
    id: n
    fields:
      t: {metric: temperature, unit: Cel}
"""


class Plant(Gateway):
    def __init__(self, folder: Path, devices: str) -> None:
        super().__init__(folder, f"devices: {devices}\n")
        text = self.settings.read_text().replace("rules: ['builtin:rooms']\n", "")
        self.settings.write_text(text.replace("['builtin:rooms']", "[press.yaml]"))
        (folder / "press.yaml").write_text(PROFILE)

    def send(self, device: str, n: int) -> None:
        assert self.publish(f"plant/{device}/up", b'{"n":%d,"t":2%d.5}' % (n, n % 10)) == 0

    def device(self, name: str) -> Any:
        return self.get(f"/api/v1/devices/{name}")

    def values(self, device: str) -> list[float]:
        answer: Any = self.get(f"/api/v1/query?series={device}/temperature&from=-1h")
        return [v for series in answer["series"] for v in series["value"]]

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not true():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)


def plant(folder: Path, devices: str) -> Iterator[Plant]:
    one = Plant(folder, devices)
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


@pytest.fixture
def listed(tmp_path: Path) -> Iterator[Plant]:
    yield from plant(tmp_path, "{accept: listed, store_every: 200ms}")


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Plant]:
    yield from plant(tmp_path, "{store_every: 200ms, patience: 700ms, late_after: 2, silent_after: 3}")


def test_a_device_waits_in_quarantine_and_nothing_of_it_is_lost(listed: Plant) -> None:
    for n in range(1, 4):
        listed.send("press-1", n)
    listed.send("press-2", 1)
    assert listed.values("press-1") == []
    rows = told("devices", "list", listed.settings)
    assert [(row["name"], row["status"], row["held"]) for row in rows] == [("press-1", "new", 3), ("press-2", "new", 1)]
    said = holdfast("devices", "accept", listed.settings, "press-1")
    assert "3 messages of the quarantine became 3 readings" in said
    listed.send("press-1", 4)
    assert listed.values("press-1") == [21.5, 22.5, 23.5, 24.5]
    assert listed.values("press-2") == []
    listed.until(lambda: listed.device("press-1")["device"]["messages"] == 4)
    time.sleep(2.5)  # counts are stored at most a turn late
    listed.kill()
    listed.start()
    assert [(row["name"], row["status"]) for row in told("devices", "list", listed.settings)] == [
        ("press-1", "accepted"),
        ("press-2", "new"),
    ]
    listed.send("press-1", 5)
    holdfast("devices", "accept", listed.settings, "--all")
    assert listed.values("press-2") == [21.5]
    counts = listed.device("press-1")["device"]
    assert (counts["messages"], counts["readings"], counts["held"]) == (5, 5, 3)
    holdfast("ledger", listed.settings)  # exits 1 when it does not balance


def test_replace_rename_and_retire_over_a_kill(quick: Plant) -> None:
    quick.send("press-1", 1)
    holdfast("devices", "replace", quick.settings, "press-1", "--by", "spare-9")
    holdfast("devices", "group", quick.settings, "press-1", "--labels", "line-3", "--note", "new bearing")
    quick.kill()
    quick.start()
    quick.send("spare-9", 1)
    quick.send("press-1", 2)
    assert quick.values("press-1") == [21.5, 21.5]
    quick.until(lambda: quick.device("press-1")["device"]["readings"] == 2)
    found = quick.device("spare-9")["device"]
    assert (found["name"], found["hardware"], found["replaced"]) == ("press-1", "spare-9", ["press-1"])
    assert (found["labels"], found["note"]) == (["line-3"], "new bearing")
    holdfast("devices", "rename", quick.settings, "press-1", "north")
    quick.send("spare-9", 3)
    assert quick.values("north") == [23.5]
    assert quick.device("north")["series"] == ["gw/north/temperature", "gw/press-1/temperature"]
    holdfast("devices", "retire", quick.settings, "north")
    quick.send("spare-9", 4)
    assert "the device north is retired" in holdfast("quarantine", "list", quick.settings, "--reason", "retired")
    assert "press-1 was replaced by spare-9" in holdfast("quarantine", "list", quick.settings)
    assert quick.stop() == 0
    assert told("quarantine", "replay", quick.settings)["replayed"] == 0
    quick.start()
    assert quick.values("north") == [23.5]  # a stopped node's replay asks the registry, too
    assert "there is no device 'nobody'" in holdfast("devices", "retire", quick.settings, "nobody", code=2)
    assert "1 reading" in holdfast("devices", "accept", quick.settings, "north")
    assert quick.values("north") == [23.5, 24.5]


def test_a_silent_device_is_seen_and_its_gap_is_told_by_a_stopped_node_too(quick: Plant) -> None:
    for n in range(12):
        quick.send("press-1", n)
        time.sleep(0.5)
    quick.until(lambda: quick.device("press-1")["device"]["state"] == "silent")
    assert "silent" in holdfast("devices", "list", quick.settings, code=1)
    quick.send("press-1", 50)
    quick.until(lambda: quick.device("press-1")["device"]["state"] == "online")
    (gap,) = quick.device("press-1")["gaps"]
    assert gap["missing"] >= 1
    assert gap["down_s"] == 0
    assert "DevicesWentSilent" in quick.log()
    assert "DevicesReturned" in quick.log()
    assert quick.stop() == 0
    assert told("devices", "show", quick.settings, "press-1")["gaps"] == [gap]
    time.sleep(3)
    quick.start()
    quick.send("press-1", 51)
    quick.until(lambda: len(quick.device("press-1")["gaps"]) == 2)
    assert quick.device("press-1")["gaps"][0]["down_s"] > 2
