"""OPC UA's engineering units as ours: UNECE codes, packed in EUInformation's UnitId (Part 8 §5.6.3)."""

from holdfast.kernel.errors import HoldfastError
from holdfast.model.units import payload_unit

_CODES = {
    "CEL": "Cel", "FAH": "degF", "KEL": "K", "P1": "%", "C62": "/", "59": "ppm", "MTR": "m", "MMT": "mm", "CMT": "cm",
    "KMT": "km", "INH": "in", "FOT": "ft", "KGM": "kg", "GRM": "g", "TNE": "t", "LBR": "lb", "SEC": "s", "C26": "ms",
    "MIN": "min", "HUR": "h", "DAY": "d", "AMP": "A", "4K": "mA", "VLT": "V", "2Z": "mV", "KVT": "kV", "WTT": "W",
    "KWT": "kW", "MAW": "MW", "D46": "VA", "KVA": "kVA", "D44": "var", "KVR": "kvar", "WHR": "Wh", "KWH": "kWh",
    "MWH": "MWh", "JOU": "J", "KJO": "kJ", "HTZ": "Hz", "KHZ": "kHz", "RPM": "rpm", "MTS": "m/s", "KMH": "km/h",
    "C16": "mm/s", "MSK": "m/s2", "PAL": "Pa", "KPA": "kPa", "MPA": "MPa", "MBR": "mbar", "BAR": "bar", "PS": "psi",
    "A97": "hPa", "NEW": "N", "B47": "kN", "OHM": "Ohm", "LUX": "lx", "LTR": "l", "MTQ": "m3", "MTK": "m2", "MLT": "ml",
    "MQH": "m3/h", "L2": "l/min", "DD": "deg", "C81": "rad", "2N": "dB",
}  # fmt: skip


def code_of(number: int) -> str:
    """The UNECE code in a UnitId; empty = there is none."""
    packed = number.to_bytes(4, "big") if 0 < number < 2**24 + 2**24 else b""
    text = packed.lstrip(b"\0")
    return text.decode() if text.isascii() and text.isalnum() else ""


def unit_of(number: int, shown: str) -> str:
    """Our spelling of a unit, by its code, else as it's shown; empty = we don't know it."""
    for found in (_CODES.get(code_of(number), ""), shown.strip()):
        if found:
            try:
                payload_unit(found, None)
            except (HoldfastError, ValueError):
                continue
            return found
    return ""
