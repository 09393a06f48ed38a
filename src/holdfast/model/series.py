"""Series, and the catalogue that gives each one a dense number.

Invariant: ids are 0, 1, 2 … in order of first sight, never reused. So "the catalogue up to n" is itself a
dense log, and a parent that knows the first n series needs only the rest.
"""

import threading
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.model.lane import Stay


class Kind(IntEnum):
    """What a series' values are. Append only: the numbers are stored."""

    FLOAT = 0
    INT = 1
    BOOL = 2
    TEXT = 3


class Series(NamedTuple):
    """A device's metric, with its unit (SenML name, RFC 8428 §12.1), at the node where it was first read."""

    node: str
    device: str
    metric: str
    unit: str
    kind: Kind

    @property
    def name(self) -> str:
        """`node/device/metric`, as operators write it."""
        return f"{self.node}/{self.device}/{self.metric}"


class Catalogue:
    """Every series a node has seen; id lookup by value and, for vector work, columns by id."""

    def __init__(self) -> None:
        self._series: list[Series] = []
        self._id_of: dict[Series, int] = {}
        self._devices: dict[tuple[str, str], int] = {}
        self._metrics: dict[str, int] = {}
        self.device_names: list[tuple[str, str]] = []
        self.metric_names: list[str] = []
        self._device_of = np.empty(64, np.int32)
        self._metric_of = np.empty(64, np.int32)
        self._is_text = np.zeros(64, np.bool_)
        self._stay_of = np.zeros(64, np.uint8)
        self._is_local = np.zeros(64, np.bool_)
        self._keeps: Callable[[Series], bool] | None = None
        self._rule: Callable[[Series], Stay] = _anywhere
        self.made: set[int] = set()
        """Series made to leave in place of others (pseudonyms, aggregates); no rule keeps them."""
        self.freed: set[int] = set()
        """Series that were kept once and aren't any more: others may know them by a placeholder only."""
        # The loop names devices' series while the journal's writer names children's: new ones are rare, so a lock.
        self._adding = threading.Lock()

    def __len__(self) -> int:
        return len(self._series)

    def __getitem__(self, series_id: int) -> Series:
        return self._series[series_id]

    def since(self, count: int) -> list[Series]:
        """The series with id >= count, in id order."""
        return self._series[count:]

    def find(self, series: Series) -> int | None:
        """The id of a known series."""
        return self._id_of.get(series)

    def intern(self, series: Series) -> int:
        """The id of a series, giving it the next one when it is new."""
        known = self._id_of.get(series)
        return self._add(series) if known is None else known

    def _add(self, series: Series, *, is_made: bool = False) -> int:
        with self._adding:
            if series in self._id_of:
                return self._id_of[series]
            new = len(self._series)
            if new == len(self._device_of):
                self._grow()
            self._device_of[new] = self.device_id(series.node, series.device)
            self._metric_of[new] = self.metric_id(series.metric)
            self._is_text[new] = series.kind == Kind.TEXT
            if is_made:
                self.made.add(new)  # before anybody can see it
            self._stay_of[new] = Stay.ANYWHERE if is_made else self._rule(series)
            self._is_local[new] = not is_made and self._keeps is not None and self._keeps(series)
            self._series.append(series)
            self._id_of[series] = new
            return new

    def intern_made(self, series: Series) -> int:
        """The id of a series made to leave in place of others: no rule keeps it."""
        known = self._id_of.get(series)
        number = self._add(series, is_made=True) if known is None else known
        self.made.add(number)
        self._stay_of[number] = Stay.ANYWHERE
        self._is_local[number] = False
        return number

    def set_stay(self, series_id: int, stay: Stay) -> None:
        """A known series may go so far from now on."""
        self._stay_of[series_id] = stay
        if series_id in self.made:
            return
        if stay is Stay.ANYWHERE:
            self.freed.add(series_id)
        else:
            self.freed.discard(series_id)

    def rule_by(self, rule: Callable[[Series], Stay]) -> None:
        """Ask `rule` how far each series may go that gets its number from here on."""
        self._rule = rule

    def keep_by(self, keeps: Callable[[Series], bool]) -> None:
        """Ask `keeps` of each series, known or new, whether its readings stay here though they'd be free to leave."""
        with self._adding:
            self._keeps = keeps
            for number, series in enumerate(self._series):
                self._is_local[number] = number not in self.made and keeps(series)

    @property
    def has_filter(self) -> bool:
        """May there be series whose readings a filter keeps here?"""
        return self._keeps is not None

    def device_id(self, node: str, device: str) -> int:
        """A dense number for a device; vector code groups by it."""
        key = (node, device)
        if key not in self._devices:
            self._devices[key] = len(self.device_names)
            self.device_names.append(key)
        return self._devices[key]

    def metric_id(self, metric: str) -> int:
        """A dense number for a metric name."""
        if metric not in self._metrics:
            self._metrics[metric] = len(self.metric_names)
            self.metric_names.append(metric)
        return self._metrics[metric]

    @property
    def device_of(self) -> NDArray[np.int32]:
        """Device number of each series, shape (len,)."""
        return self._device_of[: len(self._series)]

    @property
    def metric_of(self) -> NDArray[np.int32]:
        """Metric number of each series, shape (len,)."""
        return self._metric_of[: len(self._series)]

    @property
    def is_text(self) -> NDArray[np.bool_]:
        """Which series hold text, shape (len,)."""
        return self._is_text[: len(self._series)]

    @property
    def stay_of(self) -> NDArray[np.uint8]:
        """How far each series may go (`Stay`), shape (len,)."""
        return self._stay_of[: len(self._series)]

    @property
    def is_local(self) -> NDArray[np.bool_]:
        """Whose readings a filter keeps here, unless a residency rule does so already; shape (len,)."""
        return self._is_local[: len(self._series)]

    def may_leave(self, series: Series) -> Stay:
        """How far the readings of a series may go; a series never seen goes by the rules."""
        number = self._id_of.get(series)
        return self._rule(series) if number is None else Stay(int(self._stay_of[number]))

    def _grow(self) -> None:
        size = 2 * len(self._device_of)
        self._device_of = np.resize(self._device_of, size)
        self._metric_of = np.resize(self._metric_of, size)
        self._is_text = np.resize(self._is_text, size)
        self._stay_of = np.resize(self._stay_of, size)
        self._is_local = np.resize(self._is_local, size)


def _anywhere(_: Series) -> Stay:
    return Stay.ANYWHERE
