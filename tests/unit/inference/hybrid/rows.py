"""Rows and results of a deployment, made up."""

from collections.abc import Sequence

import numpy as np

from holdfast.model.features import FeatureRows
from holdfast.model.predictions import How, Predictions, Results

PLACES = [("gw", "pump-1"), ("gw", "pump-2")]


def rows(values: Sequence[Sequence[float]], first_ts: int = 1, deployment: str = "pump") -> FeatureRows:
    n = len(values)
    return FeatureRows(
        features="pump@0011",
        deployment=deployment,
        places=PLACES,
        key=np.arange(n, dtype=np.int32) % 2,
        ts=np.arange(first_ts, first_ts + n, dtype=np.int64),
        values=np.array(values, np.float64),
        flags=np.zeros(n, np.uint8),
        arrived=0.0,
    )


def results(
    of: FeatureRows, confidence: Sequence[float], score: Sequence[float] | None = None, role: str = "active"
) -> Results:
    n = len(of)
    said = Predictions(
        np.array(score if score is not None else [0.5] * n, np.float64),
        np.zeros(n, np.int32),
        np.array(confidence, np.float64),
    )
    return Results(
        deployment=of.deployment,
        model="small",
        version="1.0.0",
        role=role,  # type: ignore[arg-type]  # a word of the closed set
        labels=["well", "leak"],
        places=of.places,
        key=of.key,
        ts=of.ts,
        predictions=said,
        how=np.full(n, How.MODEL, np.uint8),
        flags=of.flags,
        took_s=0.001,
        latency=np.full(n, 0.001),
    )
