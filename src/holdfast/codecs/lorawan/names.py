"""The table `names.yaml`: The Things Stack's normalised names, our metrics, and what vendors write."""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from msgspec import Struct, convert, field

from holdfast.model.errors import UnitError
from holdfast.model.units import Unit, canonical, conversion, payload_unit

_FILE = Path(__file__).with_name("names.yaml")


class _MetricRow(Struct, forbid_unknown_fields=True):
    metric: str
    unit: str = ""
    to: str = ""
    type: Literal["float", "bool"] = "float"
    min: float = -math.inf
    max: float = math.inf
    below: bool = False
    names: list[str | dict[str, tuple[str | float, ...]]] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    words: dict[str, bool] = field(default_factory=dict)


class _Table(Struct, forbid_unknown_fields=True):
    metrics: dict[str, _MetricRow]
    spellings: dict[str, str]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one normalised name means.

    unit, low, high: as stored; a value outside of the limits is bad
    units:           a value that says its unit counts only if it's one of these; empty = any that can be converted
    words:           texts that mean yes or no
    """

    name: str
    metric: str
    unit: str
    is_bool: bool
    low: float
    high: float
    schema_unit: str
    units: frozenset[str]
    words: dict[str, bool]

    def stored(self, value: float, spelling: str) -> float | None:
        """`value` in the stored unit; None when `spelling` is no unit of this quantity."""
        if not self.unit:
            return value
        if spelling == self.unit:
            return value
        try:
            a, b = _line(spelling, self.unit)
        except UnitError:
            return None
        return float(value * a + b)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A vendor's name for a quantity.

    rank:      smaller is better
    low, high: the number must lie between them
    beside:    counts only where this quantity stands in the same message; "" = always
    """

    quantity: Quantity
    rank: int
    unit: str
    low: float
    high: float
    beside: str


@dataclass(frozen=True, slots=True)
class Names:
    """The whole table. by_vendor: by folded vendor's name."""

    quantities: dict[str, Quantity]
    by_vendor: dict[str, tuple[Candidate, ...]]
    spellings: dict[str, str]

    def spelling(self, text: str) -> str:
        """A unit as `units` knows it."""
        return self.spellings.get(text, text)


def fold(name: str) -> str:
    """A field's name without letter case and separators."""
    return "".join(c for c in name.lower() if c.isalnum())


@cache
def names() -> Names:
    """The table that ships with Holdfast."""
    table = convert(yaml.safe_load(_FILE.read_text(encoding="utf-8")), _Table)
    quantities: dict[str, Quantity] = {}
    found: dict[str, list[Candidate]] = {}
    for name, row in table.metrics.items():
        quantity = quantities[name] = _quantity(name, row)
        for rank, entry in enumerate(row.names):
            for vendor, terms in _spelled(entry, row.unit):
                found.setdefault(fold(vendor), []).append(Candidate(quantity, rank, *terms))
    return Names(quantities, {name: tuple(some) for name, some in found.items()}, table.spellings)


def _spelled(entry: Any, unit: str) -> list[tuple[str, tuple[str, float, float, str]]]:
    if isinstance(entry, str):
        return [(entry, (unit, -math.inf, math.inf, ""))]
    return [(name, (terms[0], terms[1], terms[2], terms[3] if len(terms) > 3 else "")) for name, terms in entry.items()]


def _quantity(name: str, row: _MetricRow) -> Quantity:
    unit = row.to or row.unit
    low, high = row.min, row.max
    if unit != row.unit:
        a, b = _line(row.unit, unit)
        low, high = low * a + b, high * a + b
    if row.below:
        high = math.nextafter(high, low)
    is_bool = row.type == "bool"
    return Quantity(name, row.metric, unit, is_bool, low, high, row.unit, frozenset(row.units), row.words)


@cache
def _line(spelling: str, to: str) -> tuple[float, float]:
    """Value in `to` = value * a + b.

    Raises:
        CodecsError: when they're unknown, or measure different things.
    """
    target: Unit = canonical(to)
    a, b = conversion(payload_unit(spelling, target), target)
    return float(a), float(b)
