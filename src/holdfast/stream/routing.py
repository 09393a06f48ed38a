"""Which stages read which series: tables by series id, extended when the catalogue grows. No strings per reading."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from holdfast.model.errors import UnitError
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.model.units import conversion, payload_unit
from holdfast.stream.plans import VALUE, By, StagePlan

if TYPE_CHECKING:
    from holdfast.stream.language.devices import Matches

Key = tuple[str, str, str]
"""(node, device, metric): ("n", "d", "") for a rule by device, ("n", "", "") by node, ("", "", "") for one over all."""
METRIC = "{metric}"
"""In the name of a metric that a rule by series makes: the metric that it's made of."""
_EVERY = ""
"""In place of a metric: the stage reads every one."""
_WORD = 64
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Refused:
    """A series that a rule names, and can't have in the unit it wants."""

    series: Series
    wanted: str


@cache
def _line(unit: str, wanted: str) -> tuple[float, float] | None:
    """(factor, offset) from a series' unit to the wanted one; None when there is none."""
    if unit in ("", wanted):
        return 1.0, 0.0
    try:
        to = payload_unit(wanted, None)
    except UnitError:
        to = None  # it may be a unit of this or that: the series tells which
    try:
        found = payload_unit(unit, to)
        factor, offset = conversion(found, to or payload_unit(wanted, found))
    except UnitError:
        return None
    return float(factor), float(offset)


class Route:
    """One stage's view of the catalogue.

    slot_of:   series id to the key's slot in the stage's state, -1 for series the stage doesn't read
    column_of: series id to the input column it fills
    device_of: series id to a number per device
    other_of:  series id to its place among the inputs of kind "other", -1 for none
    scale_of, zero_of: series id to what its values are multiplied by, and what is added then; for `converts` only
    converts:  whether any series is converted
    keys:      by slot. Slots are the stage's own, so its state outlives a renumbered catalogue
    """

    def __init__(self, plan: StagePlan, matches: "Sequence[Matches]") -> None:
        """matches: of all rules that share the stage."""
        self.plan = plan
        self._slots: dict[Key, int] = {}
        self._nodes: dict[str, int] = {}
        self._node_of: list[int] = []
        self.keys: list[Key] = []
        self.most_keys = 0
        """Keys beyond it are refused; 0 = any number."""
        self.turned_away: set[Key] = set()
        self.reset(matches)
        others = [i for i, one in enumerate(plan.inputs) if one.kind == "other"]
        self.other_place = {i: place for place, i in enumerate(others)}
        self._facts: dict[int, NDArray[np.float64]] = {
            i: np.empty(0) for i, one in enumerate(plan.inputs) if one.kind == "fact"
        }
        self._generation: dict[int, int] = {}
        self.refused: list[Refused] = []

    def reset(self, matches: "Sequence[Matches]") -> None:
        """Forget which series are read, not the keys: other rules share the stage from now on."""
        self.matches = list(matches)
        self._matched: dict[Key, bool] = {}
        self.turned_away.clear()
        self.slot_of: NDArray[np.int32] = np.empty(0, np.int32)
        self.column_of: NDArray[np.int16] = np.empty(0, np.int16)
        self.device_of: NDArray[np.int32] = np.empty(0, np.int32)
        self.other_of: NDArray[np.int16] = np.empty(0, np.int16)
        self.converts = False
        self.scale_of: NDArray[np.float64] = np.empty(0)
        self.zero_of: NDArray[np.float64] = np.empty(0)

    def resize(self, series: int) -> None:
        """Make room for `series` ids."""
        self.slot_of = _longer(self.slot_of, series, -1)
        self.column_of = _longer(self.column_of, series, 0)
        self.device_of = _longer(self.device_of, series, 0)
        self.other_of = _longer(self.other_of, series, -1)
        self.scale_of = _longer(self.scale_of, series, 1.0)
        self.zero_of = _longer(self.zero_of, series, 0.0)

    def admit(self, series_id: int, series: Series, device: int) -> bool:
        """Note a new series of a metric that the stage reads; False when it isn't meant."""
        is_read, is_text = False, series.kind == Kind.TEXT
        for i, place in self.other_place.items():
            one = self.plan.inputs[i]
            if (one.device, one.metric, one.is_text) == (series.device, series.metric, is_text) and self._convert(
                series_id, series, one.unit
            ):
                self.other_of[series_id] = place
                is_read = True
        every = self.plan.reads_every
        wanted = ("own", VALUE if every else series.metric, is_text)
        mine = [i for i, one in enumerate(self.plan.inputs) if (one.kind, one.metric, one.is_text) == wanted]
        key = (series.node, series.device, series.metric if every else "")
        if not mine or not self.is_meant(*key):
            return is_read
        if not self._convert(series_id, series, self.plan.inputs[mine[0]].unit):
            return is_read
        slot = self.slot_for(*key)
        if slot < 0:
            return is_read
        self.slot_of[series_id] = slot
        self.column_of[series_id] = mine[0]
        self.device_of[series_id] = device
        return True

    def _convert(self, series_id: int, series: Series, unit: str) -> bool:
        """Note how a series' values become those of the wanted unit; False when they can't."""
        if not unit or series.unit in ("", unit):
            return True
        line = _line(series.unit, unit)
        if line is None:
            self.refused.append(Refused(series, unit))
            return False
        if line != (1.0, 0.0):
            self.converts = True
            self.scale_of[series_id], self.zero_of[series_id] = line
        return True

    def converted(self, series: NDArray[np.int32], value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values in the units that the stage wants."""
        return value * self.scale_of[series] + self.zero_of[series] if self.converts else value

    def facts(self, i: int) -> NDArray[np.float64]:
        """Of an input column of kind "fact", the number of each slot; asked again when there's a new version."""
        of, known = self.plan.inputs[i].of, self._facts[i]
        generation = 0 if of is None else of.generation
        if self._generation.get(i) != generation:
            self._generation[i] = generation
            known = known[:0]
        if len(known) < len(self.keys):
            new = [np.nan if of is None else of(*key[:2]) for key in self.keys[len(known) :]]
            known = self._facts[i] = np.append(known, new)
        return known

    def is_meant(self, node: str, device: str, metric: str) -> bool:
        """Whether any of the stage's rules is about this device, or series."""
        key = node, device, metric
        found = self._matched.get(key)
        if found is None:
            found = self._matched[key] = any(one(*key) for one in self.matches)
        return found

    def slot_for(self, node: str, device: str, metric: str) -> int:
        """The slot of the key that a series belongs to; -1 for a new key beyond `most_keys`."""
        key = key_of(self.plan.by, node, device, metric)
        if self.most_keys and len(self.keys) >= self.most_keys and key not in self._slots:
            self.turned_away.add(key)
            return -1
        return self.slot(key)

    def find(self, key: Key) -> int | None:
        """The slot of a key, None for one that was never heard."""
        return self._slots.get(key)

    def nodes(self) -> NDArray[np.intp]:
        """A number for the node of each slot's key, shape (keys,)."""
        return np.array(self._node_of, np.intp)

    def slot(self, key: Key) -> int:
        """The key's slot, the next one when it is new."""
        known = self._slots.setdefault(key, len(self.keys))
        if known == len(self.keys):
            self.keys.append(key)
            self._node_of.append(self._nodes.setdefault(key[0], len(self._nodes)))
        return known


def key_of(by: By, node: str, device: str, metric: str = "") -> Key:
    """What a rule keeps a series under."""
    match by:
        case "series":
            return node, device, metric
        case "device":
            return node, device, ""
        case "node":
            return node, "", ""
        case _:
            return "", "", ""


def named(metric: str, of: str) -> str:
    """The metric that a rule makes of the series `of`."""
    return metric.replace(METRIC, of)


class Routes:
    """All stages' routes, and the tables that tell at once which stages a batch touches.

    wanted:   series id to whether any stage reads it
    interest: series id to a bit per stage, shape (series, words)

    A stage has a place, a bit; places of stages that are gone are given to new ones.
    """

    def __init__(self, catalogue: Catalogue, made: frozenset[str]) -> None:
        """made: metrics that rules make, which these never read."""
        self._catalogue = catalogue
        self.made = made
        self._like = [re.compile(re.escape(one).replace(r"\{metric\}", ".+")) for one in made if METRIC in one]
        self._known = 0
        self._readers: dict[str, list[int]] = {}
        self._series_of: dict[str, list[int]] = {}
        self.routes: list[Route | None] = []
        self.refused: list[Refused] = []
        """Series that couldn't be converted, until somebody takes them."""
        self.wanted: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.interest: NDArray[np.uint64] = np.empty((0, 1), np.uint64)

    def is_made(self, metric: str) -> bool:
        """Whether a rule makes series of this metric."""
        return metric in self.made or any(one.fullmatch(metric) for one in self._like)

    def add(self, route: Route) -> int:
        """A stage that reads readings: its place."""
        try:
            place = self.routes.index(None)
            self.routes[place] = route
        except ValueError:
            place = len(self.routes)
            self.routes.append(route)
            if place >= _WORD * self.interest.shape[1]:
                self.interest = np.append(self.interest, np.zeros((len(self.interest), 1), np.uint64), 1)
        route.resize(len(self.wanted))
        for metric in _metrics(route):
            self._readers.setdefault(metric, []).append(place)
            for i in range(self._known) if metric == _EVERY else self._series_of.get(metric, ()):
                self._admit(i, self._catalogue[i], place)
        return place

    def remove(self, place: int) -> None:
        """The stage at this place is gone, or is about to be added anew."""
        route = self.routes[place]
        if route is None:
            return
        self.routes[place] = None
        for metric in _metrics(route):
            self._readers[metric].remove(place)
            if not self._readers[metric]:
                del self._readers[metric]
        self.interest[:, place // _WORD] &= ~np.uint64(1 << place % _WORD)
        self.wanted = np.any(self.interest, axis=1)

    def refresh(self) -> bool:
        """Look at the series that came into the catalogue since the last call; whether there were any."""
        count = len(self._catalogue)
        if count == self._known:
            return False
        if count > len(self.wanted):
            self._resize(max(count, 2 * len(self.wanted)))
        for i, series in enumerate(self._catalogue.since(self._known), self._known):
            self._series_of.setdefault(series.metric, []).append(i)
            for place in (*self._readers.get(series.metric, ()), *self._readers.get(_EVERY, ())):
                self._admit(i, series, place)
        self._known = count
        found = [one for route in self.routes if route is not None for one in route.refused]
        for route in self.routes:
            if route is not None:
                route.refused.clear()
        self.refused += dict.fromkeys(found)
        return True

    def _admit(self, i: int, series: Series, place: int) -> None:
        route = self.routes[place]
        if route is None or self.is_made(series.metric):
            return
        if route.admit(i, series, self._catalogue.device_id(series.node, series.device)):
            self.wanted[i] = True
            self.interest[i, place // _WORD] |= np.uint64(1 << place % _WORD)

    def touched(self, series: NDArray[np.int32]) -> list[int]:
        """The stages that read any of these series, ascending."""
        words = np.bitwise_or.reduce(self.interest.take(series, axis=0), axis=0).tolist()
        found = []
        for w, word in enumerate(words):
            rest = word
            while rest:
                low = rest & -rest
                found.append(w * _WORD + low.bit_length() - 1)
                rest ^= low
        return found

    def _resize(self, count: int) -> None:
        more = count - len(self.wanted)
        self.wanted = np.concatenate([self.wanted, np.zeros(more, np.bool_)])
        self.interest = np.concatenate([self.interest, np.zeros((more, self.interest.shape[1]), np.uint64)])
        for route in self.routes:
            if route is not None:
                route.resize(count)


def _metrics(route: Route) -> set[str]:
    every = route.plan.reads_every
    return {_EVERY if every and one.kind == "own" else one.metric for one in route.plan.inputs if one.kind != "fact"}


def _longer(table: NDArray[_T], size: int, fill: float) -> NDArray[_T]:
    return np.concatenate([table, np.full(size - len(table), fill, table.dtype)])
