"""Parts of `modelled`: distributions that moved, an hour of latencies, results, cards."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from msgspec.structs import replace

from holdfast.inference.lifecycle.drift.shapes import Shape
from holdfast.inference.lifecycle.states import Book, Command, apply
from holdfast.inference.lifecycle.status import ColumnStatus, DriftStatus
from holdfast.web.model_answers import FeatureSetTold, FeatureTold, ModelCard, Pace, ResultTold, Running

MINUTE, HOUR, DAY = 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
Normal = tuple[float, float]
Moved = Mapping[str, tuple[Normal, Normal, Sequence[float]]]
"""By column: mean and deviation of then and of now, and inner edges."""


def active_at(deployment: str, ref: str, at_ns: int) -> Book:
    """A book whose one version was named by node.yaml."""
    book = apply(Book(deployment), Command("add", ref, by="node.yaml"), at_ns)
    return apply(book, Command("promote", ref, by="node.yaml", why="node.yaml says so", force=True), at_ns)


def _bins(normal: Normal, edges: Sequence[float]) -> list[float]:
    mean, deviation = normal
    below = [0.5 * (1 + math.erf((x - mean) / (deviation * math.sqrt(2)))) for x in edges]
    return [round(b - a, 4) for a, b in pairwise([0.0, *below, 1.0])]


def shapes(moved: Moved) -> dict[str, Shape]:
    return {name: Shape(list(edges), _bins(a, edges), _bins(b, edges)) for name, (a, b, edges) in moved.items()}


def columns(moved: Moved) -> list[ColumnStatus]:
    found = []
    for at, (name, shape) in enumerate(shapes(moved).items()):
        pairs = [(max(a, 1e-3), max(b, 1e-3)) for a, b in zip(shape.then, shape.now, strict=True)]
        psi = sum((b - a) * math.log(b / a) for a, b in pairs)
        ks = float(np.abs(np.cumsum(shape.then) - np.cumsum(shape.now)).max())
        climbing = [min(1.0, max(0.0, (i - 54) / 26)) if psi > 0.2 else 0.8 for i in range(96)]
        spark: list[float | None] = [
            None if i < 6 else round(max(0.004, psi * part + 0.012 * math.sin(i + at)), 4)
            for i, part in enumerate(climbing)
        ]
        kind: Literal["input", "prediction"] = "prediction" if name == "prediction" else "input"
        found.append(
            ColumnStatus(
                name, kind, "settled", round(psi, 4), 0.2, round(ks, 4), 0.15, round(psi * 1.2, 4), round(ks, 4),
                psi > 0.2, spark, 1 if name == "light" else 0, "room-07" if name == "light" else "",
            )
        )  # fmt: skip
    return found


def watched(told: list[ColumnStatus], labelled: int, error: float | None) -> DriftStatus:
    usual = None if error is None else error * 0.9
    return DriftStatus(told, 128, 0, 12, 1_102_310, 402, 11_020, 0, labelled, error, usual, False, 4_120_440)


def trend(now_ns: int, p50: float, p99: float, rate: float, late: Sequence[int] = ()) -> list[Pace]:
    """An hour of minutes; late: minutes with a load."""
    found = []
    for i in range(60):
        wave, more = 1 + 0.12 * math.sin(i / 4) + 0.05 * math.sin(i * 1.7), 2.6 if i in late else 1.0
        at = now_ns - (60 - i) * MINUTE
        found.append(Pace(at, round(p50 * wave, 2), round(p99 * wave * more, 2), round(rate * (0.97 + wave / 30), 1)))
    return found


def results(now_ns: int, devices: Sequence[str], version: str, labels: Sequence[str], level: float) -> list[ResultTold]:
    found = []
    for i in range(60):
        usual = level * (0.5 + 0.3 * math.sin(i / 3) + 0.2 * math.sin(i * 2.3))
        score = round(level * 2.4 if i == 4 else usual, 4)
        how = "last" if i == 11 else "smaller" if i in (20, 21) else "model"
        label = labels[-1] if score > level else labels[0]
        device, at = devices[i % len(devices)], now_ns - i * 100_000_000
        found.append(ResultTold("gw", device, at, score, label, None, how, version, 12.4))
    return found


def run(p50: float, p99: float, rate: float, scored: int, **more: Any) -> Running:
    return replace(Running(health="ok", p50_ms=p50, p99_ms=p99, rows_per_s=rate, scored=scored), **more)


def card(ref: str, task: str, labels: Sequence[str], threshold: float | None) -> ModelCard:
    return ModelCard(
        ref, "Autoencoder over eight signals of a pump and its loop: what it can't rebuild is unusual.", task, "onnx",
        "CPUExecutionProvider", "8 float32", list(labels), threshold,
        {"f1": 0.78, "false_alarm_rate": 0.136, "missed_alarm_rate": 0.27, "data": "SKAB, 34 experiments"},
        {"data": "SKAB v0.9, anomaly-free", "from": "2020-02-08", "to": "2020-03-09", "rows": 9405, "seed": 1},
        "GPL-3.0 (data) / Apache-2.0 (weights)", "5d41402abc4b2a76b9719d911017c592ae3f1c0c7d1e2bb1d1c8a0bb1c4f9e70",
        48_212, 3_400_000,
    )  # fmt: skip


def features(name: str, source: str, texts: Mapping[str, str]) -> FeatureSetTold:
    told = [FeatureTold(feature, text, 1024 if "samples" in text else 1) for feature, text in texts.items()]
    return FeatureSetTold(f"{name}@9f86d081884c7d65", source, "every message", "last value", "good only", told)
