"""Points, and the profiles that adapters' maps make: both ways to the same series."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.points import Point, offline, points_payload, values_payload
from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.generating import profiles_of
from holdfast.kernel.documents import Document, Problem
from holdfast.model.points import PointMap, PointSettings
from holdfast.model.quality import words_of
from holdfast.model.series import Catalogue, Kind

TS = 1_795_187_068_123_456_000
POINTS = {
    "power": PointSettings(metric="power.active", unit="kW", scale=0.1, min=0, max=1e6),
    "temp": PointSettings(metric="temperature", unit="degF", to="Cel", decimals=2),
    "on": PointSettings(metric="running", type="bool"),
    "state": PointSettings(metric="state", type="text"),
    "count": PointSettings(metric="parts", type="int"),
}
MAP = PointMap("modbus", "meter", POINTS)


def decoded(points: dict[str, PointSettings], *runs: Run) -> tuple[Decoded, Catalogue]:
    problems: list[Problem] = []
    found = profiles_of(MAP._replace(points=points), Document(Path("m.yaml"), None), ("points",), problems)
    assert not problems
    catalogue = Catalogue()
    return Decoder(found, catalogue, "gw").decode(runs), catalogue


def test_a_polls_values_become_readings_in_stored_units() -> None:
    payload = values_payload("m1", TS, {"power": 2301, "temp": 70.0, "on": True, "count": 7})
    found, catalogue = decoded(POINTS, Run(MAP.topic, [payload], TS))
    assert not found.rejected
    names = [catalogue[int(s)].name for s in found.batch.series]
    assert dict(zip(names, found.batch.value.tolist(), strict=True)) == pytest.approx(
        {"gw/m1/power.active": 230_100.0, "gw/m1/temperature": 21.11, "gw/m1/running": 1.0, "gw/m1/parts": 7.0}
    )
    assert set(found.batch.ts.tolist()) == {TS}


def test_points_with_a_quality_are_the_same_series() -> None:
    good = values_payload("m1", TS, {"power": 2301, "on": False})
    bad = points_payload("m1", [Point("power", 2302, "uncertain", TS + 5_000), *offline(["on", "temp"])])
    found, catalogue = decoded(POINTS, Run(MAP.topic, [good], TS), Run(f"{MAP.topic}/q", [bad], TS + 9_000))
    assert not found.rejected
    told = [(catalogue[int(s)].name, *words_of(int(q))) for s, q in zip(
        found.batch.series, found.batch.quality, strict=True
    )]  # fmt: skip
    assert told == [
        ("gw/m1/power.active", "good", None),
        ("gw/m1/running", "good", None),
        ("gw/m1/power.active", "uncertain", "device_said_so"),
        ("gw/m1/running", "bad", "offline"),
        ("gw/m1/temperature", "bad", "offline"),
    ]
    assert found.batch.ts.tolist()[2:4] == [TS + 5_000, TS + 9_000]
    assert len(catalogue) == 3


def test_what_is_wrong_with_a_map_is_told_where_it_stands() -> None:
    problems: list[Problem] = []
    lines: dict[tuple[str | int, ...], int] = {("points",): 3, ("points", "power"): 7, ("points", "power", "unit"): 9}
    points = {"power": PointSettings(metric="power", unit="parsec"), "device": PointSettings(metric="x")}
    profiles_of(PointMap("modbus", "m", points), Document(Path("m.yaml"), None, lines), ("points",), problems)
    said = [str(one) for one in problems]
    assert any("m.yaml:9: points.power.unit" in one for one in said)
    assert any("device" in one for one in said[1:])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"points": [{"n": "a", "v": 1}]}', "no device"),
        (b'{"device": "m", "points": [{"n": "power", "v": null}]}', "says good"),
        (b'{"device": "m", "points": [{"n": "power", "v": 1, "q": "fine"}]}', "Invalid enum value"),
        (b'{"device": "m", "points": [{"n": "power", "v": 1, "x": 1}]}', "unknown field"),
        (b'{"device": "m", "points": [{"n": "power", "v": [1]}]}', "got `array`"),
        (b'{"device": "m", "ts": -5, "points": [{"n": "power", "v": 1}]}', "before 1970"),
        (b'{"device": "m", "points"', "truncated"),
    ],
)
def test_what_is_no_points_message_is_refused_with_the_reason(payload: bytes, reason: str) -> None:
    found, _ = decoded(POINTS, Run(f"{MAP.topic}/q", [payload], TS))
    assert len(found.rejected) == 1
    assert reason in found.rejected[0].detail


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(payload: bytes) -> None:
    found, _ = decoded(POINTS, Run(f"{MAP.topic}/q", [payload], TS), Run(MAP.topic, [payload], TS))
    assert len(found.rejected) == 2
    assert len(found.batch) == 0


def test_kinds_are_the_maps() -> None:
    payload = values_payload("m1", TS, {"state": "running", "count": 3})
    found, catalogue = decoded(POINTS, Run(MAP.topic, [payload], TS))
    assert not found.rejected
    assert {catalogue[int(s)].name: catalogue[int(s)].kind for s in found.batch.series} == {
        "gw/m1/state": Kind.TEXT,
        "gw/m1/parts": Kind.INT,
    }
