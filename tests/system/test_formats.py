"""Devices of several families at a running node, with foreign MQTT clients; and after kill -9."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.test_gateway import Gateway
from tests.unit.codecs.golden import HERE, lines

from holdfast.codecs.formats.sparkplug_schema import PAYLOAD

pytestmark = pytest.mark.system
PROFILES = ["homie", "tasmota", "sparkplug", "senml", "shelly", "ruuvi"]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path)
    listed = json.dumps([f"builtin:{name}" for name in PROFILES])
    one.settings.write_text(one.settings.read_text().replace("['builtin:rooms']\nrules: ['builtin:rooms']", listed))
    one.start()
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def newest(gateway: Gateway) -> dict[str, tuple[object, object]]:
    """Value and unit of each series."""
    rows = gateway.get("/api/v1/series")["series"]
    assert isinstance(rows, list)
    return {row["name"].removeprefix("gw/"): (row["value"], row["unit"]) for row in rows}


def test_each_family_becomes_readings_at_a_node(gateway: Gateway) -> None:
    known = {case["id"]: case for case in lines(HERE / "presets.jsonl")}
    for name in ("tasmota-lwt", "shelly1-watt-minutes", "shelly2-em", "ruuvi-5-least", "senml-unknown-label"):
        case = known[name]
        assert gateway.publish(case["topic"], case["payload"].encode()) == 0
    found = newest(gateway)
    assert found["lamp/online"] == (True, "")
    assert found["shelly1pm-AABBCC/relay.0.energy"] == (pytest.approx(0.1), "kWh")
    assert found["shellypro3em-aabbcc/em:0.a.voltage"] == (236.1, "V")
    assert found["F4:1F:0C:28:CB:D6/temperature"] == (-163.835, "Cel")
    assert found["urn:dev:ow:1/t"] == (pytest.approx(-17.2222222), "Cel")
    assert gateway.publish("senml/a", b'[{"bn":"urn:dev:ow:1:","n":"t","v":1,"must_":1}]') == 0
    assert gateway.counters()["messages_rejected.unsupported"] == 1


def test_what_devices_announced_is_known_after_a_kill_and_births_are_not(gateway: Gateway) -> None:
    birth = PAYLOAD(timestamp=1_795_187_068_000, seq=0)
    birth.metrics.add(name="t", alias=1, datatype=9, float_value=1)
    raw = bytes(birth.SerializeToString())
    gateway.publish("homie/oven/core/heat/$datatype", b"float", "-r")
    gateway.publish("homie/oven/core/heat/$unit", "\u00b0F".encode(), "-r")
    gateway.publish("homie/oven/core/heat", b"212")
    assert newest(gateway)["oven/core.heat"] == (pytest.approx(100), "Cel")
    for kind in ("NBIRTH", "NDATA"):
        assert gateway.publish(f"spBv1.0/g/{kind}/n", raw) == 0
    assert newest(gateway)["g:n/t"] == (1.0, "")
    assert "messages_rejected.no_birth" not in gateway.counters()
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait(20)
    gateway.start()
    gateway.publish("homie/oven/core/heat", b"32")
    assert newest(gateway)["oven/core.heat"] == (pytest.approx(0), "Cel")
    assert gateway.publish("spBv1.0/g/NDATA/n", raw) == 0
    assert gateway.counters()["messages_rejected.no_birth"] == 1
