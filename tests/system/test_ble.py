"""Advertisements from a recording that is still being written, in a node with a registry and bind keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.lines import Site
from tests.system.test_cli_core import holdfast
from tests.unit.adapters.ble.test_recordings import SNOOP
from tests.unit.codecs.test_bthome import KEY, MAC, SEALED
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]
PROFILES = "profiles: {sensors: {extends: bthome, bthome: {keys: bind.keys}}}"
SETTINGS = 'ble: {hall: {source: "file:capture", follow: true}}\ndevices: {accept: listed}\n'
RUUVI = "CB:B8:33:4C:88:4F"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    one = Site(tmp_path, SETTINGS, PROFILES, ", 'builtin:ruuvi'")
    (tmp_path / "bind.keys").write_text(f"{MAC} {KEY}\n")
    (tmp_path / "capture").write_bytes(SNOOP[:16])
    yield one
    one.kill()


def report_of(mac: str, service_data: bytes) -> bytes:
    """An LE Advertising Report of BTHome's service data, at -60 dBm."""
    data = bytes((len(service_data) + 3, 0x16, 0xD2, 0xFC)) + service_data
    said = b"\x02\x01\x00\x01" + bytes.fromhex(mac.replace(":", ""))[::-1] + bytes((len(data),)) + data + b"\xc4"
    return bytes((0x3E, len(said))) + said


def test_only_accepted_devices_are_stored_and_encrypted_ones_with_their_key(site: Site) -> None:
    site.start()
    holdfast("devices", "accept", site.settings, RUUVI)
    report = report_of(MAC, bytes.fromhex(SEALED))
    size = len(report).to_bytes(4, "big")
    with (site.folder / "capture").open("ab") as file:  # an encrypted advertisement, twice, and what BlueZ showed
        file.write(2 * (size * 2 + SNOOP[24:40] + report) + SNOOP[98:])
    wait_until(lambda: site.value(f"{RUUVI}/temperature") == 163.835)
    assert site.last(f"{RUUVI}/rssi")["value"] == -70
    assert not site.last(f"{MAC}/temperature")
    assert site.adapter("ble:hall")["detail"] == "2 advertisements, 1 repeats, 0 of other kinds"
    [device] = [one for one in site.get("/api/v1/devices")["devices"] if one["name"] == MAC]
    assert (device["status"], device["held"]) == ("new", 1)
    assert "1 message of the quarantine became 3 readings" in holdfast("devices", "accept", site.settings, MAC)
    wait_until(lambda: site.value(f"{MAC}/temperature") == 25.06)
    assert site.last(f"{MAC}/humidity")["unit"] == "%RH"
    site.stop()
