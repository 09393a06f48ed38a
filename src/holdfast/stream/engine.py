"""The rule engine: batches in, decisions out. Pure: no clock, no socket, no disk.

Cost is per batch and rule, not per reading: one table lookup finds the rows that any rule reads and the rules they
touch; a rule that isn't touched costs nothing; the others work on whole columns.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue
from holdfast.stream import checkpoints
from holdfast.stream.checkpoints import StoredRule
from holdfast.stream.errors import SnapshotUnusable
from holdfast.stream.evidence import Decision
from holdfast.stream.judges import Judge
from holdfast.stream.routing import Routes
from holdfast.stream.rows import arrive
from holdfast.stream.rules import CompiledRule

_Restored = list[tuple[Judge, StoredRule, dict[str, NDArray[np.generic]]]]


class Engine:
    """Evaluates rules over the series of a catalogue.

    Call `evaluate` with every batch in order, `tick` about once a second, and `snapshot` whenever a checkpoint is due.
    After a start: `restore` the last checkpoint, then `evaluate` the batches that came after it. Not thread-safe.
    """

    def __init__(self, rules: Sequence[CompiledRule], catalogue: Catalogue, node: str) -> None:
        self._catalogue = catalogue
        self._routes = Routes(list(rules), catalogue)
        self._judges = [Judge(rule, route, node) for rule, route in zip(rules, self._routes.routes, strict=True)]

    @property
    def rules(self) -> list[CompiledRule]:
        """The rules at work."""
        return [judge.rule for judge in self._judges]

    def evaluate(self, batch: Batch) -> list[Decision]:
        """The decisions on a batch, in order of their deciding rows."""
        self._routes.refresh()
        arrived = arrive(batch, self._routes.wanted, self._catalogue.device_of)
        if arrived is None:
            return []
        found: list[tuple[int, Decision]] = []
        with np.errstate(all="ignore"):  # 0/0 is NaN here, and means unknown
            for r in self._routes.touched(arrived.series):
                found += self._judges[r].evaluate(arrived)
        if len(found) > 1:
            found.sort(key=lambda pair: pair[0])
        return [decision for _, decision in found]

    def tick(self, now_ns: int) -> list[Decision]:
        """Close the tumbling windows of devices that fell silent; the decisions on them."""
        with np.errstate(all="ignore"):
            return [decision for judge in self._judges for decision in judge.tick(now_ns)]

    def snapshot(self) -> bytes:
        """Everything that a restarted engine needs to go on as if nothing had happened."""
        stored = []
        for judge in self._judges:
            devices = judge.route.devices
            judge.state.grow(len(devices))
            arrays = {name: checkpoints.pack(array) for name, array in judge.state.export(len(devices)).items()}
            stored.append(StoredRule(judge.rule.name, judge.rule.version, list(devices), arrays))
        return checkpoints.write(stored)

    def restore(self, data: bytes) -> bool:
        """Take a snapshot's state over, for rules that are still the same; False, and nothing changed, if unusable."""
        try:
            restored = self._match(data)
        except SnapshotUnusable:
            return False
        for judge, stored, arrays in restored:
            slots = np.array([judge.route.slot((node, device)) for node, device in stored.devices], np.intp)
            judge.state.grow(len(judge.route.devices))
            judge.state.put(slots, arrays)
        return True

    def _match(self, data: bytes) -> _Restored:
        judges = {(judge.rule.name, judge.rule.version): judge for judge in self._judges}
        restored: _Restored = []
        for stored in checkpoints.read(data):
            judge = judges.get((stored.name, stored.version))
            if judge is None:
                continue
            arrays = {name: checkpoints.unpack(a, len(stored.devices)) for name, a in stored.arrays.items()}
            if arrays.keys() != judge.state.names() or not all(judge.state.fits(n, a) for n, a in arrays.items()):
                raise SnapshotUnusable(f"the state of rule {stored.name} has other arrays than this release keeps")
            restored.append((judge, stored, arrays))
        return restored
