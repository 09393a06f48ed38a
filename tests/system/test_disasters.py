"""What docs/how-to/disasters.md says, done to real processes: images restored, a disk cloned, a hub from its backup."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.system.kill.accounting import wait_delivered
from tests.system.kill.site import Site, Verdict, judge

from holdfast.journal.blobs import decode_events
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Branch, GroupKind
from holdfast.model.lane import Lane

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

DEVICE = Path(__file__).parent / "kill" / "device.py"
CHECK_IN = "check_in: 1s, "


def device(port: int, record: Path, prefix: str = "kill") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(DEVICE), str(port), str(record), "6", "300", "1", prefix])


def await_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("nothing listens there")


def finish(process: subprocess.Popen[bytes]) -> None:
    """Let the device have everything acked, then end it."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def branches(site: Site) -> tuple[Branch, ...]:
    reader = JournalReader(site.folder / "hub" / FILE_NAME)
    try:
        return reader.branches("gw")
    finally:
        reader.close()


def told(site: Site) -> list[str]:
    """The kinds of the events in the hub's critical lane."""
    reader = JournalReader(site.folder / "hub" / FILE_NAME)
    groups = [g for g in reader.read(Lane.CRITICAL, 0, 10**6) if g.kind is GroupKind.EVENTS and not g.origin]
    reader.close()
    return [event.kind for group in groups for event in decode_events(group.blob)]


def assert_exact(site: Site, verdict: Verdict, *nodes: str) -> None:
    assert verdict.acked > 300
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, 0)
    for node in nodes:
        reader = JournalReader(site.folder / node / FILE_NAME)
        ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=node != "hub")
        reader.close()
        assert ledger.balanced, f"{node}: {ledger}"


def started(folder: Path, hub: str = "", parent: str = "") -> Site:
    site = Site(folder)
    site.prepare()
    with (folder / "hub.yaml").open("a") as out:
        out.write(hub)
    text = (folder / "gw.yaml").read_text()
    (folder / "gw.yaml").write_text(text.replace("linger: 5ms, ", f"linger: 5ms, {parent}"))
    site.bring_up(("hub", "gw"))
    return site


def test_a_gateway_set_back_to_an_old_image_goes_on_as_a_branch(tmp_path: Path) -> None:
    site = started(tmp_path)
    records = tmp_path / "before.txt", tmp_path / "after.txt"
    publishing = device(site.mqtt, records[0])
    try:
        time.sleep(2)
        site.kill("gw")
        shutil.copytree(tmp_path / "gw", tmp_path / "image")
        site.bring_up(["gw"])
        time.sleep(2)
        finish(publishing)  # a device that had to repeat itself to a gateway that has forgotten is heard twice
        wait_delivered(site)
        site.kill("gw")
        shutil.rmtree(tmp_path / "gw")
        shutil.copytree(tmp_path / "image", tmp_path / "gw")
        site.bring_up(["gw"])
        publishing = device(site.mqtt, records[1], "later")
        time.sleep(2)
        finish(publishing)
        wait_delivered(site)
    finally:
        publishing.kill()
        site.stop()
    for record in records:
        assert_exact(site, judge(site, record), "gw", "hub")
    assert [(b.number, b.parent, b.reason) for b in branches(site)] == [(0, -1, "first"), (1, 0, "restored")]
    assert told(site) == ["sync.branched"]


def test_a_cloned_disk_is_noticed_and_both_machines_rows_are_kept(tmp_path: Path) -> None:
    site = started(tmp_path)
    records = tmp_path / "one.txt", tmp_path / "two.txt"
    second = free_port()
    text = (tmp_path / "gw.yaml").read_text()
    (tmp_path / "gw2.yaml").write_text(text.replace("data: gw\n", "data: gw2\n").replace(str(site.mqtt), str(second)))
    publishing = [device(site.mqtt, records[0])]
    try:
        time.sleep(1.5)
        site.kill("gw")
        shutil.copytree(tmp_path / "gw", tmp_path / "gw2")
        site.bring_up(["gw"])
        site.start("gw2")
        await_port(second)
        publishing.append(device(second, records[1], "twin"))
        time.sleep(4)
        for one in publishing:
            finish(one)
        wait_delivered(site)
        deadline = time.monotonic() + 30
        while _pending(site, "gw2") and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        for one in publishing:
            one.kill()
        site.stop()
    for record in records:
        assert_exact(site, judge(site, record), "gw", "gw2", "hub")
    assert len(branches(site)) == 2
    assert "sync.branched" in told(site)


def test_a_hub_restored_from_its_backup_gets_what_it_lost_again(tmp_path: Path) -> None:
    site = started(tmp_path, "backup: {folder: copies, every: 1s, keep: 3}\n", CHECK_IN)
    record = tmp_path / "record.txt"
    publishing = device(site.mqtt, record)
    try:
        time.sleep(3)
        (tmp_path / "last-night.db").write_bytes(max((tmp_path / "copies").glob("hub-*.db")).read_bytes())
        time.sleep(2)
        finish(publishing)
        wait_delivered(site)
        rows = site.head("hub")
        site.kill("hub")
        shutil.rmtree(tmp_path / "hub")
        (tmp_path / "hub").mkdir()
        (tmp_path / "last-night.db").rename(tmp_path / "hub" / FILE_NAME)
        assert site.head("hub") < rows
        site.bring_up(["hub"])  # nobody publishes any more: the quiet gateway asks, and finds out
        deadline = time.monotonic() + 60
        while site.head("hub") < rows and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        publishing.kill()
        site.stop()
    assert_exact(site, judge(site, record), "gw", "hub")
    assert "UplinkRewound" in (tmp_path / "gw.log").read_text()


def _pending(site: Site, node: str) -> int:
    reader = JournalReader(site.folder / node / FILE_NAME)
    try:
        return sum(reader.heads()[lane] - reader.cursor(CONSUMER, lane) for lane in Lane)
    finally:
        reader.close()
