"""What lives find (drift, falling back) as readings, so that rules, alerts and the hub know of it."""

from collections.abc import Iterable, Sequence

import numpy as np

from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.model.batch import Batch
from holdfast.model.predictions import TROUBLE_PARTS, metric_of
from holdfast.model.series import Catalogue, Kind, Series

DEVICE = "models"
"""Whose readings are about a deployment as a whole."""
_LEAST = 1.0


def troubles(
    found: Sequence[Finding], alarms: Iterable[Finding], catalogue: Catalogue, node: str, now_ns: int
) -> Batch:
    """A message for each device of which something was found: how far the worst is beyond its limit, and its words.

    alarms: all that are raised now, in those deployments; nothing raised of a device = 0, with what is over
    """
    about = dict.fromkeys((one.deployment, one.node or node, one.device or DEVICE) for one in found)
    raised = list(alarms)
    series, values, texts = list[int](), list[float](), list[str]()
    for deployment, where, device in about:
        mine = [
            one
            for one in raised
            if (one.deployment, one.node or node, one.device or DEVICE) == (deployment, where, device)
        ]
        worst = max(mine, key=_beyond, default=None)
        last = [one for one in found if (one.deployment, one.device or DEVICE) == (deployment, device)][-1]
        number, words = (metric_of(deployment, part) for part in TROUBLE_PARTS)
        series += [
            catalogue.intern(Series(where, device, number, "", Kind.FLOAT)),
            catalogue.intern(Series(where, device, words, "", Kind.TEXT)),
        ]
        values += [0.0 if worst is None else _beyond(worst), float(len(texts))]
        texts.append((worst or last).message)
    n = len(series)
    return Batch(
        np.array(series, np.int32), np.full(n, now_ns, np.int64), np.array(values), np.zeros(n, np.uint8), tuple(texts)
    )


def _beyond(one: Finding) -> float:
    """How many times its limit it is; at least 1."""
    return max(_LEAST, one.value / one.limit) if one.limit > 0 and np.isfinite(one.value) else _LEAST
