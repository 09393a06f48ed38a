import pytest

from holdfast.model.errors import UnitMismatch, UnitUnknown
from holdfast.model.units import base_of, canonical, conversion, payload_unit, spellings


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


PRIMARY = """
m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s
W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var
vars J/m kg/m3 deg NTU
"""
"""RFC 8428 §12.1 with the additions of RFC 8798 §2."""
SECONDARY = {
    "ms": (1 / 1000, "s"), "min": (60, "s"), "h": (3600, "s"), "MHz": (1e6, "Hz"), "kW": (1000, "W"),
    "kVA": (1000, "VA"), "kvar": (1000, "var"), "Ah": (3600, "C"), "Wh": (3600, "J"), "kWh": (3.6e6, "J"),
    "varh": (3600, "vars"), "kvarh": (3.6e6, "vars"), "kVAh": (3.6e6, "VAs"), "Wh/km": (3.6, "J/m"),
    "KiB": (1024, "B"), "GB": (1e9, "B"), "Mbit/s": (1e6, "bit/s"), "B/s": (8, "bit/s"), "MB/s": (8e6, "bit/s"),
    "mV": (1e-3, "V"), "mA": (1e-3, "A"), "ug/m3": (1e-9, "kg/m3"),
    "mm/h": (1 / 3.6e6, "m/s"), "m/h": (1 / 3600, "m/s"),
    "ppm": (1e-6, "/"), "/100": (0.01, "/"), "/1000": (0.001, "/"), "hPa": (100, "Pa"), "mm": (1e-3, "m"),
    "cm": (0.01, "m"), "km": (1000, "m"), "km/h": (1 / 3.6, "m/s"), "ppb": (1e-9, "/"), "ppt": (1e-12, "/"),
    "VAh": (3600, "VAs"), "mg/l": (1e-3, "kg/m3"), "ug/l": (1e-6, "kg/m3"), "g/l": (1, "kg/m3"),
}  # fmt: skip
"""RFC 8798 §3 with IANA's later additions: scale to the primary unit."""


@pytest.mark.parametrize("name", PRIMARY.split())
def test_every_primary_unit_of_the_registry_is_known(name: str) -> None:
    assert canonical(name).name == name


@pytest.mark.parametrize(("name", "scale", "primary"), [(n, s, p) for n, (s, p) in SECONDARY.items()])
def test_every_secondary_unit_of_the_registry_has_its_scale(name: str, scale: float, primary: str) -> None:
    a, b = conversion(canonical(name), canonical(primary))
    assert float(a) == pytest.approx(scale, rel=1e-12)
    assert float(b) == 0


def test_a_decibel_milliwatt_is_thirty_below_a_decibel_watt() -> None:
    a, b = conversion(canonical("dBm"), canonical("dBW"))
    assert (float(a), float(b)) == (1.0, -30.0)
