import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.loading import BUILTIN, load_profiles
from holdfast.codecs.reject import RejectReason
from holdfast.model.quality import Quality, Reason, quality_of, reason_of
from holdfast.model.series import Catalogue

NOW_MS = 1_795_187_068_123
NOW = NOW_MS * 1_000_000
ACME, BRAVO, SENML = "acme/room-1/telemetry", "site/bravo/room-2/up", "senml/room-3"


class Bench:
    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.decoder = Decoder(load_profiles([BUILTIN / "rooms.yaml", BUILTIN / "host.yaml"]), self.catalogue, "gw")

    def decode(self, *payloads: bytes, topic: str = ACME) -> Decoded:
        return self.decoder.decode([Run(topic, payloads, NOW)])

    def readings(self, decoded: Decoded) -> dict[str, float]:
        batch = decoded.batch
        names = [self.catalogue[int(s)] for s in batch.series]
        return {f"{n.device}/{n.metric}/{n.unit}": float(v) for n, v in zip(names, batch.value, strict=True)}


def acme(number: int = 1, temperature: str = "23.18", ts: str = "1795187068.123", occ: str = "true") -> bytes:
    return f'{{"id":{number},"ts":{ts},"temp_c":{temperature},"hum":27.27,"lux":426,"co2":721.25,"occ":{occ}}}'.encode()


def bravo(unit: str = "F", value: str = "73.72") -> bytes:
    return (
        f'{{"meta":{{"seq":1,"time":"2026-11-20T15:04:28.123Z"}},"air":{{"temperature":{{"value":{value},"unit":"{unit}"}},'
        '"humidity":{"value":27.27,"unit":"%"},"co2":{"value":721.25,"unit":"ppm"}},'
        '"light":{"value":426.0,"unit":"lx"},"presence":1}'
    ).encode()


def senml(records: str = '{"n":"temp","v":23.18,"u":"Cel"},{"n":"occ","vb":true}') -> bytes:
    return f'{{"bt":{NOW_MS},"e":[{records}]}}'.encode()


def test_each_vendor_says_the_same_in_its_own_way() -> None:
    bench = Bench()
    wanted = {
        "air.temperature/Cel": 23.18,
        "air.humidity/%RH": 27.27,
        "light.illuminance/lx": 426.0,
        "air.co2/ppm": 721.25,
        "room.occupied/": 1.0,
    }
    for topic, payload, device in ((ACME, acme(), "room-1"), (BRAVO, bravo(), "room-2")):
        decoded = bench.decode(payload, topic=topic)
        assert decoded.rejected == []
        assert bench.readings(decoded) == {f"{device}/{k}": v for k, v in wanted.items()}
        assert set(decoded.batch.ts) == {NOW}
        assert not decoded.batch.quality.any()


def test_a_unit_that_the_device_says_is_obeyed_or_refused() -> None:
    bench = Bench()
    for unit, value in (("F", "73.72"), ("°F", "73.72"), ("Cel", "23.18"), ("C", "23.18"), ("K", "296.33")):
        assert bench.readings(bench.decode(bravo(unit, value), topic=BRAVO))["room-2/air.temperature/Cel"] == 23.18
    (refusal,) = bench.decode(bravo("kPa"), topic=BRAVO).rejected
    assert refusal.reason is RejectReason.WRONG_TYPE
    assert "kPa" in refusal.detail
    mixed = bench.decode(bravo("F"), bravo("lx"), bravo("Cel", "20"), topic=BRAVO)
    assert [r.message for r in mixed.rejected] == [1]
    assert sorted(set(mixed.message)) == [0, 2]


def test_records_may_come_in_any_order_and_unknown_ones_are_ignored() -> None:
    bench = Bench()
    decoded = bench.decode(
        senml('{"n":"occ","vb":false},{"n":"new","v":1},{"n":"temp","v":73.72,"u":"degF"}'), topic=SENML
    )
    assert bench.readings(decoded) == {
        "room-3/room.occupied/": 0.0,
        "room-3/air.temperature/Cel": pytest.approx(23.177777),
    }


def test_a_record_without_its_value_refuses_the_message() -> None:
    (refusal,) = Bench().decode(senml('{"n":"temp","u":"Cel"}'), topic=SENML).rejected
    assert refusal.reason is RejectReason.MISSING_FIELD


def test_optional_fields_may_be_absent() -> None:
    bench = Bench()
    decoded = bench.decode(b'{"ts":1795187068.123,"cpu":12.5,"memory":40,"disk":60}', topic="host/host")
    assert len(decoded.batch) == 3
    assert len(bench.catalogue) == 3


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", RejectReason.MALFORMED),
        (b"hello", RejectReason.MALFORMED),
        (acme()[:-5], RejectReason.MALFORMED),
        (acme() + b"}", RejectReason.MALFORMED),
        (acme() + b"," + acme(2), RejectReason.MALFORMED),
        (b"\xff" + acme(), RejectReason.MALFORMED),
        (acme().replace(b"{", b'{"note":"\xff",', 1), RejectReason.MALFORMED),
        (b'{"temp_c":"x", garbage', RejectReason.MALFORMED),
        (b"[]", RejectReason.WRONG_TYPE),
        (acme(temperature='"23"'), RejectReason.WRONG_TYPE),
        (acme(temperature="true"), RejectReason.WRONG_TYPE),
        (acme(temperature="null"), RejectReason.WRONG_TYPE),
        (acme(occ="2"), RejectReason.WRONG_TYPE),
        (acme(ts="17951870681230"), RejectReason.WRONG_TYPE),
        (acme(temperature="NaN"), RejectReason.NOT_A_NUMBER),
        (acme(temperature="-Infinity"), RejectReason.NOT_A_NUMBER),
        (acme(temperature="1e999"), RejectReason.NOT_A_NUMBER),
        (b'{"id":1}', RejectReason.MISSING_FIELD),
        (b'{"pad":"' + b"x" * 256_000 + b'"}', RejectReason.TOO_LARGE),
        (b"[" * 33 + b"]" * 33, RejectReason.TOO_DEEP),
        (b"[" * 100_000, RejectReason.TOO_DEEP),
        (acme(ts="1795187000"), RejectReason.STALE),
    ],
)
def test_a_bad_message_is_refused_with_its_reason_and_its_neighbours_are_kept(
    payload: bytes, reason: RejectReason
) -> None:
    decoded = Bench().decode(acme(1), payload, acme(2))
    assert [(r.message, r.reason) for r in decoded.rejected] == [(1, reason)]
    assert decoded.rejected[0].detail
    assert decoded.message.tolist() == [0] * 5 + [2] * 5


def test_brackets_inside_strings_do_not_count_as_depth() -> None:
    decoded = Bench().decode(acme().replace(b"{", b'{"note":"' + b"[{" * 40 + b'",', 1))
    assert decoded.rejected == []


def test_topics_without_a_profile_and_devices_without_a_name_are_refused() -> None:
    bench = Bench()
    assert [r.reason for r in bench.decode(b"1", b"2", topic="nobody").rejected] == [RejectReason.NO_PROFILE] * 2
    assert bench.decode(acme(), topic="acme//telemetry").rejected[0].reason is RejectReason.UNKNOWN_DEVICE
    assert bench.decode(acme(), topic=f"acme/{'x' * 65}/telemetry").rejected[0].reason is RejectReason.UNKNOWN_DEVICE


def test_a_clock_ahead_is_clamped_and_marked() -> None:
    batch = Bench().decode(acme(ts="1795187168")).batch
    assert set(batch.ts) == {NOW}
    assert {(quality_of(int(q)), reason_of(int(q))) for q in batch.quality} == {(Quality.UNCERTAIN, Reason.CLOCK_AHEAD)}


def test_a_value_outside_its_limits_is_kept_as_bad() -> None:
    batch = Bench().decode(acme(temperature="120")).batch
    bad = [quality_of(int(q)) is Quality.BAD for q in batch.quality]
    assert bad == [v == 120 for v in batch.value]
    assert sum(bad) == 1


def test_messages_are_numbered_over_all_runs_whatever_their_profile() -> None:
    bench = Bench()
    runs = [
        Run(ACME, [acme(1), b"x"], NOW),
        Run(SENML, [senml()], NOW),
        Run("none", [b""], NOW),
        Run(BRAVO, [bravo()], NOW),
        Run(ACME, [acme(2)], NOW),
    ]
    decoded = bench.decoder.decode(runs)
    assert [r.message for r in decoded.rejected] == [1, 3]
    assert decoded.message.tolist() == [0] * 5 + [2] * 2 + [4] * 5 + [5] * 5
    assert decoded.payload_bytes == sum(len(p) for run in runs for p in run.payloads)
    assert bench.catalogue[int(decoded.batch.series[0])].device == "room-1"


def test_dedupe_keys_know_the_device_and_the_id_and_nothing_else() -> None:
    first, other = Bench(), Bench()
    other.decode(acme(9), topic="acme/somebody-else/telemetry")  # other slots, same keys
    keys = first.decode(acme(1), acme(2), acme(1, temperature="20")).keys
    assert keys[0] == keys[2] != keys[1]
    assert (other.decode(acme(1), acme(2), acme(1)).keys == keys).all()
    assert first.decode(acme(1), topic="acme/room-9/telemetry").keys[0] != keys[0]
    assert (keys != 0).all()


SHARED = Bench()
"""A decoder keeps names and numbers of devices, but nothing of a message: so property tests may share one."""

FRAGMENTS = [acme(1), acme(2), b"{", b"}", b",", b'"', b"[", b"]", b'{"id":1', b'"ts":1}', b"\\", b"null", b"\xc3"]


@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=4).map(b"".join), min_size=1, max_size=12))
def test_no_message_reaches_into_another(payloads: list[bytes]) -> None:
    together = SHARED.decode(*payloads)
    alone = [SHARED.decode(p) for p in payloads]
    assert [r.message for r in together.rejected] == [i for i, d in enumerate(alone) if d.rejected]
    expected = [v for d in alone for v in d.batch.value.tolist()]
    assert together.batch.value.tolist() == expected


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    for topic in (ACME, BRAVO, SENML, "host/host"):
        decoded = SHARED.decode(payload, topic=topic)
        assert len(decoded.keys) == 1
        assert np.isfinite(decoded.batch.value).all()
