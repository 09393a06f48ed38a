"""What node.yaml may say of serial lines and Bluetooth, and what is wrong with it."""

from pathlib import Path

import pytest
import yaml

from holdfast.adapters.ble.settings import BleSettings
from holdfast.adapters.serial.settings import SerialSettings
from holdfast.kernel.documents import SettingsInvalid
from holdfast.node.edge.kinds import KINDS
from holdfast.node.settings import read_plan

ADAPTERS = Path(__file__).parents[3] / "src" / "holdfast" / "adapters"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port: COM3", "a path such as /dev/serial/by-id/"),
        ("port: tcp://host", "tcp://HOST:PORT"),
        ("port: tcp://host:99999", "tcp://HOST:PORT"),
        ("{port: /dev/x, stop: 3}", "stop bits"),
        ("{port: /dev/x, framing: {}}", "one of `end`"),
        ("{port: /dev/x, framing: {end: a, length: 3}}", "one of `end`"),
        ("{port: /dev/x, framing: {end: a, gap: 50ms}}", "`end` needs none"),
        ("{port: /dev/x, framing: {gap: 0ms}}", "1ms to 60s"),
        ("{port: /dev/x, framing: {start: a, gap: 50ms}}", "goes with `end` or `length`"),
        ("{port: /dev/x, framing: {start: abc, length: 3}}", "more bytes than that"),
        ("{port: /dev/x, framing: {length: 3}, checksum: {rule: xor, place: behind_end}}", "needs an `end`"),
        ("{port: /dev/x, encoding: klingon}", "no encoding known here"),
        ("{port: /dev/x, encoding: base64}", "no encoding known here"),
        ("{port: /dev/x, max_frame: 1MB}", "1 to 256000 bytes"),
        ("{port: /dev/x, ask: A, every: 1s, timeout: 2s}", "no less than `timeout`"),
        ("{port: /dev/x, ask: A, every: 10s, offline_after: 5s}", "more than `every`"),
        ("{port: /dev/x, commands: {a b: {text: A}}}", "letters, digits"),
        ("{port: /dev/x, commands: {a: {text: A, expect: '('}}}", "no regular expression"),
        ("{port: /dev/x, baud: fast}", "baud"),
    ],
)
def test_a_line_that_contradicts_itself_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "node.yaml").write_text(
        f"node: gw\nprofiles: ['builtin:any']\nserial:\n  scale: {text if text[0] == '{' else '{' + text + '}'}\n"
    )
    with pytest.raises(SettingsInvalid) as invalid:
        read_plan(tmp_path / "node.yaml")
    assert said in str(invalid.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{source: bluetooth}", "a radio such as `hci0`"),
        ("{source: 'file:'}", "the recording's path"),
        ("{kinds: {}}", "nothing is listened for"),
        ("{kinds: {a: {}}}", "either `company` or `service`"),
        ("{kinds: {a: {company: 1, service: 2}}}", "either `company` or `service`"),
        ("{kinds: {a: {company: 1}, b: {company: 1}}}", "the same number"),
        ("{kinds: {a/b: {company: 1}}}", "first level of a topic"),
    ],
)
def test_a_listener_that_contradicts_itself_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "node.yaml").write_text(f"node: gw\nprofiles: ['builtin:any']\nble:\n  hall: {text}\n")
    with pytest.raises(SettingsInvalid) as invalid:
        read_plan(tmp_path / "node.yaml")
    assert said in str(invalid.value)


def test_without_profiles_nothing_would_be_understood(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("node: gw\nserial: {a: {port: /dev/x}, b: {port: /dev/x}}\nble: {hall: {}}\n")
    with pytest.raises(SettingsInvalid) as invalid:
        read_plan(tmp_path / "node.yaml")
    said = str(invalid.value)
    assert "one on `serial/{device}`" in said
    assert "`builtin:ruuvi` and `builtin:bthome`" in said
    assert said.count("two instruments have this port") == 2


@pytest.mark.parametrize(("kind", "type_"), [("serial", SerialSettings), ("ble", BleSettings)])
def test_the_samples_load(tmp_path: Path, kind: str, type_: type) -> None:
    sample = ADAPTERS / kind / "sample.yaml"
    shown = yaml.safe_load(sample.read_text())
    (tmp_path / "node.yaml").write_text(f"node: gw\nprofiles: ['builtin:any']\n{sample.read_text()}")
    found = getattr(read_plan(tmp_path / "node.yaml").settings, kind)
    assert found.keys() == shown[kind].keys()
    assert all(isinstance(one, type_) for one in found.values())


def test_the_kinds_are_in_the_table() -> None:
    assert {"serial", "ble"} <= {kind.key for kind in KINDS}
