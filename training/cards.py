"""A model's folder as it ships: its file, `model.yaml`, `features.yaml`; how training's data was spread, for drift."""

import argparse
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

Array = NDArray[Any]
DATA = Path(os.environ.get("HOLDFAST_DATA", "/work/shared/data"))
BINS = 10
FILE, CARD, FEATURES = "model.onnx", "model.yaml", "features.yaml"
LICENCE = "Apache-2.0 (weights)"


def arguments(what: str, name: str) -> argparse.Namespace:
    """--data, --out and --check of a training script."""
    shipped = Path(__file__).parents[1] / "src/holdfast/inference/shipped"
    asked = argparse.ArgumentParser(description=what)
    asked.add_argument("--data", type=Path, default=DATA, help="the folder of data sets")
    asked.add_argument("--out", type=Path, default=shipped / name, help="the model's folder")
    asked.add_argument("--check", action="store_true", help="print the report, write nothing")
    return asked.parse_args()


def histogram(values: Array) -> dict[str, list[float]]:
    """Ten bins of about equal shares, the outer ones open: eleven shares less one. What PSI is measured against.

    Values that repeat a lot (a lamp that's off) make fewer bins.
    """
    values = np.asarray(values, np.float64).ravel()
    fine = max(float(np.ptp(values)), 1e-300) * 1e-5  # what differs by less is rounding
    quantiles = np.round(np.quantile(values, np.arange(1, BINS) / BINS) / fine) * fine
    edges = np.unique([float(f"{edge:.5g}") for edge in quantiles]) + 0.0
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    shares = np.round(counts / counts.sum(), 6)
    shares[shares.argmax()] += 1 - shares.sum()
    return {"edges": [float(edge) for edge in edges], "shares": [round(float(share), 6) for share in shares]}


def baseline(columns: Mapping[str, Array], predictions: Array) -> dict[str, Any]:
    """Histograms of features by name and of the score."""
    return {name: histogram(values) for name, values in (*columns.items(), ("prediction", predictions))}


def rounded(value: Any, digits: int = 4) -> float:
    """A figure as a card says it."""
    return round(float(value), digits)


def write(out: Path, model: bytes, card: Mapping[str, Any], features: Mapping[str, Any]) -> None:
    """The three files; a README beside them is people's."""
    from holdfast.stream.language.featuring import load_features  # noqa: PLC0415  # it loads the whole stream room

    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_bytes(model)
    (out / FEATURES).write_text(_yaml({"features": features}))
    told = dict(card) | {"file": FILE, "sha256": hashlib.sha256(model).hexdigest()}
    told["inputs"] = {"features": load_features([out / FEATURES])[0].ref} | dict(card["inputs"])
    (out / CARD).write_text(_yaml({key: told[key] for key in _ORDER if key in told}))


_ORDER: Sequence[str] = (
    *("model", "version", "task", "description", "file", "sha256", "runtime", "inputs", "outputs", "threshold"),
    *("budget", "memory", "metrics", "trained", "licence", "baseline"),
)


class _Short(yaml.SafeDumper):
    """Lists of numbers on one line."""


_Short.add_representer(
    list,
    lambda dumper, data: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", data, flow_style=all(isinstance(one, int | float | str) for one in data)
    ),
)


def _yaml(value: Mapping[str, Any]) -> str:
    text: str = yaml.dump(value, Dumper=_Short, sort_keys=False, allow_unicode=True, width=10_000)
    return text
