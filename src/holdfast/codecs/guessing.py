"""What a field may mean, guessed from its name and values. A person confirms or mends it."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from holdfast.codecs.instants import to_ns
from holdfast.codecs.refused import Refused
from holdfast.codecs.settings import TimeUnit

_TIMES = re.compile(
    r"(?:^|[._])(?:ts|time|timestamp|timestamp_?ms|datetime|date|at|measured_?at|recorded_?at|t)$", re.IGNORECASE
)
_IDS = re.compile(r"(?:^|[._])(?:id|seq|sequence|msg_?id|message_?id|counter|cnt|uuid|packet_?id)$", re.IGNORECASE)
_DEVICES = re.compile(
    r"(?:^|[._])(?:device|device_?id|dev_?id|dev_?eui|sensor_?id|serial|sn|mac|node_?id)$", re.IGNORECASE
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_UNITS: tuple[tuple[frozenset[str], tuple[str, str]], ...] = tuple(
    (frozenset(words.split()), (unit, to))
    for words, unit, to in (
        ("temp temperature tmp dewpoint tc", "Cel", ""),
        ("hum humidity rh", "%RH", ""),
        ("co2 eco2", "ppm", "ppm"),
        ("tvoc", "ppb", "ppb"),
        ("pm1 pm25 pm10", "ug/m3", "ug/m3"),
        ("lux illuminance lx light", "lx", ""),
        ("rssi", "dBm", "dBm"),
        ("snr", "dB", ""),
        ("battery bat soc moisture level percent", "%", "%"),
        ("power watt watts", "W", ""),
        ("energy", "kWh", "kWh"),
        ("current amps", "A", ""),
        ("voltage volt volts vbat vdd", "V", ""),
        ("freq frequency", "Hz", ""),
        ("lat latitude", "lat", ""),
        ("lon lng longitude", "lon", ""),
        ("speed", "m/s", ""),
        ("flow", "l/min", ""),
        ("distance height depth altitude", "m", ""),
        ("uptime", "s", ""),
        ("weight mass", "kg", ""),
    )
)
_SUFFIXES = {
    "c": "Cel", "f": "degF", "k": "K", "degc": "Cel", "degf": "degF", "celsius": "Cel", "fahrenheit": "degF",
    "pa": "Pa", "hpa": "hPa", "kpa": "kPa", "mbar": "mbar", "bar": "bar", "psi": "psi", "v": "V", "mv": "mV",
    "a": "A", "ma": "mA", "w": "W", "kw": "kW", "wh": "Wh", "kwh": "kWh", "va": "VA", "var": "var", "hz": "Hz",
    "ms": "ms", "s": "s", "mm": "mm", "cm": "cm", "m": "m", "km": "km", "kmh": "km/h", "kph": "km/h", "mps": "m/s",
    "pct": "%", "percent": "%", "ppm": "ppm", "ppb": "ppb", "lx": "lx", "dbm": "dBm", "db": "dB", "lpm": "l/min",
    "l": "l", "kg": "kg", "g": "g", "deg": "deg", "rpm": "rpm", "ugm3": "ug/m3",
}  # fmt: skip
_KEPT = frozenset(("%", "ppm", "ppb", "ug/m3", "dBm", "kWh"))
"""Units that nobody wants turned into their quantity's base."""


def is_time(path: str, values: Sequence[Any]) -> TimeUnit | None:
    """The unit of what looks like a timestamp, by its name and by falling between 2010 and 2060; None = it's none."""
    if _TIMES.search(path) is None or not values:
        return None
    units: tuple[TimeUnit, ...] = ("iso8601",) if isinstance(values[0], str) else ("s", "ms", "us", "ns")
    for unit in units:
        if all(_is_recent(value, unit) for value in values):
            return unit
    return None


def _is_recent(value: Any, unit: TimeUnit) -> bool:
    try:
        return 1_262_304_000 <= to_ns(value, unit) / 1e9 < 2_840_140_800
    except Refused:
        return False


def has_no_zone(values: Sequence[Any]) -> bool:
    """Are these ISO 8601 times without a zone?"""
    return bool(values) and all(isinstance(v, str) and re.search(r"(?:Z|z|[+-]\d\d:?\d\d)$", v) is None for v in values)


def is_id(path: str, values: Sequence[Any]) -> bool:
    """Does this look like a message id: by its name, and different in every message?"""
    whole = all(isinstance(v, int | str) and not isinstance(v, bool) for v in values)
    return _IDS.search(path) is not None and whole and len(values) > 1 and len(set(values)) == len(values)


def is_device(path: str, values: Sequence[Any]) -> bool:
    """Does this look like a device's name?"""
    return _DEVICES.search(path) is not None and all(isinstance(v, str) and 0 < len(v) <= 64 for v in values)


def unit_of(path: str, values: Sequence[Any]) -> tuple[str, str]:
    """(unit, stored unit) guessed from a field's name, the latter empty for the quantity's base; ("", "") = no idea."""
    words = [word.lower() for word in _WORDS.findall(path)]
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if not words or not numbers:
        return "", ""
    suffix = _SUFFIXES.get(words[-1]) if len(words) > 1 else None
    if suffix is not None:
        return suffix, suffix if suffix in _KEPT else ""
    top = max(map(abs, numbers))
    if {"pressure", "press", "pres", "baro"} & set(words):
        return ("hPa" if 300 <= top <= 1200 else "kPa" if top <= 200 else "Pa"), ""
    joined = {*words, *(a + b for a, b in pairwise(words))}
    for known, guess in _UNITS:
        if known & joined:
            return ("mV", "") if guess[0] == "V" and top > 1000 else guess
    return "", ""


def metric_of(path: str) -> str:
    """A metric's name made of a path: dotted lower-case words, without a unit at the end."""
    steps = [_step([word.lower() for word in _WORDS.findall(step)]) for step in path.split(".")]
    named = ".".join(step for step in steps if step) or "value"
    return named if named[0].isalpha() else f"v{named}"


def _step(words: list[str]) -> str:
    return "_".join(words[:-1] if len(words) > 1 and words[-1] in _SUFFIXES else words)
