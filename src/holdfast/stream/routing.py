"""Which rules read which series: tables by series id, extended when the catalogue grows. No strings per reading."""

import numpy as np
from numpy.typing import NDArray

from holdfast.model.series import Catalogue
from holdfast.stream.rules import CompiledRule

Device = tuple[str, str]
_WORD = 64


class Route:
    """One rule's view of the catalogue.

    slot_of:   series id to the device's slot in the rule's state, -1 for series the rule doesn't read
    metric_of: series id to the metric's position in the rule's plan; None for a rule with one metric
    devices:   (node, device) by slot. Slots are the rule's own, so its state outlives a renumbered catalogue
    """

    def __init__(self, rule: CompiledRule) -> None:
        self._rule = rule
        self._slots: dict[Device, int] = {}
        self._matched: dict[Device, bool] = {}
        self.devices: list[Device] = []
        self.slot_of: NDArray[np.int32] = np.empty(0, np.int32)
        self.metric_of: NDArray[np.int16] | None = None if len(rule.plan.metrics) == 1 else np.empty(0, np.int16)

    def resize(self, series: int) -> None:
        """Make room for `series` ids."""
        self.slot_of = np.concatenate([self.slot_of, np.full(series - len(self.slot_of), -1, np.int32)])
        if self.metric_of is not None:
            self.metric_of = np.concatenate([self.metric_of, np.zeros(series - len(self.metric_of), np.int16)])

    def admit(self, series_id: int, device: Device, metric: str) -> bool:
        """Note a new series of a metric that the rule reads; False when its device isn't meant."""
        matched = self._matched.get(device)
        if matched is None:
            matched = self._matched[device] = self._rule.matches(*device)
        if not matched:
            return False
        self.slot_of[series_id] = self.slot(device)
        if self.metric_of is not None:
            self.metric_of[series_id] = self._rule.plan.metrics.index(metric)
        return True

    def slot(self, device: Device) -> int:
        """The device's slot, the next one when it is new."""
        known = self._slots.setdefault(device, len(self.devices))
        if known == len(self.devices):
            self.devices.append(device)
        return known


class Routes:
    """All rules' routes, and the tables that tell at once which rules a batch touches.

    wanted:   series id to whether any rule reads it
    interest: series id to a bit per rule, shape (series, words)
    """

    def __init__(self, rules: list[CompiledRule], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known = 0
        self._readers: dict[str, list[int]] = {}
        for i, rule in enumerate(rules):
            for metric in rule.plan.metrics:
                self._readers.setdefault(metric, []).append(i)
        self.routes = [Route(rule) for rule in rules]
        self.wanted: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.interest: NDArray[np.uint64] = np.empty((0, -(-len(rules) // _WORD) or 1), np.uint64)

    def refresh(self) -> None:
        """Look at the series that came into the catalogue since the last call."""
        count = len(self._catalogue)
        if count == self._known:
            return
        if count > len(self.wanted):
            self._resize(max(count, 2 * len(self.wanted)))
        is_text = self._catalogue.is_text
        for i, series in enumerate(self._catalogue.since(self._known), self._known):
            if is_text[i]:
                continue  # a text's value is only its place in the batch's list
            for r in self._readers.get(series.metric, ()):
                if self.routes[r].admit(i, (series.node, series.device), series.metric):
                    self.wanted[i] = True
                    self.interest[i, r // _WORD] |= np.uint64(1 << r % _WORD)
        self._known = count

    def touched(self, series: NDArray[np.int32]) -> list[int]:
        """The rules that read any of these series, ascending."""
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
            route.resize(count)
