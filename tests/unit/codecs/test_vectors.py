"""Published vectors against every parser of outside bytes; skipped where ../shared/data isn't there."""

import json
import math
import zipfile
from typing import Any

import pytest
from tests.unit.codecs.golden import shared

from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.formats.jsons import decode_json
from holdfast.codecs.formats.packed import decode_cbor
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.refused import Refused
from holdfast.codecs.reject import RejectReason
from holdfast.model.series import Catalogue

DATA = shared()
pytestmark = pytest.mark.skipif(DATA is None, reason="the vectors aren't part of the repository")
REASONS = (RejectReason.MALFORMED, RejectReason.TOO_DEEP, RejectReason.NOT_A_NUMBER)
ILL_FORMED = "f818"
"""simple(24) in two bytes: an example of RFC 7049 that RFC 8949 §3.3 calls not well-formed."""
JSON_TOPICS = {
    "rooms": ("acme/a/telemetry", "senml/a"),
    "senml": ("senml/a",),
    "opcua": ("opc/a",),
    "zigbee2mqtt": ("zigbee2mqtt/a", "zigbee2mqtt/bridge/devices"),
    "azure-iot": ("devices/a/messages/events/",),
    "homie": ("homie/5/a/$description",),
}


def suite() -> list[Any]:
    if DATA is None:
        return []
    with zipfile.ZipFile(DATA / "vectors" / "json-test-suite.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        return [pytest.param(name.rsplit("/", 1)[-1], archive.read(name), id=name) for name in names]


def appendix() -> list[Any]:
    if DATA is None:
        return []
    vectors = json.loads((DATA / "vectors" / "cbor-appendix-a.json").read_text())["vectors"]
    return [pytest.param(vector, id=vector["hex"]) for vector in vectors if vector["hex"] != ILL_FORMED]


@pytest.mark.parametrize(("name", "payload"), suite())
def test_json_is_taken_or_refused_as_the_suite_says(name: str, payload: bytes) -> None:
    taken = True
    try:
        decode_json(payload)
    except Refused:
        taken = False
    if name.startswith("y_"):
        assert taken
    elif name.startswith("n_"):
        assert not taken


@pytest.mark.parametrize(("name", "payload"), suite())
def test_no_profile_makes_readings_of_what_is_no_json(name: str, payload: bytes) -> None:
    for preset, topics in JSON_TOPICS.items():
        decoder = Decoder(load_profiles([BUILTIN / f"{preset}.yaml"]), Catalogue(), "gw")
        for topic in topics:
            decoded = decoder.decode([Run(topic, [payload], 1_795_187_068_000_000_000)])
            if name.startswith("n_") and payload:  # an empty announcement takes a retained one back
                assert len(decoded.batch) == 0
                assert decoded.rejected[0].reason in REASONS


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, dict):
        return isinstance(ours, dict) and {str(k): v for k, v in ours.items()}.keys() == theirs.keys()
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(same(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, float) and not isinstance(ours, bool):
        return math.isclose(ours, theirs, rel_tol=1e-15)
    return bool(ours == theirs)


@pytest.mark.parametrize("vector", appendix())
def test_cbor_means_what_the_appendix_says(vector: dict[str, Any]) -> None:
    decoded = decode_cbor(bytes.fromhex(vector["hex"]))
    if "decoded" in vector:
        assert same(decoded, vector["decoded"])


@pytest.mark.parametrize("vector", appendix())
def test_cbor_that_is_cut_off_is_refused(vector: dict[str, Any]) -> None:
    whole = bytes.fromhex(vector["hex"])
    for end in range(len(whole)):
        with pytest.raises(Refused):
            decode_cbor(whole[:end])
    with pytest.raises(Refused):
        decode_cbor(whole + b"\0")


def test_a_simple_value_that_could_be_shorter_is_refused() -> None:
    with pytest.raises(Refused):
        decode_cbor(bytes.fromhex(ILL_FORMED))
