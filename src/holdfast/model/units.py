"""Units: the SenML registry (RFC 8428 §12.1, RFC 8798 §3 and its IANA additions) and what vendors write instead.

Every unit is a line: `base = value * factor + offset`, exact fractions, so a conversion is rounded once, at the end.
Units convert only within a quantity. Each quantity's first row is its base, the default canonical unit.
"""

import difflib
from dataclasses import dataclass
from fractions import Fraction

from holdfast.model.errors import UnitMismatch, UnitUnknown


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit by its registered name; base value = value * factor + offset."""

    name: str
    quantity: str
    factor: Fraction
    offset: Fraction = Fraction(0)


_REGISTRY: tuple[tuple[str, str], ...] = (
    ("length", "m, mm 1/1000, cm 1/100, km 1000"),
    ("mass", "kg, g 1/1000"),
    ("time", "s, ms 1/1000, min 60, h 3600"),
    ("current", "A, mA 1/1000"),
    ("temperature", "Cel, K 1 -27315/100"),
    ("luminous intensity", "cd"),
    ("amount of substance", "mol"),
    ("frequency", "Hz, MHz 1000000"),
    ("angle", "rad, deg 3141592653589793/180000000000000000"),
    ("solid angle", "sr"),
    ("force", "N"),
    ("pressure", "Pa, hPa 100"),
    ("energy", "J, Wh 3600, kWh 3600000"),
    ("power", "W, kW 1000"),
    ("charge", "C, Ah 3600"),
    ("voltage", "V, mV 1/1000"),
    ("capacitance", "F"),
    ("resistance", "Ohm"),
    ("conductance", "S"),
    ("magnetic flux", "Wb"),
    ("magnetic flux density", "T"),
    ("inductance", "H"),
    ("luminous flux", "lm"),
    ("illuminance", "lx"),
    ("radioactivity", "Bq"),
    ("absorbed dose", "Gy"),
    ("dose equivalent", "Sv"),
    ("catalytic activity", "kat"),
    ("area", "m2"),
    ("volume", "m3, l 1/1000"),
    ("velocity", "m/s, km/h 5/18, m/h 1/3600, mm/h 1/3600000"),
    ("acceleration", "m/s2"),
    ("volume flow", "m3/s, l/s 1/1000"),
    ("irradiance", "W/m2"),
    ("luminance", "cd/m2"),
    ("data size", "bit, B 8, KiB 8192, GB 8000000000"),
    ("data rate", "bit/s, Mbit/s 1000000, B/s 8, MB/s 8000000"),
    ("latitude", "lat"),
    ("longitude", "lon"),
    ("acidity", "pH"),
    ("level", "dB"),
    ("power level", "dBW, dBm 1 -30"),
    ("sound level", "Bspl"),
    ("count", "count"),
    ("ratio", "/, % 1/100, /100 1/100, /1000 1/1000, ppm 1/1000000, ppb 1/1000000000, ppt 1/1000000000000"),
    ("relative humidity", "%RH"),
    ("remaining energy", "%EL"),
    ("remaining time", "EL"),
    ("event rate", "1/s, 1/min 1/60"),
    ("heart rate", "beat/min"),
    ("heartbeats", "beats"),
    ("conductivity", "S/m"),
    ("apparent power", "VA, kVA 1000"),
    ("apparent energy", "VAs, VAh 3600, kVAh 3600000"),
    ("reactive power", "var, kvar 1000"),
    ("reactive energy", "vars, varh 3600, kvarh 3600000"),
    ("energy per distance", "J/m, Wh/km 18/5"),
    ("mass concentration", "kg/m3, ug/m3 1/1000000000, mg/l 1/1000, ug/l 1/1000000, g/l 1"),
    ("turbidity", "NTU"),
)
_OURS: tuple[tuple[str, str], ...] = (("reciprocal colour temperature", "mired"),)
"""Stored under their own names although the registry has none that they are a line of."""

# What vendors write that is no SenML name: same notation, and `= name` for a mere other spelling.
_VENDOR: tuple[tuple[str, str], ...] = (
    ("temperature", "degC = Cel, °C = Cel, ℃ = Cel, C = Cel, celsius = Cel, Celsius = Cel, Kelvin = K, degK = K"),
    ("temperature", "degF 5/9 -160/9, °F = degF, ℉ = degF, F = degF, fahrenheit = degF, Fahrenheit = degF"),
    ("ratio", "percent = %, pct = %, ratio = /"),
    ("relative humidity", "% RH = %RH, RH = %RH, %rh = %RH, rh = %RH, %rF = %RH"),
    ("pressure", "kPa 1000, MPa 1000000, mbar = hPa, bar 100000, psi 8896443230521/1290320000, atm 101325"),
    ("pressure", "mmHg 26664477483/200000000, inHg 3386389/1000"),
    ("force", "kN 1000, MN 1000000"),
    ("illuminance", "lux = lx, Lux = lx, klx 1000"),
    ("length", "um 1/1000000, µm = um, in 254/10000, ft 3048/10000, yd 9144/10000, mi 1609344/1000"),
    ("mass", "mg 1/1000000, t 1000, lb 45359237/100000000, oz 45359237/1600000000"),
    ("time", "us 1/1000000, µs = us, ns 1/1000000000, sec = s, hr = h, d 86400, day = d, days = d"),
    ("current", "uA 1/1000000, µA = uA, kA 1000, amp = A, amps = A"),
    ("voltage", "kV 1000, uV 1/1000000, µV = uV, volt = V, volts = V"),
    ("power", "mW 1/1000, MW 1000000, GW 1000000000, hp 7456998715822702/10000000000000, watt = W, watts = W"),
    ("energy", "kJ 1000, MJ 1000000, MWh 3600000000, GWh 3600000000000"),
    ("charge", "mAh 18/5"),
    ("frequency", "kHz 1000, GHz 1000000000, rpm 1/60, RPM = rpm"),
    ("velocity", "mm/s 1/1000, kph = km/h, kmh = km/h, mph 44704/100000, kn 463/900, kt = kn, ft/s 3048/10000"),
    ("acceleration", "m/s² = m/s2, gn 980665/100000, mg0 980665/100000000"),
    ("resistance", "ohm = Ohm, Ω = Ohm, kOhm 1000, kΩ = kOhm, MOhm 1000000"),
    ("conductivity", "uS/cm 1/10000, µS/cm = uS/cm, mS/cm 1/10, dS/m = mS/cm"),
    ("volume", "m³ = m3, L = l, ml 1/1000000, mL = ml, gal 3785411784/1000000000000"),
    (
        "volume flow",
        "m3/h 1/3600, m³/h = m3/h, l/min 1/60000, L/min = l/min, l/h 1/3600000, L/h = l/h, cfm 473/1002290",
    ),
    ("area", "m² = m2, cm2 1/10000, ft2 9290304/100000000"),
    ("irradiance", "W/m² = W/m2"),
    ("angle", "° = deg, degrees = deg"),
    ("mass concentration", "µg/m3 = ug/m3, µg/m³ = ug/m3, ug/m³ = ug/m3, mg/m3 1/1000000, mg/m³ = mg/m3"),
    ("data size", "byte = B, bytes = B, kB 8000, MB 8000000, MiB 8388608, GiB 8589934592"),
    ("data rate", "kbit/s 1000, Gbit/s 1000000000, kB/s 8000"),
    ("count", "counts = count, pcs = count, # = count"),
    ("reciprocal colour temperature", "mireds = mired, mirek = mired"),
    ("reactive power", "VAr = var, VAR = var, kVAr = kvar"),
    ("reactive energy", "VArh = varh, kVArh = kvarh"),
    ("heart rate", "bpm = beat/min"),
)

_LONGEST_UNIT = 32
_PERCENT = Fraction(100)
_IMPLIED = {("ratio", "relative humidity"): _PERCENT, ("ratio", "remaining energy"): _PERCENT}
"""Vendors write a bare `%` for humidity and battery; it may be turned into these, when the profile says so."""


def _read(rows: tuple[tuple[str, str], ...], into: dict[str, list[Unit]]) -> None:
    for quantity, units in rows:
        for text in units.split(", "):
            name, same, other = text.partition(" = ")
            if same:
                into.setdefault(name, []).append(next(u for u in into[other] if u.quantity == quantity))
                continue
            name, *line = text.split(" ")
            factor = Fraction(line[0]) if line else Fraction(1)
            offset = Fraction(line[1]) if len(line) > 1 else Fraction(0)
            into.setdefault(name, []).append(Unit(name, quantity, factor, offset))


_BY_SPELLING: dict[str, list[Unit]] = {}
_read(_REGISTRY, _BY_SPELLING)
_read(_OURS, _BY_SPELLING)
REGISTERED = frozenset(_BY_SPELLING)
"""The SenML names, and ours; what a canonical unit may be called."""
_read(_VENDOR, _BY_SPELLING)
_BASE = {quantity: _BY_SPELLING[units.split(", ")[0]][0] for quantity, units in _REGISTRY + _OURS}


def canonical(name: str) -> Unit:
    """The unit a series is stored in, by its SenML name.

    Raises:
        UnitUnknown: when the registry has no such name.
    """
    if name in REGISTERED:
        return _BY_SPELLING[name][0]
    meant = [u.name for u in _BY_SPELLING.get(name, []) if u.name in REGISTERED]
    hint = f"its SenML name is `{meant[0]}`" if meant else _nearest(name, REGISTERED)
    raise UnitUnknown(name, hint)


def base_of(unit: Unit) -> Unit:
    """The base unit of what `unit` measures."""
    return _BASE[unit.quantity]


def payload_unit(spelling: str, to: Unit | None) -> Unit:
    """The unit a device means by `spelling`; `to` tells `F` the temperature from `F` the capacitance.

    Raises:
        UnitUnknown: when nobody spells a unit like this, or two do and `to` is not there to tell.
        UnitMismatch: when it measures something else than `to`.
    """
    meant = _BY_SPELLING.get(spelling, [])
    if not meant:
        raise UnitUnknown(spelling, _nearest(spelling, _BY_SPELLING))
    if to is None:
        if len(meant) > 1:
            which = " or ".join(f"a unit of {u.quantity}" for u in meant)
            raise UnitUnknown(spelling, f"it may be {which}: say which with `to`")
        return meant[0]
    for unit in meant:
        if _bridge(unit, to) is not None:
            return unit
    raise UnitMismatch(spelling, meant[0].quantity, to.name, to.quantity)


def conversion(unit: Unit, to: Unit) -> tuple[Fraction, Fraction]:
    """(a, b) so that value-in-`to` = value-in-`unit` * a + b.

    Raises:
        UnitMismatch: when they measure different things.
    """
    bridge = _bridge(unit, to)
    if bridge is None:
        raise UnitMismatch(unit.name, unit.quantity, to.name, to.quantity)
    return unit.factor * bridge / to.factor, (unit.offset * bridge - to.offset) / to.factor


def stored_as(spelling: str) -> tuple[str, tuple[float, float]]:
    """How a value is stored whose unit only the device says: (unit, line to it).

    A SenML unit stays; another spelling becomes its SenML name or its quantity's base; what nobody knows, or is
    ambiguous, stays as the device says it, if that can be a unit's name at all.
    """
    meant = _BY_SPELLING.get(spelling, [])
    if spelling in REGISTERED:
        return spelling, (1.0, 0.0)
    if len(meant) != 1:
        return (spelling if len(spelling) <= _LONGEST_UNIT and spelling.isprintable() else ""), (1.0, 0.0)
    unit = meant[0]
    stored = unit if unit.name in REGISTERED else base_of(unit)
    a, b = conversion(unit, stored)
    return stored.name, (float(a), float(b))


def spellings(to: Unit) -> dict[str, Unit]:
    """Every spelling of a unit that can be turned into `to`."""
    found = {s: next((u for u in units if _bridge(u, to) is not None), None) for s, units in _BY_SPELLING.items()}
    return {spelling: unit for spelling, unit in found.items() if unit is not None}


def _bridge(unit: Unit, to: Unit) -> Fraction | None:
    if unit.quantity == to.quantity:
        return Fraction(1)
    return _IMPLIED.get((unit.quantity, to.quantity))


def _nearest(name: str, among: "frozenset[str] | dict[str, list[Unit]]") -> str:
    near = difflib.get_close_matches(name, sorted(among), 3, 0.5)
    return f"near it are: {', '.join(near)}" if near else "use a SenML name (RFC 8428, RFC 8798) such as Cel, %RH, Pa"
