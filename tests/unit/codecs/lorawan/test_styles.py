"""How real scripts are written, from several contracts and for several engines."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.codecs.lorawan.at_work import answers

from holdfast.codecs.lorawan.calls import Call, CallKind, Fault

UPLINK = {"fPort": 2, "bytes": [0x41, 0xA4, 1, 2]}
STYLES = json.loads(Path(__file__).with_name("styles.json").read_text(encoding="utf-8"))
"""By what is special about it: a script, and its data for `UPLINK`."""


def result(source: str, kind: CallKind, argument: Any) -> Any:
    (answer,) = answers(source, Call(kind, json.dumps(argument).encode()))
    assert answer.fault is None, answer.text
    return json.loads(answer.text)["result"]


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_a_script_works_however_it_is_written(style: dict[str, Any]) -> None:
    assert result(style["script"], "decodeUplink", UPLINK)["data"] == style["data"]


@pytest.mark.parametrize(
    "source",
    [
        "function encodeDownlink(i) { return { fPort: 3, bytes: [i.data.a, 3] }; }",
        "function encodeDownlink(i) { return { fPort: 3, bytes: Uint8Array.from([i.data.a, 3]) }; }",
        "function encodeDownlink(i) { return { fPort: 3, bytes: Buffer.from([i.data.a, 3]) }; }",
        "function Encoder(object, port) { return [object.a, port]; }",
        "function Encode(fPort, object) { return [object.a, fPort]; }",
    ],
)
def test_a_downlink_is_encoded_by_each_contract(source: str) -> None:
    assert result(source, "encodeDownlink", {"data": {"a": 5}, "fPort": 3}) == {"fPort": 3, "bytes": [5, 3]}


def test_a_script_that_needs_what_is_not_there_says_what() -> None:
    for source, said in (
        ("const x = require('util');", "require is not defined"),
        ("function decodePayload(bytes) { return {}; }", "no function decodeUplink"),
        ("export * from 'x';", "SyntaxError"),
    ):
        (answer,) = answers(source)
        assert answer.fault is Fault.SCRIPT
        assert said in answer.text
