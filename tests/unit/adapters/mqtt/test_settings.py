from pathlib import Path

import pytest

import holdfast.adapters
from holdfast.adapters.host.settings import HostSettings
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.kernel.documents import SettingsInvalid, load, parse

ROOMS = Path(holdfast.adapters.__path__[0])


def test_the_samples_beside_the_code_are_good_settings() -> None:
    assert load(ROOMS / "mqtt" / "sample.yaml", MqttSettings).value == MqttSettings(users={"press": "change-me"})
    assert load(ROOMS / "host" / "sample.yaml", HostSettings).value == HostSettings()


@pytest.mark.parametrize("text", ["inflight: 0", "receive_maximum: 70000", "max_packet: big", "tls: true"])
def test_impossible_values_are_refused(text: str) -> None:
    with pytest.raises(SettingsInvalid):
        parse(text, MqttSettings, Path("node.yaml"))
