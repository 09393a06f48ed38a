from pathlib import Path
from typing import Any

import msgspec
import pytest

import holdfast.adapters.coap
from holdfast.adapters.coap.settings import CoapLink, url_fault
from holdfast.kernel.documents import load

ROOM = Path(holdfast.adapters.coap.__file__).parent
POINTS = {"t": {"path": "t", "metric": "air.temperature"}}


def findings(**said: Any) -> dict[str, str]:
    link = msgspec.convert(said, CoapLink)
    return {".".join(where): text for where, text in link.findings()}


def test_the_sample_is_sound() -> None:
    link = load(ROOM / "sample.yaml", CoapLink).value
    assert list(link.findings()) == []
    assert (link.listen, list(link.devices)) == ("0.0.0.0:5683", ["tank-1", "meter-9"])


def test_a_listener_of_one_line_is_enough() -> None:
    assert findings(listen="127.0.0.1:0") == {}


@pytest.mark.parametrize(
    ("said", "where", "text"),
    [
        ({}, "", "`listen` or `devices` is missing"),
        ({"listen": "nowhere"}, "listen", "expected an address"),
        ({"listen": "127.0.0.1:0", "prefix": "/a"}, "prefix", "levels of a topic"),
        ({"listen": "127.0.0.1:0", "topics": ["a/#/b"]}, "topics", "only at the end"),
        ({"listen": "127.0.0.1:0", "peers": ["10.0.0.1/8"]}, "peers", "write a network"),
        ({"listen": "127.0.0.1:0", "half_sent": 1000}, "half_sent", "less than one body"),
        ({"listen": "127.0.0.1:0", "max_body": 10**9, "half_sent": 10**9}, "max_body", "64MiB"),
        ({"devices": {"d": {"url": "coap://h", "map": "m"}}}, "devices.d.map", "there is no map `m`"),
        ({"devices": {"d": {"url": "coap://h"}}}, "devices.d", "one of `map`"),
        ({"devices": {"d": {"url": "http://h", "topic": "a"}}}, "devices.d.url", "coap://host:port"),
        ({"devices": {"d": {"url": "coaps://h", "topic": "a"}}}, "devices.d.url", "DTLS isn't spoken"),
        ({"devices": {"d": {"url": "coap://h", "topic": "a/#"}}}, "devices.d.topic", "without wildcards"),
        ({"devices": {"d": {"url": "coap://h", "topic": "points/x"}}}, "devices.d.topic", "another topic"),
        ({"devices": {"d": {"url": "coap://h", "topic": "a", "every": 0}}}, "devices.d.every", "50ms"),
        ({"devices": {"d": {"url": "coap://h", "topic": "a", "timeout": 0}}}, "devices.d.timeout", "100ms"),
    ],
)
def test_what_contradicts_itself_is_said_where_it_stands(said: dict[str, Any], where: str, text: str) -> None:
    assert text in findings(**said)[where]


def test_urls() -> None:
    for fine in ("coap://10.0.0.1", "coap://[fd00::1]:5683/a/b", "coap://tank.local:1"):
        assert url_fault(fine) == ""
    for wrong in ("coap://", "coap://h:0", "coap://h:99999", "coap://u@h", "coap://h?q", "coap://h#f", "coap://[x"):
        assert url_fault(wrong), wrong
