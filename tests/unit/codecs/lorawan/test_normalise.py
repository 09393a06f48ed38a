"""From vendors' field names and from `normalizeUplink` to metrics, units and qualities."""

import gzip
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from holdfast.codecs.lorawan.contract import Decoded
from holdfast.codecs.lorawan.names import names
from holdfast.codecs.lorawan.normalise import NamedValue, measured, normalised
from holdfast.model.units import canonical

Row = tuple[str, float | bool, str, str]


def rows(data: dict[str, Any]) -> list[Row]:
    return told(normalised(Decoded({"data": data})))


def told(values: list[NamedValue]) -> list[Row]:
    return [(v.metric, v.value, v.unit, v.quality) for v in values]


@pytest.mark.parametrize(
    ("value", "number", "unit"),
    [
        (24.9, 24.9, ""),
        ("24.90", 24.9, ""),
        (" -1e3 ", -1000.0, ""),
        ("3.4V", 3.4, "V"),
        ("30 °C", 30.0, "°C"),
        ({"value": 96800, "unit": "Pa"}, 96800.0, "Pa"),
        ({"value": "1.5", "displayName": "x"}, 1.5, ""),
        ("NoSensor", None, ""),
        (True, None, ""),
        (None, None, ""),
        ({"value": None, "unit": "V"}, None, "V"),
        ({"value": {"value": 1}}, None, ""),
        ("1.2.3", None, ""),
        (10**400, None, ""),
    ],
)
def test_a_number_comes_in_many_guises(value: object, number: float | None, unit: str) -> None:
    assert measured(value) == (number, unit)


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"TempC_SHT": "25.10"}, [("air.temperature", 25.1, "Cel", "good")]),
        ({"temperature_f": 212}, [("air.temperature", 100.0, "Cel", "good")]),
        ({"barometric_pressure": {"unit": "Pa", "value": 96800}}, [("air.pressure", 96800.0, "Pa", "good")]),
        ({"pressure": 1004.7}, [("air.pressure", 100470.0, "Pa", "good")]),
        ({"pressure": {"unit": "bar", "value": 0.24}}, []),
        ({"Bat_mV": 3300}, [("battery.voltage", 3.3, "V", "good")]),
        ({"battery": 3.6}, [("battery.voltage", 3.6, "V", "good")]),
        ({"battery": 92}, [("battery.level", 92.0, "%EL", "good")]),
        ({"volumetric_water_content": {"unit": "m³⋅m⁻³", "value": 0.2}}, [("soil.moisture", 20.0, "%", "good")]),
        ({"volumetric_water_content": {"unit": "m³⋅m⁻³", "value": -0.2}}, [("soil.moisture", -20.0, "%", "bad")]),
        ({"conduct_SOIL": 1500}, [("soil.conductivity", 0.15, "S/m", "good")]),
        ({"wind_direction": 360}, [("wind.direction", 360.0, "deg", "bad")]),
        ({"wind_direction": 0}, [("wind.direction", 0.0, "deg", "good")]),
        ({"humidity": 101}, [("air.humidity", 101.0, "%RH", "bad")]),
        ({"temperature": -300}, [("air.temperature", -300.0, "Cel", "bad")]),
        ({"temp": 20}, []),
        ({"temperature": 21.8, "turbidity_in_ntu": 3}, [("temperature", 21.8, "Cel", "good")]),
        (
            {"temperature": {"unit": "°C", "value": 25.5}, "pressure": {"unit": "bar", "value": 0.25}},
            [("temperature", 25.5, "Cel", "good")],
        ),
        ({"ambient_temperature": 21.8, "turbidity": 3}, [("air.temperature", 21.8, "Cel", "good")]),
        (
            {"temperature": 21.8, "pressure": {"unit": "hPa", "value": 1000}},
            [("air.temperature", 21.8, "Cel", "good"), ("air.pressure", 100000.0, "Pa", "good")],
        ),
        ({"temp": 20, "hum": 50}, [("air.temperature", 20.0, "Cel", "good"), ("air.humidity", 50.0, "%RH", "good")]),
        ({"cached": {"latitudeDeg": 1.0}}, []),
        ({"temperature": {"unit": "V", "value": 1}}, []),
    ],
)
def test_a_well_known_name_becomes_a_metric(data: dict[str, Any], wanted: list[Row]) -> None:
    got = rows(data)
    assert [(m, u, q) for m, _, u, q in got] == [(m, u, q) for m, _, u, q in wanted]
    assert [v for _, v, _, _ in got] == pytest.approx([v for _, v, _, _ in wanted])


def test_the_best_name_wins_wherever_it_stands() -> None:
    assert rows({"temperature": 1, "air_temperature": 2}) == rows({"air_temperature": 2, "temperature": 1})
    assert rows({"temperature": 1, "air_temperature": 2})[0][1] == 2


def test_what_normalize_uplink_returned_is_taken_with_its_times() -> None:
    measurements = [
        {"time": "2026-11-21T10:00:00.5Z", "air": {"temperature": 20, "relativeHumidity": 50}},
        {"air": {"pressure": 500}, "action": {"motion": {"detected": True, "count": 2}, "contactState": "open"}},
        {"air": {"smell": 1}, "battery": "3.1"},
        "no measurement",
    ]
    values = normalised(Decoded({"data": {"temperature": 99}}, measurements))
    assert told(values) == [
        ("air.temperature", 20.0, "Cel", "good"),
        ("air.humidity", 50.0, "%RH", "good"),
        ("air.pressure", 50000.0, "Pa", "bad"),
        ("motion.detected", True, "", "good"),
        ("motion.count", 2.0, "count", "good"),
        ("contact.open", True, "", "good"),
        ("battery.voltage", 3.1, "V", "good"),
    ]
    assert values[0].time_ns == 1_795_255_200_500_000_000
    assert values[2].time_ns is None


def test_every_metric_of_the_table_has_a_registered_unit_and_sane_limits() -> None:
    for quantity in names().quantities.values():
        assert quantity.low < quantity.high
        if quantity.unit:
            assert canonical(quantity.unit).name == quantity.unit


DATA = Path(__file__).parents[5] / "shared" / "data" / "lorawan"


@pytest.mark.skipif(not DATA.exists(), reason="the data stand beside the repository, in shared/data/lorawan")
def test_the_canonical_values_follow_from_real_devices_data() -> None:
    with gzip.open(DATA / "codecs.jsonl.gz", "rt") as lines:
        codecs = {codec["id"]: codec for codec in map(json.loads, lines)}
    verdicts = Counter[bool]()
    for line in (DATA / "normalized.jsonl").read_text().splitlines():
        row = json.loads(line)
        output = codecs[row["codec"]]["uplink"][row["example"]]["output"]
        got = {v.name: v for v in normalised(Decoded(output))}
        verdicts[agrees(row["expect"], got, "good") and agrees(row.get("out_of_range", {}), got, "bad")] += 1
    assert verdicts == {True: 177}


def agrees(wanted: dict[str, float], got: dict[str, NamedValue], quality: str) -> bool:
    table = names().quantities
    stored = {name: table[name].stored(value, table[name].schema_unit) for name, value in wanted.items()}
    return all(
        name in got and got[name].quality == quality and math.isclose(got[name].value, value or 0, rel_tol=1e-6)
        for name, value in stored.items()
    )
