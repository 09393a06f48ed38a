"""From a value's name to the series and unit it is stored in: by the profile's map, or as the device calls it.

Each (device, context, name, unit, kind) is worked out once and remembered as a `Target`; the numbers of all targets
(line, limits, series) are columns, so that a micro-batch is converted at once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from holdfast.codecs.devices import NOT_FOLLOWED, Registry, as_named
from holdfast.codecs.profiles import Open, Rule
from holdfast.codecs.refused import Refused, wrong
from holdfast.codecs.reject import RejectReason
from holdfast.codecs.structs import EXACT
from holdfast.codecs.topics import name_fault
from holdfast.model.points import Scalar
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.model.units import stored_as

_TARGETS_REMEMBERED = 200_000
MAX_INVENTED = 100_000
"""Series that a profile may get since the start by the names in its payloads alone."""
_LONGEST_METRIC = 256
_LONGEST_DEVICE = 200
_UNNAMED = -1
_SLOTS = 256
_TEXT_LIMIT = 4096
Value = float | str | None


class Key(NamedTuple):
    """What decides where a value goes. context: the topic's captures; unit: as the device says it, None = not said."""

    device: str
    context: tuple[str, ...]
    name: str
    unit: str | None
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a value goes. slot: its place in the columns; convert: None when the value is right as it comes."""

    slot: int
    is_text: bool = False
    is_int: bool = False
    convert: Callable[[Scalar], Value] | None = None


NOWHERE = Target(-1)
"""The target of a value that's no reading."""


class Bound(NamedTuple):
    """A rule that fits a name, with what its captures hold."""

    rule: Rule
    captures: dict[str, str]

    @property
    def is_conditional(self) -> bool:
        """Does what else the payload holds matter?"""
        rule = self.rule
        return rule.unit_path is not None or rule.time_path is not None or rule.unless is not None


class Naming:
    """The targets of one profile. Loop thread only."""

    def __init__(self, open_: Open, catalogue: Catalogue, node: str, registry: Registry = as_named) -> None:
        self._registry, self._asked = registry, NOT_FOLLOWED
        self._wire_names: list[str] = []
        self.numbers = np.full(_SLOTS, NOT_FOLLOWED, np.int32)
        self._open, self._catalogue, self._node = open_, catalogue, node
        self._bound: dict[str, Bound | None] = {}
        self.targets: dict[Key, Target] = {}
        self._series: list[Series] = []
        self._invented = 0
        self.series = np.full(_SLOTS, _UNNAMED, np.int32)
        self.a, self.b = np.ones(_SLOTS), np.zeros(_SLOTS)
        self.decimals = np.full(_SLOTS, -1, np.int8)
        self.low, self.high = np.full(_SLOTS, -np.inf), np.full(_SLOTS, np.inf)
        self.stuck = np.zeros(_SLOTS, np.int64)

    def _grow(self) -> None:
        size = 2 * len(self.a)
        columns = (self.series, self.a, self.b, self.decimals, self.low, self.high, self.stuck)
        self.series, self.a, self.b, self.decimals, self.low, self.high, self.stuck = (
            np.resize(column, size) for column in columns
        )
        self.series[len(self._series) :] = _UNNAMED
        self.numbers = np.resize(self.numbers, size)

    def forget_if_many(self) -> None:
        """Between micro-batches: hostile names can't grow it; honest ones come back at once."""
        if len(self.targets) >= _TARGETS_REMEMBERED:
            self.forget()

    def forget(self) -> None:
        """Between micro-batches: work everything out anew."""
        self.targets.clear()
        self._bound.clear()
        self._series.clear()
        self._wire_names.clear()
        self.series[:] = _UNNAMED

    def bound(self, name: str) -> Bound | None:
        """The first rule that fits a name."""
        if name in self._bound:
            return self._bound[name]
        found = None
        for rule in self._open.rules:
            match = rule.pattern.match(name)
            if match is not None:
                found = Bound(rule, {k: v or "" for k, v in match.groupdict().items()})
                break
        if len(self._bound) >= _TARGETS_REMEMBERED:
            self._bound.clear()
        self._bound[name] = found
        return found

    def is_wanted(self, name: str) -> bool:
        """Whether a value of this name can become a reading, or must refuse the message."""
        found = self.bound(name)
        return self._open.unknown != "ignore" if found is None else found.rule.meaning is not None

    def target(self, key: Key, captures: Mapping[str, str]) -> Target:
        """Where a value goes that wasn't seen before.

        Raises:
            Refused: when its name, its unit or its device's name can't be taken.
        """
        found = self.bound(key.name)
        target = self._by_itself(key) if found is None else self._by_rule(key, found, captures)
        self.targets[key] = target
        return target

    def series_of(self, slots: np.ndarray[tuple[int], np.dtype[np.intp]]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """The catalogue's number of each slot's series, shape (n,); names new ones."""
        series = self.series[slots]
        if (series == _UNNAMED).any():
            for slot in np.unique(slots[series == _UNNAMED]).tolist():
                self.series[slot] = self._catalogue.intern(self._series[slot])
            series = self.series[slots]
        return series

    def slots_of(self, device: str) -> list[int]:
        """The slots of what calls itself `device`, each series once."""
        found = {self._series[slot]: slot for slot, name in enumerate(self._wire_names) if name == device}
        return list(found.values())

    def device(self, slot: int) -> str:
        """What the device of a slot calls itself."""
        return self._wire_names[slot]

    def blamed(self, device: str, reason: RejectReason) -> int:
        """The registry's number of the device whose message was refused just now; device: named by the topic, or ""."""
        if reason in (RejectReason.NEW_DEVICE, RejectReason.RETIRED):
            return self._asked
        return NOT_FOLLOWED if name_fault(device, _LONGEST_DEVICE) else self._registry(device).number

    def _by_itself(self, key: Key) -> Target:
        if self._open.unknown == "ignore":
            return NOWHERE
        if self._open.unknown == "reject":
            wrong(f"no reading is called `{key.name}` in this profile")
        unit, line = "", (1.0, 0.0)
        if key.unit:
            unit, line = stored_as(key.unit)
        return self._new(key, key.name, unit, key.kind, line)

    def _by_rule(self, key: Key, found: Bound, captures: Mapping[str, str]) -> Target:
        rule = found.rule
        m = rule.meaning
        if m is None:
            return NOWHERE
        metric = fill(rule.metric, {**captures, **found.captures, "name": key.name})
        kind = key.kind if rule.is_auto else m.kind
        line, unit = m.line, m.unit
        if key.unit and m.lines:
            if key.unit not in m.lines:
                wrong(f"`{key.unit}` is no unit for {metric} in {m.unit}")
            line = m.lines[key.unit]
        elif key.unit and not m.unit and kind in (Kind.FLOAT, Kind.INT):
            unit, line = stored_as(key.unit)
        if kind in (Kind.BOOL, Kind.TEXT):
            unit, line = "", (1.0, 0.0)
        target = self._new(key, metric, unit, kind, line, rule)
        slot = target.slot
        self.decimals[slot] = -1 if m.decimals is None else m.decimals
        self.low[slot], self.high[slot], self.stuck[slot] = m.low, m.high, m.stuck_ns
        return target

    def _new(
        self, key: Key, metric: str, unit: str, kind: Kind | None, line: tuple[float, float], rule: Rule | None = None
    ) -> Target:
        fault = name_fault(key.device, _LONGEST_DEVICE)
        if fault:
            raise Refused(RejectReason.UNKNOWN_DEVICE, fault)
        ruling = self._registry(key.device)
        self._asked = ruling.number
        if ruling.refusal is not None:
            raise Refused(ruling.refusal, ruling.detail)
        if not metric or len(metric) > _LONGEST_METRIC or not metric.isprintable():
            wrong(f"`{metric[:40]}` is no name for a reading: 1 to {_LONGEST_METRIC} printable characters")
        if kind is None:
            kind = self._kind_before(ruling.name, metric, unit)
        series = Series(self._node, ruling.name, metric, unit, kind)
        if rule is None:
            self._count(series)
        slot = len(self._series)
        if slot == len(self.a):
            self._grow()
        self._series.append(series)
        self._wire_names.append(key.device)
        self.numbers[slot] = ruling.number
        self.a[slot], self.b[slot] = line
        self.decimals[slot], self.low[slot], self.high[slot], self.stuck[slot] = -1, -np.inf, np.inf, 0
        missing = () if rule is None or rule.meaning is None else rule.meaning.missing
        values = {} if rule is None else rule.values
        convert = None
        if missing or values or kind is not key.kind:
            said = {_said(word): meant for word, meant in values.items()}
            drops = rule is not None and rule.drops_others
            convert = Conversion(metric, kind, frozenset(map(_said, missing)), said, drops)
        return Target(slot, kind is Kind.TEXT, kind is Kind.INT, convert)

    def _count(self, series: Series) -> None:
        """Series that nobody named in a map are bounded: they stay in the catalogue, and payloads can invent them."""
        if self._catalogue.find(series) is None:
            self._invented += 1
            if self._invented > MAX_INVENTED:
                detail = f"over {MAX_INVENTED} new series since the start; name what's wanted in the profile's `map`"
                raise Refused(RejectReason.TOO_LARGE, detail)

    def _kind_before(self, device: str, metric: str, unit: str) -> Kind:
        """The kind of a value that isn't there: that of the series known under this name."""
        for kind in Kind:
            if self._catalogue.find(Series(self._node, device, metric, unit, kind)) is not None:
                return kind
        return Kind.FLOAT


@dataclass(frozen=True, slots=True)
class Conversion:
    """A value as the device sends it to a number or text of one kind; None = the device says that there is none."""

    metric: str
    kind: Kind
    missing: frozenset[str]
    values: Mapping[str, Scalar]
    drops_others: bool

    def __call__(self, value: Scalar) -> Value:
        """The number, the text, or None.

        Raises:
            Refused: when it's neither.
        """
        said = _said(value)
        if self.missing and (said in self.missing or _as_number(value) in self.missing):
            return None
        if self.values:
            if said not in self.values and self.drops_others:
                return None
            if said not in self.values:
                wrong(f"`{said[:40]}` is none of the values of {self.metric}: {', '.join(self.values)}")
            value = self.values[said]
        if self.kind is Kind.TEXT:
            return value if isinstance(value, str) else said
        if self.kind is Kind.BOOL:
            return self._bool(value)
        return self._number(value)

    def _bool(self, value: Scalar) -> float:
        if isinstance(value, bool) or value in (0, 1):
            return float(value)
        if value in ("true", "false"):
            return float(value == "true")
        return wrong(f"{self.metric} is no bool: `{_said(value)[:40]}`")

    def _number(self, value: Scalar) -> float:
        if isinstance(value, bool) and not self.values:
            wrong(f"{self.metric} is no number: `{_said(value)}`")
        try:
            str(value).encode("ascii")  # digits of other scripts are no number
            number = float(value)
        except ValueError:
            wrong(f"{self.metric} is no number: `{str(value)[:40]}`")
        if not math.isfinite(number):
            raise Refused(RejectReason.NOT_A_NUMBER, f"{self.metric} is not a finite number")
        if self.kind is Kind.INT and not (number.is_integer() and abs(number) <= EXACT):
            wrong(f"{self.metric} is no whole number up to 2**53: `{str(value)[:40]}`")
        return number


def fill(template: str, captures: Mapping[str, str]) -> str:
    """`template` with each `{capture}` replaced; one that isn't there becomes empty."""
    if "{" not in template:
        return template
    out, rest = "", template
    while "{" in rest:
        before, _, rest = rest.partition("{")
        name, _, rest = rest.partition("}")
        out += before + captures.get(name, "")
    return out + rest


def _as_number(value: Scalar) -> str | None:
    """What `_said` makes of the number that a text holds: "999.0" is 999; None when it holds none."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return _said(float(value))
    except ValueError:
        return None


def _said(value: Scalar) -> str:
    """A value as text, the same for 1, 1.0 and "1"; true and false as JSON writes them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)[:_TEXT_LIMIT]
