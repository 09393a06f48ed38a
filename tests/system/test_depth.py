"""Four levels by configuration alone: gateway, area, region, hub; those in the middle are child and parent at once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.system.kill.site import Site, judge

from holdfast.identity.authority import issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.model.lane import Lane

pytestmark = pytest.mark.system

DEVICE = Path(__file__).parent / "kill" / "device.py"
LINK = "linger: 5ms, min_rows: 1, backoff_min: 50ms, backoff_max: 200ms"


class Tower(Site):
    """The site with two regional nodes between its gateway and its hub."""

    def prepare(self) -> None:
        super().prepare()
        self.ports = {"hub": self.hub, "region": free_port(), "area": free_port()}
        hub = self.folder / "hub.yaml"
        hub.write_text(hub.read_text().split("children:")[0] + "children: true\n")
        above = {"region": "hub", "area": "region", "gw": "area"}
        for name, parent in above.items():
            issue_token(self.folder / f"{name}-up.token")
            self._children(parent, name)
            if name != "gw":
                self._regional(name, parent)
        text = (self.folder / "gw.yaml").read_text().split("parent:")[0]
        (self.folder / "gw.yaml").write_text(text + self._parent("gw", "area"))

    def _regional(self, name: str, parent: str) -> None:
        issued = issue_certificate(self.folder, name, ["127.0.0.1"])
        (self.folder / f"{name}.yaml").write_text(
            f"node: {name}\ndata: {name}\napi: {{listen: '127.0.0.1:{self.ports[name]}', "
            f"tls: {{certificate: {issued.certificate}, key: {issued.key}}}}}\n"
            f"children: true\n{self._parent(name, parent)}"
        )

    def _children(self, parent: str, child: str) -> None:
        """A parent finds its children's tokens in its data folder."""
        folder = self.folder / parent / "children"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{child}.token").write_bytes((self.folder / f"{child}-up.token.sha256").read_bytes())

    def _parent(self, name: str, parent: str) -> str:
        url = f"https://127.0.0.1:{self.ports[parent]}"
        return f"parent: {{url: '{url}', ca: ca.pem, token_file: {name}-up.token, {LINK}}}\n"

    def start_all(self) -> None:
        for name in ("hub", "region", "area", "gw"):
            self.start(name)
        self.wait_up("gw")

    def ledger(self, name: str) -> str:
        reader = JournalReader(self.folder / name / FILE_NAME)
        ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=name != "hub")
        pending = sum(reader.heads()[lane] - reader.cursor(CONSUMER, lane) for lane in Lane) if name != "hub" else 0
        reader.close()
        return "" if ledger.balanced and not pending else f"{name}: {ledger}"


@pytest.mark.timeout(180)
def test_rows_climb_four_levels_exactly_once_while_the_middle_is_killed(tmp_path: Path) -> None:
    tower = Tower(tmp_path)
    tower.prepare()
    record = tmp_path / "record.txt"
    tower.start_all()
    device = subprocess.Popen([sys.executable, str(DEVICE), str(tower.mqtt), str(record), "8", "400", "1"])
    try:
        for name in ("area", "region", "area", "gw", "region", "hub"):
            time.sleep(0.7)
            tower.kill(name)
            tower.start(name)
        time.sleep(1.0)
        device.terminate()
        device.wait(10)
        tower.wait_synced(90)
        deadline = time.monotonic() + 30
        while any(tower.ledger(name) for name in ("gw", "area", "region")) and time.monotonic() < deadline:
            time.sleep(0.5)  # cursors are remembered once a second
    finally:
        device.kill()
        tower.stop()
    verdict = judge(tower, record)
    assert verdict.acked > 500
    assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, 0)
    assert [fault for name in ("gw", "area", "region", "hub") if (fault := tower.ledger(name))] == []
