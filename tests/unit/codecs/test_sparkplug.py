"""Sparkplug B sessions: births, aliases, data, deaths."""

from typing import Any

import pytest

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.reject import RejectReason
from holdfast.model.quality import Quality, Reason, quality_of, reason_of
from holdfast.model.series import Catalogue, Kind

NOW_MS = 1_795_187_068_000
INT8, INT16, INT32, INT64, UINT8, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, DATASET, BYTES = (
    1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16, 17
)  # fmt: skip


def payload(*metrics: dict[str, Any], at: int = NOW_MS) -> bytes:
    said = PAYLOAD(timestamp=at, seq=0)
    for facts in metrics:
        properties = facts.pop("properties", {})
        metric = said.metrics.add(**facts)
        for name, value in properties.items():
            metric.properties.keys.append(name)
            metric.properties.values.add(**{"string_value" if isinstance(value, str) else "int_value": value})
    return bytes(said.SerializeToString())


class Host:
    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.decoder = Decoder(load_profiles([BUILTIN / "sparkplug.yaml"]), self.catalogue, "gw")

    def hear(self, topic: str, said: bytes) -> Decoded:
        return self.decoder.decode([Run(f"spBv1.0/{topic}", [said], NOW_MS * 1_000_000)])

    def values(self, topic: str, said: bytes) -> dict[str, float]:
        decoded = self.hear(topic, said)
        assert decoded.rejected == []
        names = [self.catalogue[int(s)] for s in decoded.batch.series]
        return {f"{n.device}/{n.metric}": float(v) for n, v in zip(names, decoded.batch.value, strict=True)}

    def reason(self, topic: str, said: bytes) -> RejectReason:
        (refusal,) = self.hear(topic, said).rejected
        return refusal.reason


BIRTH = (
    {"name": "bdSeq", "datatype": INT64, "long_value": 0},
    {"name": "t", "alias": 1, "datatype": FLOAT, "float_value": 1},
)


def born() -> Host:
    host = Host()
    host.hear("g/NBIRTH/n", payload(*BIRTH))
    return host


def test_data_go_by_the_aliases_of_their_birth() -> None:
    host = born()
    assert host.values("g/NDATA/n", payload({"alias": 1, "float_value": 2.5})) == {"g:n/t": 2.5}
    assert host.values("g/NDATA/n", payload({"name": "t", "datatype": FLOAT, "float_value": 3.5})) == {"g:n/t": 3.5}
    assert host.reason("g/NDATA/n", payload({"alias": 2, "float_value": 2.5})) is RejectReason.NO_BIRTH
    assert (
        host.reason("g/NDATA/n", payload({"name": "u", "datatype": FLOAT, "float_value": 1})) is RejectReason.NO_BIRTH
    )


def test_data_without_a_birth_are_refused_and_so_they_are_after_a_death_or_a_restart() -> None:
    data = payload({"alias": 1, "float_value": 2.5})
    assert Host().reason("g/NDATA/n", data) is RejectReason.NO_BIRTH
    host = born()
    assert host.reason("g/DDATA/n/d", data) is RejectReason.NO_BIRTH
    host.hear("g/DBIRTH/n/d", payload(BIRTH[1]))
    assert host.values("g/DDATA/n/d", data) == {"g:n:d/t": 2.5}
    host.hear("g/NBIRTH/n", payload(*BIRTH))  # a new session of the node: its devices must be born again
    assert host.reason("g/DDATA/n/d", data) is RejectReason.NO_BIRTH
    assert host.hear("g/NDEATH/n", payload()).rejected == []
    assert host.reason("g/NDATA/n", data) is RejectReason.NO_BIRTH


@pytest.mark.parametrize(
    ("type_", "held", "raw", "value"),
    [
        (INT8, "int_value", 0xEC, -20),
        (INT8, "int_value", 0xFFFFFFEC, -20),
        (INT16, "int_value", 0x8000, -32768),
        (INT32, "int_value", 0xFFFFFFFF, -1),
        (INT64, "long_value", 2**64 - 7, -7),
        (UINT8, "int_value", 255, 255),
        (UINT32, "long_value", 2**32 - 1, 2**32 - 1),
        (UINT64, "long_value", 2**40, 2**40),
        (DOUBLE, "double_value", -0.5, -0.5),
        (BOOLEAN, "boolean_value", True, 1),
        (DATETIME, "long_value", NOW_MS, NOW_MS),
    ],
)
def test_every_datatype_is_read_as_the_specification_writes_it(type_: int, held: str, raw: Any, value: float) -> None:
    host = Host()
    assert host.values("g/NBIRTH/n", payload({"name": "m", "datatype": type_, held: raw})) == {"g:n/m": value}
    kind = host.catalogue[0].kind
    assert kind is {DOUBLE: Kind.FLOAT, BOOLEAN: Kind.BOOL}.get(type_, Kind.INT)


def test_null_quality_and_units_are_carried() -> None:
    host = Host()
    metrics = [
        {"name": "null", "datatype": FLOAT, "is_null": True},
        {"name": "bad", "datatype": FLOAT, "float_value": 1, "properties": {"Quality": 0, "engUnit": "°F"}},
        {"name": "stale", "datatype": FLOAT, "float_value": 1, "properties": {"Quality": 500}},
        {"name": "good", "datatype": DOUBLE, "double_value": 212, "properties": {"engUnit": "°F", "Quality": 192}},
        {"name": "nan", "datatype": FLOAT, "float_value": float("nan")},
    ]
    decoded = host.hear("g/NBIRTH/n", payload(*metrics))
    said = [(quality_of(int(q)), reason_of(int(q))) for q in decoded.batch.quality]
    assert said == [
        (Quality.BAD, Reason.NOT_A_NUMBER),
        (Quality.BAD, Reason.DEVICE_SAID_SO),
        (Quality.UNCERTAIN, Reason.DEVICE_SAID_SO),
        (Quality.GOOD, Reason.NONE),
        (Quality.BAD, Reason.NOT_A_NUMBER),
    ]
    assert host.catalogue[3].unit == "Cel"
    assert float(decoded.batch.value[3]) == pytest.approx(100)


def test_what_no_reading_can_hold_is_skipped_and_counted() -> None:
    decoded = Host().hear(
        "g/NBIRTH/n",
        payload(
            {"name": "d", "datatype": DATASET, "dataset_value": b"\x08\x01"},
            {"name": "b", "datatype": BYTES, "bytes_value": b"x"},
            {"name": "a", "datatype": 22, "bytes_value": b"x"},
            {"name": "t", "datatype": FLOAT, "float_value": 1},
        ),
    )
    assert (len(decoded.batch), dict(decoded.skipped)) == (1, {"dataset": 1, "bytes": 1, "array": 1})


def test_historical_metrics_are_never_too_old() -> None:
    host = born()
    decoded = host.hear(
        "g/NDATA/n", payload({"alias": 1, "float_value": 2, "timestamp": NOW_MS - 10**9, "is_historical": True})
    )
    assert decoded.batch.ts.tolist() == [(NOW_MS - 10**9) * 1_000_000]


def test_what_is_no_sparkplug_is_refused_and_commands_are_no_readings() -> None:
    host = born()
    assert host.hear("STATE/host", b"{}").rejected == []
    assert host.hear("g/NCMD/n", b"\xff").rejected == []
    for topic, said in (
        ("g/NBIRTH", payload(*BIRTH)),
        ("g/NBIRTH/n/d", payload(*BIRTH)),
        ("g/XDATA/n", payload(*BIRTH)),
        ("g/NBIRTH/n", payload({"alias": 1, "datatype": FLOAT, "float_value": 1})),
        ("g/NBIRTH/n", payload(*BIRTH, {"name": "u", "alias": 1, "datatype": FLOAT, "float_value": 1})),
        ("g/NDATA/n", payload({"alias": 1, "int_value": 1})),
        ("g/NDATA/n", payload({"alias": 1, "float_value": 1}, at=2**63)),
        ("g/NBIRTH/n", payload({"name": "u", "datatype": UINT8, "int_value": 256})),
    ):
        assert host.reason(topic, said) is RejectReason.WRONG_TYPE, topic
    assert host.reason("g/NDATA/n", b"\xff\xff") is RejectReason.MALFORMED
    assert host.reason("g/NDATA/n", PAYLOAD(uuid="SPBV1.0_COMPRESSED").SerializeToString()) is RejectReason.UNSUPPORTED
    assert host.values("g/NDATA/n", payload({"alias": 1, "float_value": 2.5})) == {
        "g:n/t": 2.5
    }  # its birth still holds
