from pathlib import Path

import pytest

from holdfast.adapters.mqtt.checks import addresses, findings
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.kernel.documents import parse

GOOD = """
listen: ""
listeners:
  - {listen: "0.0.0.0:8883", tls: {certificate: gw.pem, key: gw.key, client_ca: ca.pem, identity: san}}
  - {listen: "[::1]:8084", websocket: true, origins: ["https://hmi.example.org"]}
users_file: users
acl:
  - {group: g, allow: [publish, subscribe], topics: ["site/%user/+", "#"]}
rates: {connects: 100, messages: 50, bytes: 1MB, guess_delay: 2s}
"""


def read(text: str) -> MqttSettings:
    return parse(text, MqttSettings, Path("node.yaml")).value


def test_good_settings_have_no_findings() -> None:
    settings = read(GOOD)
    assert list(findings(settings)) == []
    assert [str(address) for address in addresses(settings)] == ["0.0.0.0:8883", "[::1]:8084"]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('listen: ""', ("listen",)),
        ("listeners: [{listen: here}]", ("listeners", 0, "listen")),
        ('listeners: [{listen: "a:1", origins: ["https://x"]}]', ("listeners", 0, "origins")),
        ('listeners: [{listen: "a:1", websocket: true, origins: ["x"]}]', ("listeners", 0, "origins", 0)),
        ('acl: [{allow: [], topics: ["a"]}]', ("acl", 0)),
        ('acl: [{allow: [publish], topics: ["a/#/b"]}]', ("acl", 0, "topics", 0)),
        ('acl: [{allow: [publish], topics: ["$share/g/a"]}]', ("acl", 0, "topics", 0)),
        ('acl: [{allow: [publish], topics: ["a"], group: g}]', ("acl", 0, "group")),
    ],
)
def test_what_contradicts_itself_is_found_where_it_stands(text: str, where: tuple[str | int, ...]) -> None:
    assert [place for place, _ in findings(read(text))] == [where]
