import pytest

from holdfast.codecs.errors import UnitMismatch, UnitUnknown
from holdfast.codecs.units import base_of, canonical, conversion, payload_unit, spellings


@pytest.mark.parametrize(
    ("value", "spelling", "to", "expected"),
    [
        (72.5, "degF", "Cel", 22.5),
        (295.65, "K", "Cel", 22.5),
        (101.325, "kPa", "Pa", 101_325),
        (1013.25, "mbar", "Pa", 101_325),
        (1.5, "kWh", "Wh", 1500),
        (3.6, "km/h", "m/s", 1.0),
        (45.0, "%", "%RH", 45.0),
        (0.5, "/", "%", 50.0),
        (400.0, "ppm", "ppm", 400.0),
        (3300.0, "mV", "V", 3.3),
        (-40.0, "F", "Cel", -40.0),
        (1.0, "mAh", "C", 3.6),
        (6.0, "rpm", "Hz", 0.1),
    ],
)
def test_conversions_are_right(value: float, spelling: str, to: str, expected: float) -> None:
    target = canonical(to)
    a, b = conversion(payload_unit(spelling, target), target)
    assert value * float(a) + float(b) == pytest.approx(expected, rel=1e-12)


def test_an_unknown_unit_is_told_with_what_is_near() -> None:
    with pytest.raises(UnitUnknown, match="near it are"):
        payload_unit("Cell", None)
    with pytest.raises(UnitUnknown, match="its SenML name is `Cel`"):
        canonical("degC")


def test_units_of_different_quantities_are_refused() -> None:
    with pytest.raises(UnitMismatch, match="unit of temperature"):
        payload_unit("degC", canonical("Pa"))


def test_an_ambiguous_spelling_needs_a_target() -> None:
    with pytest.raises(UnitUnknown, match="say which with `to`"):
        payload_unit("F", None)
    assert payload_unit("F", canonical("Cel")).quantity == "temperature"


def test_every_spelling_of_a_temperature_is_known() -> None:
    assert {"Cel", "°C", "degF", "F", "K"} <= spellings(canonical("Cel")).keys()
    assert base_of(payload_unit("kWh", None)).name == "J"
