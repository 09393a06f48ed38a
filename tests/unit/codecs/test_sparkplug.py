"""Sparkplug B sessions: births, aliases, data, deaths."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import pytest

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.formats.sparkplug_schema import PAYLOAD
from holdfast.codecs.formats.sparkplug_sessions import Birth, Sessions
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.reject import RejectReason
from holdfast.model.quality import Quality, Reason, quality_of, reason_of
from holdfast.model.series import Catalogue, Kind

NOW_MS = 1_795_187_068_000
INT8, INT16, INT32, INT64, UINT8, UINT32, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME, DATASET, BYTES = (
    1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16, 17
)  # fmt: skip


def payload(*metrics: dict[str, Any], at: int | None = NOW_MS, seq: int | None = 0) -> bytes:
    said = PAYLOAD(timestamp=at, seq=seq)
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

    def hear(self, topic: str, said: bytes, after_s: float = 0) -> Decoded:
        return self.decoder.decode([Run(f"spBv1.0/{topic}", [said], NOW_MS * 1_000_000 + round(after_s * 10**9))])

    def asked(self, topic: str, said: bytes, after_s: float = 0) -> list[str]:
        """The topics on which it asks for a rebirth."""
        return [reply.topic for reply in self.hear(topic, said, after_s).replies]

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
    assert host.values("g/NDATA/n", payload({"alias": 1, "float_value": 2.5})) == {
        "g:n/t": 2.5
    }  # its birth still holds


ASKED = ["spBv1.0/g/NCMD/n"]
DATA = {"alias": 1, "float_value": 2.5}


def test_a_birth_that_is_missed_is_asked_for_with_the_command_of_the_specification() -> None:
    host = Host()
    decoded = host.hear("g/NDATA/n", payload(DATA, seq=7))
    (reply,) = decoded.replies
    assert (reply.message, reply.topic) == (0, "spBv1.0/g/NCMD/n")
    said = PAYLOAD.FromString(reply.payload)
    assert said.timestamp == NOW_MS
    (metric,) = said.metrics
    assert (metric.name, metric.datatype, metric.boolean_value) == ("Node Control/Rebirth", BOOLEAN, True)
    assert [r.reason for r in decoded.rejected] == [RejectReason.NO_BIRTH]


def test_a_node_is_asked_once_in_half_a_minute_however_many_of_its_messages_call_for_it() -> None:
    host = Host()
    runs = [
        Run("spBv1.0/g/NDATA/n", [payload(DATA)] * 3, NOW_MS * 1_000_000),
        Run("spBv1.0/g/DDATA/n/d", [payload(DATA)], NOW_MS * 1_000_000),
        Run("spBv1.0/g/DBIRTH/n/d", [payload(BIRTH[1])], NOW_MS * 1_000_000),
        Run("spBv1.0/g/NDATA/m", [payload(DATA)], NOW_MS * 1_000_000),
    ]
    assert [(r.message, r.topic) for r in host.decoder.decode(runs).replies] == [
        (0, "spBv1.0/g/NCMD/n"),
        (5, "spBv1.0/g/NCMD/m"),
    ]
    assert host.asked("g/NDATA/n", payload(DATA), 29.9) == []
    assert host.asked("g/NDATA/n", payload(DATA), 30) == ASKED
    assert host.asked("g/NDATA/n", payload(DATA), 31) == []


def test_how_often_a_node_is_asked_is_the_profiles_and_it_may_be_never(tmp_path: Path) -> None:
    for every, wanted in (("1h", ASKED), ("0s", [])):
        file = tmp_path / f"{every}.yaml"
        file.write_text(f"profiles: {{s: {{topic: 'spBv1.0/#', format: sparkplug, rebirth_every: {every}}}}}")
        host = Host()
        host.decoder = Decoder(load_profiles([file]), host.catalogue, "gw")
        assert host.asked("g/NDATA/n", payload(DATA)) == wanted
        assert host.asked("g/NDATA/n", payload(DATA), 3599) == []


def test_a_gap_in_a_nodes_numbers_asks_for_a_rebirth_and_its_data_are_taken_all_the_same() -> None:
    host = born()
    host.hear("g/DBIRTH/n/d", payload(BIRTH[1], seq=1))
    for seq, topic in ((2, "g/NDATA/n"), (3, "g/DDATA/n/d"), (4, "g/NDATA/n")):
        assert host.asked(topic, payload(DATA, seq=seq)) == []
    decoded = host.hear("g/DDATA/n/d", payload(DATA, seq=6))
    assert (len(decoded.batch), decoded.skipped["sequence_gap"]) == (1, 1)
    assert [r.topic for r in decoded.replies] == ASKED
    assert host.hear("g/NDATA/n", payload(DATA, seq=7), 60).skipped["sequence_gap"] == 0
    assert host.asked("g/DDEATH/n/d", payload(seq=9), 120) == ASKED


def test_numbers_go_from_255_to_0_and_begin_anew_with_a_birth() -> None:
    host = born()
    for seq in (*range(1, 256), 0, 1):
        assert host.asked("g/NDATA/n", payload(DATA, seq=seq)) == []
    assert host.asked("g/NBIRTH/n", payload(*BIRTH, seq=0)) == []
    assert host.asked("g/NDATA/n", payload(DATA, seq=1)) == []
    assert host.asked("g/NDATA/n", payload(DATA, seq=None)) == []  # one that tells no number breaks nothing
    assert host.asked("g/NDATA/n", payload(DATA, seq=2)) == []


def test_a_nodes_death_makes_all_that_it_and_its_devices_said_bad() -> None:
    host = born()
    label = {"name": "label", "datatype": STRING, "string_value": "a"}
    host.hear("g/DBIRTH/n/d", payload(BIRTH[1], label, {"name": "bytes", "datatype": BYTES, "bytes_value": b"x"}))
    decoded = host.hear("g/NDEATH/n", payload({"name": "bdSeq", "datatype": INT64, "long_value": 0}, at=1))
    names = [host.catalogue[int(s)] for s in decoded.batch.series]
    assert [f"{n.device}/{n.metric}" for n in names] == ["g:n/bdSeq", "g:n/t", "g:n:d/t", "g:n:d/label"]
    assert {(quality_of(int(q)), reason_of(int(q))) for q in decoded.batch.quality} == {(Quality.BAD, Reason.OFFLINE)}
    assert all(math.isnan(v) for v in decoded.batch.value)
    assert set(decoded.batch.ts.tolist()) == {NOW_MS * 1_000_000}  # a will is written when its session begins
    assert len(host.hear("g/NDEATH/n", payload(at=1)).batch) == 0


def test_a_devices_death_is_its_own_and_has_the_time_that_the_node_says() -> None:
    host = born()
    host.hear("g/DBIRTH/n/d", payload(BIRTH[1], seq=1))
    decoded = host.hear("g/DDEATH/n/d", payload(seq=2, at=NOW_MS - 1000))
    assert [host.catalogue[int(s)].device for s in decoded.batch.series] == ["g:n:d"]
    assert decoded.batch.ts.tolist() == [(NOW_MS - 1000) * 1_000_000]
    assert host.values("g/NDATA/n", payload(DATA, seq=3)) == {"g:n/t": 2.5}
    assert host.reason("g/DDATA/n/d", payload(DATA, seq=4)) is RejectReason.NO_BIRTH


def test_the_will_of_an_earlier_session_ends_no_later_one() -> None:
    host = Host()
    for number in (4, 5):
        host.hear("g/NBIRTH/n", payload({**BIRTH[0], "long_value": number}, dict(BIRTH[1])))
    late = payload({"name": "bdSeq", "datatype": INT64, "long_value": 4}, seq=None)
    assert len(host.hear("g/NDEATH/n", late).batch) == 0
    assert host.values("g/NDATA/n", payload(DATA, seq=1)) == {"g:n/t": 2.5}
    assert len(host.hear("g/NDEATH/n", payload({"name": "bdSeq", "datatype": UINT64, "long_value": 5})).batch) == 2
    assert host.reason("g/NDATA/n", payload(DATA, seq=2)) is RejectReason.NO_BIRTH


def test_a_death_of_more_metrics_than_a_message_may_hold_tells_how_many_it_left_out() -> None:
    host = born()
    many = [{"name": f"m{i}", "datatype": INT32, "int_value": 1} for i in range(6_000)]
    for device in ("a", "b"):
        host.hear(f"g/DBIRTH/n/{device}", payload(*[dict(m) for m in many]))
    decoded = host.hear("g/NDEATH/n", payload())
    assert decoded.rejected == []
    assert (len(decoded.batch), decoded.skipped["stale_metric"]) == (10_000, 2_002)


def test_who_was_born_longest_ago_is_forgotten_first() -> None:
    sessions = Sessions(0)
    for i in range(20_001):
        sessions.born(("g", str(i)), "", Birth(types={"t": FLOAT}))
    assert sessions.birth(("g", "0"), "") is None
    assert sessions.birth(("g", "20000"), "") is not None


def test_the_largest_uint64_is_kept_as_near_as_a_float_can_be() -> None:
    host = Host()
    metrics = [
        {"name": "u", "datatype": UINT64, "long_value": 2**64 - 1},
        {"name": "i", "datatype": INT64, "long_value": 2**63},
    ]
    decoded = host.hear("g/NBIRTH/n", payload(*metrics))
    assert decoded.batch.value.tolist() == [float(2**64), -float(2**63)]
    assert {reason_of(int(q)) for q in decoded.batch.quality} == {Reason.INEXACT}


def compressed(body: bytes) -> bytes:
    """As Cirrus Link's clients send it."""
    return bytes(PAYLOAD(uuid="SPBV1.0_COMPRESSED", body=body).SerializeToString())


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_a_compressed_payload_is_read_as_what_it_holds(compress: Any) -> None:
    host = born()
    assert host.values("g/NDATA/n", compressed(compress(payload(DATA, seq=1)))) == {"g:n/t": 2.5}


def test_a_compressed_payload_that_is_damaged_nested_or_a_bomb_is_refused() -> None:
    host = born()
    good = zlib.compress(payload(DATA, seq=1))
    for body, reason in (
        (b"", RejectReason.MALFORMED),
        (good[:-3], RejectReason.MALFORMED),
        (b"x" + good, RejectReason.MALFORMED),
        (zlib.compress(bytes(10**7)), RejectReason.TOO_LARGE),
        (zlib.compress(compressed(good)), RejectReason.UNSUPPORTED),
    ):
        assert host.reason("g/NDATA/n", compressed(body)) is reason
