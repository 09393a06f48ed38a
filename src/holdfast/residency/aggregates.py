"""What a step of a group of devices may say about itself. Pure.

Each device counts once, with its own mean of the step: a device that sends a thousand rows must not drown four that
send one, or the group's mean would be that device's value under another name. A step with fewer devices than
`min_group` says nothing, not even how many they were.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from holdfast.model.batch import Batch
from holdfast.model.quality import is_usable
from holdfast.model.series import Catalogue, Kind
from holdfast.residency.rules import Policy
from holdfast.residency.settings import Leave, Statistic

Fate = Literal["left", "too_small", "mixed"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one aggregate. rows: usable ones; value: only of a step that may leave; unit: of the readings."""

    fate: Fate
    rows: int
    value: float = 0.0
    unit: str = ""


def wanted(batch: Batch, catalogue: Catalogue, policy: Policy, place: int, leave: Leave) -> Batch:
    """The usable numbers of the series that this rule keeps and this aggregate is of."""
    rules = policy.rule_of(catalogue)
    ids = np.unique(batch.series)
    fits = [
        int(rules[i]) == place
        and catalogue[int(i)].kind is not Kind.TEXT
        and (not leave.of or catalogue[int(i)].metric == leave.of)
        for i in ids
    ]
    rows = np.isin(batch.series, ids[np.array(fits, np.bool_)]) & is_usable(batch.quality) & np.isfinite(batch.value)
    return batch.take(rows)


def step_of(batch: Batch, catalogue: Catalogue, leave: Leave) -> Step | None:
    """What becomes of the wanted rows of one step; None when there are none."""
    if not len(batch):
        return None
    measured = {(catalogue[int(i)].metric, catalogue[int(i)].unit) for i in np.unique(batch.series)}
    devices, row = np.unique(catalogue.device_of[batch.series], return_inverse=True)
    if len(devices) < leave.min_group:
        return Step("too_small", len(batch))
    if len(measured) > 1:
        return Step("mixed", len(batch))
    means = np.bincount(row, batch.value) / np.bincount(row)
    unit = "1" if leave.aggregate == "count" else measured.pop()[1]
    return Step("left", len(batch), _statistic(means, leave.aggregate or "mean"), unit)


def _statistic(means: np.ndarray[tuple[int], np.dtype[np.float64]], statistic: Statistic) -> float:
    if statistic == "count":
        return float(len(means))
    return float(means.sum() if statistic == "sum" else means.mean())
