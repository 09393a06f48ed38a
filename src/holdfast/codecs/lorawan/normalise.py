"""From a script's result to named values in our metrics and units. Pure.

What `normalizeUplink` returned is taken by its normalised names. Without it, `data` is searched for well-known field
names (`names.yaml`); only its own members, as what lies deeper is mostly settings, limits or old positions.
"""

import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from holdfast.codecs.lorawan.contract import Decoded
from holdfast.codecs.lorawan.names import Candidate, Names, Quantity, fold, names
from holdfast.kernel.clock import NS_PER_S

_MEASUREMENTS = 1000
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\D{0,10}?)\s*")
_LATEST_S = 4_102_444_800
"""2100-01-01, as in `codecs.times`."""


_AIR, _MEDIUM = "air.temperature", "temperature"
_OF_AIR = ("airtemp", "ambient")
_PIPE_PRESSURES = frozenset(("bar", "MPa", "mH2O", "psi"))


class NamedValue(Struct, frozen=True):
    """A value that has a name.

    name:    The Things Stack's
    quality: bad where the value can't be
    time_ns: ns UTC, where the measurement has a time of its own
    """

    name: str
    metric: str
    value: float | bool
    unit: str
    quality: Literal["good", "bad"] = "good"
    time_ns: int | None = None


def normalised(decoded: Decoded) -> list[NamedValue]:
    """The named values of a decoded uplink."""
    if decoded.normalized is not None:
        return list(_measured(decoded.normalized))
    return list(_found(decoded.data))


def _measured(measurements: list[Any]) -> Iterator[NamedValue]:
    table = names()
    for measurement in measurements[:_MEASUREMENTS]:
        if not isinstance(measurement, dict):
            continue
        time_ns = _time(measurement.get("time"))
        for path, value in _leaves(measurement, ""):
            quantity = table.quantities.get(path)
            if quantity is not None:
                yield from _named(table, quantity, value, quantity.schema_unit, time_ns)


def _leaves(value: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        here = f"{path}.{name}" if path else name
        if isinstance(inner, dict) and "value" not in inner and here.count(".") < 4:
            yield from _leaves(inner, here)
        else:
            yield here, inner


def _found(data: dict[str, Any]) -> Iterator[NamedValue]:
    table = names()
    best: dict[str, tuple[int, NamedValue, str]] = {}
    for field, value in data.items():
        for candidate in table.by_vendor.get(fold(field), ()):
            named = _candidate(table, candidate, value)
            known = best.get(candidate.quantity.name)
            if named is not None and (known is None or candidate.rank < known[0]):
                best[candidate.quantity.name] = candidate.rank, named, candidate.beside
    in_liquid = _is_probe(data)
    for _, named, beside in best.values():
        if in_liquid and named.name == _AIR:
            medium = table.quantities[_MEDIUM]
            yield msgspec.structs.replace(named, name=medium.name, metric=medium.metric)
        elif not beside or beside in best:
            yield named


def _is_probe(data: dict[str, Any]) -> bool:
    """Does it measure a liquid or a pipe, whose temperature is not the air's, unless it's called so?"""
    names_ = {fold(name): value for name, value in data.items()}
    if any(word in name for name in names_ for word in _OF_AIR):
        return False
    pressure = measured(names_.get("pressure"))[1]
    return any("turbidity" in name for name in names_) or pressure in _PIPE_PRESSURES


def _candidate(table: Names, candidate: Candidate, value: Any) -> NamedValue | None:
    number, unit = measured(value)
    if number is not None and not unit and not candidate.low <= number <= candidate.high:
        return None
    return next(_named(table, candidate.quantity, value, candidate.unit, None), None)


def _named(table: Names, quantity: Quantity, value: Any, unit: str, time_ns: int | None) -> Iterator[NamedValue]:
    """The value as this quantity, if it can be one. unit: what it's in unless it says so itself."""
    if quantity.is_bool:
        flag = quantity.words.get(value.lower()) if isinstance(value, str) else value
        if isinstance(flag, bool):
            yield NamedValue(quantity.name, quantity.metric, flag, "", "good", time_ns)
        return
    number, said = measured(value)
    if number is None:
        return
    said = table.spelling(said)
    if said and quantity.units and said not in quantity.units:
        return
    stored = quantity.stored(number, said or unit)
    if stored is not None and math.isfinite(stored):
        is_good = quantity.low <= stored <= quantity.high
        yield NamedValue(quantity.name, quantity.metric, stored, quantity.unit, "good" if is_good else "bad", time_ns)


def measured(value: Any) -> tuple[float | None, str]:
    """A number and the unit it says, "" when it says none: 24.9, "24.90", "3.4V", {value: 96800, unit: Pa}."""
    if isinstance(value, dict):
        unit = value.get("unit")
        number, said = measured(value.get("value")) if not isinstance(value.get("value"), dict) else (None, "")
        return number, unit if isinstance(unit, str) and unit else said
    if isinstance(value, bool):
        return None, ""
    if isinstance(value, int | float):
        return _finite(value), ""
    if isinstance(value, str) and len(value) <= 40 and (match := _NUMBER.fullmatch(value)):
        return _finite(float(match[1])), match[2]
    return None, ""


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _time(text: Any) -> int | None:
    """Ns UTC of an RFC 3339 time; None when it's none."""
    try:
        moment = msgspec.convert(text, datetime)
        seconds = moment.timestamp() if moment.tzinfo is not None else -1.0
    except (msgspec.ValidationError, OverflowError, ValueError):
        return None
    return round(seconds * 1_000_000) * (NS_PER_S // 1_000_000) if 0 <= seconds < _LATEST_S else None
