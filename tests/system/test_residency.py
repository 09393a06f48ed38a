"""Three processes, gateway (eu) -> region (eu) -> hub (us): what must stay, stays; the wire is searched for it."""

import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.ports import free_port
from tests.system.kill.listener import Listener
from tests.system.kill.site import Site, mutant

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.tokens import issue_token
from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.journal import FILE_NAME, load_catalogue
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.model.event import Event
from holdfast.model.lane import Lane

pytestmark = [pytest.mark.system, pytest.mark.slow]

DEVICE = Path(__file__).parent / "kill" / "device.py"
LINK = "linger: 5ms, min_rows: 1, backoff_min: 50ms, backoff_max: 200ms"
ENOUGH = 200
"""Messages of each kind."""
SECRETS = (b"badge-", b"camera-", b"trio-")
RULES = """
region: eu-1
rules: [alerts.yaml]
residency:
  - series: "camera-*/*"
    stay: site
  - series: "badge-*/*"
    stay: region
    leave:
      - pseudonym: device
      - {aggregate: mean, of: air.co2, step: 1s, grace: 1s, min_group: 5, as: floor-2/co2.mean}
  - series: "trio-*/*"
    stay: site
    leave:
      - {aggregate: mean, of: air.co2, step: 1s, grace: 1s, min_group: 5, as: floor-3/co2.mean}
"""
ALERTS = """
rules:
  stuffy:
    select: air.co2
    from: readings where device like 'badge-%'
    when: '"air.co2" > 1900'
    severity: critical
"""


@dataclass
class Residence(Site):
    """The tree, with a proxy before each parent that keeps what its child says."""

    ears: dict[str, Listener] = field(default_factory=dict)

    def prepare(self) -> None:
        create_authority(self.folder)
        (self.folder / "alerts.yaml").write_text(ALERTS)
        hub, region = self._parent("hub", self.hub), self._parent("region", free_port())
        children = "children: {tokens: {region: region-up.token}}\n"
        (self.folder / "hub.yaml").write_text(f"node: hub\ndata: hub\nregion: us-1\n{hub}{children}")
        up, children = self._child("region", "hub"), "children: {tokens: {gw: gw-up.token}}\n"
        (self.folder / "region.yaml").write_text(f"node: region\ndata: region\nregion: eu-1\n{region}{children}{up}")
        mqtt = f"mqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\nprofiles: ['builtin:rooms']\n"
        (self.folder / "gw.yaml").write_text(f"node: gw\ndata: gw\n{mqtt}{self._child('gw', 'region')}{RULES}")

    def _parent(self, name: str, port: int) -> str:
        issued = issue_certificate(self.folder, name, ["127.0.0.1"])
        self.ears[name] = Listener(issued.certificate, issued.key, self.folder / "ca.pem", port)
        tls = f"tls: {{certificate: {issued.certificate}, key: {issued.key}}}"
        return f"api: {{listen: '127.0.0.1:{port}', {tls}}}\n"

    def _child(self, name: str, parent: str) -> str:
        issue_token(self.folder / f"{name}-up.token")
        url = f"https://127.0.0.1:{self.ears[parent].port}"
        return f"parent: {{url: '{url}', ca: ca.pem, token_file: {name}-up.token, {LINK}}}\n"

    def stop(self) -> None:
        super().stop()
        for ear in self.ears.values():
            ear.close()

    def reader(self, name: str) -> JournalReader:
        return JournalReader(self.folder / name / FILE_NAME)

    def rows(self, name: str) -> Counter[tuple[str, str]]:
        """(lane, device) -> rows of air.co2."""
        reader, catalogue = self.reader(name), load_catalogue(self.folder / name / FILE_NAME)
        found: Counter[tuple[str, str]] = Counter()
        for lane in Lane:
            for group in reader.between(0, 2**62, lane):
                if group.kind is GroupKind.READINGS:
                    for number in decode_readings(group.blob).series.tolist():
                        series = catalogue[number]
                        if series.metric in ("air.co2", "co2.mean"):
                            found[lane.name.lower(), series.device] += 1
        reader.close()
        return found

    def events(self, name: str, lane: Lane) -> list[Event]:
        reader = self.reader(name)
        groups = [g for g in reader.between(0, 2**62, lane) if g.kind is GroupKind.EVENTS]
        reader.close()
        return [event for group in groups for event in decode_events(group.blob)]

    def audit(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "holdfast", "audit", "residency", str(self.folder / "gw.yaml")]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def unfinished(self) -> str:
        """What isn't where it belongs yet, or doesn't add up."""
        for name, may in (("gw", (*Lane,)), ("region", (Lane.CRITICAL, Lane.NORMAL, Lane.BULK))):
            reader = self.reader(name)
            ledger = balance(reader.accounts(CONSUMER, count=True), has_parent=True)
            reader.close()
            late = [one for one in ledger.lanes if one.pending and one.lane in may]
            if late or not ledger.balanced:
                return f"{name}: {late or ledger}"
        return ""


def play(site: Residence, seconds: float, *, kills: bool = True) -> dict[str, set[str]]:
    """Devices publish while nodes are killed; the messages each kind had acked, by record file."""
    kinds = {"badge": 6, "camera": 2, "trio": 3, "open": 2}
    records = {kind: site.folder / f"{kind}.txt" for kind in kinds}
    devices = [
        subprocess.Popen([sys.executable, str(DEVICE), str(site.mqtt), str(records[kind]), str(n), "60", "1", kind])
        for kind, n in kinds.items()
    ]
    try:
        until = time.monotonic() + seconds
        for name in ("gw", "region", "hub", "gw", "region") if kills else ():
            time.sleep(0.9)
            site.kill(name)
            site.start(name)
        time.sleep(max(0.0, until - time.monotonic()))
        enough, patience = dict.fromkeys(records, 0), time.monotonic() + 60
        while min(enough.values()) < ENOUGH and time.monotonic() < patience:  # a busy machine starts nodes slowly
            time.sleep(0.2)
            enough = {
                kind: len(path.read_text().splitlines()) if path.exists() else 0 for kind, path in records.items()
            }
        time.sleep(4.0)  # whole steps for the aggregates
        for device in devices:
            device.terminate()
        for device in devices:
            device.wait(20)
    finally:
        for device in devices:
            device.kill()
    return {kind: set(records[kind].read_text().splitlines()) for kind in kinds}


def settle(site: Residence) -> None:
    time.sleep(4.0)  # the last steps of the aggregates: 1 s each, and 1 s of grace
    deadline = time.monotonic() + 60
    while site.unfinished() and time.monotonic() < deadline:
        time.sleep(0.5)


@pytest.fixture
def site(tmp_path: Path) -> Residence:
    residence = Residence(tmp_path)
    residence.prepare()
    return residence


@pytest.mark.timeout(240)
def test_what_must_stay_is_nowhere_else_and_never_on_the_wire_whatever_is_killed(site: Residence) -> None:
    for name in ("hub", "region", "gw"):
        site.start(name)
    site.wait_up("gw")
    try:
        acked = play(site, 9.0)
        settle(site)
        audited = site.audit()
    finally:
        site.stop()
    assert site.unfinished() == ""
    at = {name: site.rows(name) for name in ("gw", "region", "hub")}
    assert min(map(len, acked.values())) >= ENOUGH
    sent = {kind: Counter(line.split()[0] for line in lines) for kind, lines in acked.items()}
    for name, n in sent["camera"].items():
        assert at["gw"]["site", name] == n > 0
    for name, n in sent["badge"].items():
        assert at["gw"]["region", name] == at["region"]["region", name] == n > 0
    for name, n in sent["open"].items():
        assert at["gw"]["bulk", name] == at["region"]["bulk", name] == at["hub"]["bulk", name] == n > 0
    assert {device for _, device in at["region"]} & set(sent["camera"]) == set()
    strangers = {device for _, device in at["hub"]} - set(sent["open"]) - {"floor-2"}
    assert all(device.startswith("p-") for device in strangers)
    pseudonymised = sorted(n for (_, device), n in at["hub"].items() if device.startswith("p-"))
    assert pseudonymised == sorted(sent["badge"].values())
    assert at["hub"]["normal", "floor-2"] >= 3
    assert not any(device == "floor-3" for node in at.values() for _, device in node)
    alerts = site.events("gw", Lane.REGION)
    assert alerts
    assert sorted(str(e.why["left_as"]) for e in alerts) == sorted(
        e.id for e in site.events("hub", Lane.CRITICAL) if e.rule == "stuffy"
    )
    hub, region = site.ears["hub"], site.ears["region"]
    assert len(hub.bodies()) > 20
    assert [(secret, hub.hits(secret)) for secret in SECRETS if hub.hits(secret)] == []
    assert (region.hits(b"camera-"), region.hits(b"trio-")) == (0, 0)
    assert region.hits(b"badge-") > 0  # the search finds what is there
    assert [secret for secret in SECRETS if secret in (site.folder / "hub" / FILE_NAME).read_bytes()] == []
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert " rows in the open lanes match a rule that keeps them." in audited.stdout


def run_faulty(folder: Path, file: str, old: str, new: str) -> Residence:
    site = Residence(folder, source=mutant(folder / "mutant", {file: [(old, new)]}))
    site.prepare()
    for name in ("hub", "region", "gw"):
        site.start(name)
    site.wait_up("gw")
    try:
        play(site, 3.0, kills=False)
        time.sleep(2.0)
    finally:
        site.stop()
    return site


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("uplink/naming.py", "if stay <= self.trust.most:", "if stay <= 9:"),
        ("node/residency.py", "journal.catalogue.rule_by(policy.stay)", "pass"),
    ],
    ids=["names are not withheld", "new series are not asked for"],
)
def test_the_search_finds_what_a_faulty_build_lets_out(tmp_path: Path, file: str, old: str, new: str) -> None:
    site = run_faulty(tmp_path, file, old, new)
    assert any(site.ears["hub"].hits(secret) for secret in SECRETS)


@pytest.mark.timeout(120)
def test_the_audit_names_rows_that_a_faulty_build_put_into_an_open_lane(tmp_path: Path) -> None:
    sorts = "stay = self.catalogue.stay_of[batch.series]"
    site = run_faulty(tmp_path, "residency/leaving.py", sorts, f"{sorts} * 0")
    found = site.audit()
    assert found.returncode == 1
    assert "gw/camera-00/air.co2" in found.stdout
    assert site.ears["hub"].hits(b"camera-") == 0  # the name is withheld all the same: a second lock
