"""The disk is full, at several moments: acks stop or old bulk rows make room; nothing acked goes uncounted (G1, G4).

A real gateway on a tmpfs of its own, its hub away, under load from a device that keeps its own record. At the end the
hub comes, and rows stored there plus rows in gaps must be exactly the rows of all messages that were acked.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.kill.accounting import Account, account, shed, wait_delivered
from tests.system.kill.disk import Disk, small_disk
from tests.system.kill.site import METRICS, Site

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

DEVICE = Path(__file__).parent / "kill" / "device.py"
SIZE = 24 << 20
RATE = 1500
RESUMED_S = 20.0  # about one on a machine that does nothing else: what a test printed is the figure
PATIENCE_S = 90.0
HOT = (
    "rules: {hot: {select: max(air.temperature) as t, from: readings, when: t > 30, severity: critical, message: hot}}"
)
REFUSE = "bulk: {when_full: refuse}, normal: {when_full: refuse}"


class Scene:
    """A gateway under load on its small disk; its hub is away until `settle`."""

    def __init__(self, site: Site, disk: Disk) -> None:
        self.site, self.disk = site, disk
        self.record = site.folder / "record.txt"
        self.device = subprocess.Popen(
            [sys.executable, str(DEVICE), str(site.mqtt), str(self.record), "8", str(RATE), "1"]
        )
        self.alerts: list[subprocess.Popen[bytes]] = []

    @property
    def acked(self) -> int:
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def overheat(self) -> subprocess.Popen[bytes]:
        """A room gets hot, which is one alert; the process ends when the message is acked."""
        name = f"hot-{len(self.alerts)}"
        payload = f'{{"id":1,"ts":{time.time():.3f},"temp_c":35,"hum":40,"lux":100,"co2":500,"occ":false}}'
        command = ["mosquitto_pub", "-p", str(self.site.mqtt), "-q", "1", "-t", f"acme/{name}/telemetry", "-m", payload]
        self.alerts.append(subprocess.Popen(command))
        return self.alerts[-1]

    def wait_acked(self, more: int, seconds: float) -> float:
        """Wait for `more` acks from now; returns the seconds it took."""
        start, goal = time.monotonic(), self.acked + more
        while self.acked < goal:
            assert time.monotonic() - start < seconds, f"no acks:\n{self.site.log('gw')}"
            time.sleep(0.01)
        return time.monotonic() - start

    def wait_shed(self) -> None:
        """An alert at each round, until old rows had to go."""
        deadline = time.monotonic() + PATIENCE_S
        while not shed(self.site):
            assert time.monotonic() < deadline, f"nothing is shed:\n{self.site.log('gw')}"
            self.wait_acked(RATE, PATIENCE_S)
            self.overheat()

    def wait_stopped(self) -> None:
        """Let the foreign file grow until there has been no ack for a second, and the node says why."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self.disk.fill()
            before = self.acked
            time.sleep(1.0)
            if self.acked == before and "condition=full" in self.site.log("gw"):
                return
        raise AssertionError(f"acks went on:\n{self.site.log('gw')}")

    def settle(self) -> Account:
        """Let everything be acked, bring the hub, wait until it has all, stop, and look."""
        self.device.send_signal(signal.SIGTERM)
        assert self.device.wait(PATIENCE_S) == 0
        assert [alert.wait(PATIENCE_S) for alert in self.alerts] == [0] * len(self.alerts)
        self.site.start("hub")
        self.site.wait_up("hub")
        wait_delivered(self.site)
        self.site.stop()
        return account(self.site, self.record, len(self.alerts))


@contextmanager
def scene(folder: Path, journal: str) -> Iterator[Scene]:
    with small_disk(folder / "gw", SIZE) as disk:
        site = Site(folder, more=f"rules: [hot.yaml]\njournal: {{scrub: 0, {journal}}}\n")
        site.prepare()
        (folder / "hot.yaml").write_text(HOT)
        site.start("gw")
        site.wait_up("gw")
        one = Scene(site, disk)
        try:
            yield one
        finally:
            for process in (one.device, *one.alerts):
                process.kill()
                process.wait()
            site.stop()


def test_old_bulk_rows_make_room_on_a_full_disk_and_every_one_is_counted(tmp_path: Path) -> None:
    with scene(tmp_path, "ballast: 2MB") as one:
        one.wait_acked(500, PATIENCE_S)
        one.overheat()
        wait_for_ballast(one)
        one.disk.fill()
        one.wait_shed()
        for _ in range(2):
            one.wait_acked(3 * RATE, PATIENCE_S)
            one.overheat()
        assert one.disk.room < 2_000_000
        assert not (one.disk.folder / "ballast").exists()
        found = one.settle()
        print(found)
        assert found.acked == found.stored + found.gaps
        assert (found.gaps > 0, found.lost * len(METRICS) <= found.gaps, found.wrong) == (True, True, 0)
        assert found.alerts == {f"hot-{n}": 1 for n in range(len(one.alerts))}


def test_acks_stop_on_a_full_disk_where_nothing_may_go_and_resume_with_the_room(tmp_path: Path) -> None:
    with scene(tmp_path, f"ballast: 2MB, {REFUSE}") as one:
        wait_for_ballast(one)
        took = []
        for _ in range(3):  # the reserve is there for the first time only
            one.wait_acked(500, PATIENCE_S)
            one.overheat()
            one.wait_stopped()
            alert = one.overheat()
            time.sleep(0.5)
            assert alert.poll() is None, "a message was acked that has no room"
            one.disk.free()
            took.append(one.wait_acked(1, RESUMED_S))
            alert.wait(RESUMED_S)
        found = one.settle()
        print(f"{found}; resumed after {', '.join(f'{s:.2f}' for s in took)} s")
        assert (found.acked, found.gaps, found.lost, found.wrong) == (found.stored, 0, 0, 0)
        assert found.alerts == {f"hot-{n}": 1 for n in range(6)}


@pytest.mark.slow
def test_a_disk_that_fills_up_while_rows_are_shed_for_the_quota_loses_none_uncounted(tmp_path: Path) -> None:
    with scene(tmp_path, "ballast: 0, quota: 1MB") as one:
        one.wait_shed()
        for _ in range(3):
            one.wait_acked(2 * RATE, PATIENCE_S)
            one.overheat()
            one.disk.fill()
            time.sleep(3)
            one.disk.free()
            one.wait_acked(1, RESUMED_S)
        found = one.settle()
        print(found)
        assert found.acked == found.stored + found.gaps
        assert (found.gaps > 0, found.lost * len(METRICS) <= found.gaps, found.wrong) == (True, True, 0)
        assert found.alerts == {f"hot-{n}": 1 for n in range(len(one.alerts))}


@pytest.mark.parametrize("end", ["killed", pytest.param("stopped", marks=pytest.mark.slow)])
def test_a_node_that_starts_on_a_full_disk_serves_as_soon_as_there_is_room(tmp_path: Path, end: str) -> None:
    with scene(tmp_path, f"ballast: 2MB, {REFUSE}") as one:
        one.wait_acked(RATE, PATIENCE_S)
        one.overheat().wait(20)
        one.wait_stopped()
        if end == "killed":
            one.site.kill("gw")
        else:
            one.site.stop()
        one.disk.fill()
        supervised(one, 3)
        one.disk.free()
        start = time.monotonic()
        supervised(one, RESUMED_S)
        one.wait_acked(1, RESUMED_S)
        took = time.monotonic() - start
        found = one.settle()
        print(f"{end}: {found}; resumed after {took:.2f} s")
        assert "JournalRescued" not in one.site.log("gw"), "no room is no failed disk"
        assert took < RESUMED_S
        assert (found.acked, found.gaps, found.lost, found.wrong) == (found.stored, 0, 0, 0)
        assert found.alerts == {"hot-0": 1}


def supervised(one: Scene, seconds: float) -> None:
    """Start the gateway again whenever it has ended, as a service manager does, until it acks or the time is over."""
    deadline, before = time.monotonic() + seconds, one.acked
    while time.monotonic() < deadline and one.acked == before:
        if one.site.processes["gw"].poll() is not None:
            one.site.start("gw")
        time.sleep(0.2)


def wait_for_ballast(one: Scene) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not (one.disk.folder / "ballast").exists():
        assert time.monotonic() < deadline, "no reserve was made"
        time.sleep(0.05)
