"""Does a pump run otherwise than usual? SKAB (Katser and Kozitsin 2020): `python -m training.pump`.

A shipped model is frozen, and no two pumps are alike: a network of raw values, standardised by the fault-free run,
reaches an F1 of 0.56. So the feature set brings each sensor as how far its recent mean lies from what is usual *there*,
in that sensor's own deviations, signed: the detector `joint` by sensor, which the engine fits to a device's first 400
rows, which goes along with drift, and which holds what is usual while it's left. The autoencoder learns which
combinations of such departures fault-free running shows; what it can't rebuild is unusual.

Network: the fault-free run, its first 80 %, cut into starts of devices, rows beyond `USUAL` left out. Threshold and
form: on the development half of the experiments (`benches.skab.halves`), rows after the 400th. Checked: on the other.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.benches.skab import FIT_ROWS, Experiment, changes, flips, halves, outliers
from holdfast.stream.detectors.catalogue import make
from holdfast.stream.detectors.ports import Scope
from holdfast.stream.state import State
from training import cards
from training.graphs import Graph, run
from training.sources import SENSORS, Pumps, digest, pumps
from training.steady import one_thread

Array = NDArray[Any]
SEED = 1
LAYERS = (6, 2, 6)
ROUNDS = 60
USUAL = 4.7
"""Deviations; where `joint` raises an alarm. A row beyond isn't learnt from, whatever the file is called."""
SEGMENT, EVERY, THIN = 1200, 60, 5
LEARNT = 0.8
MOST_FALSE = 10.0
"""Percent of the development half's fault-free rows that the threshold may flag."""


def _departure(metric: str) -> str:
    """In the language of rules. `joint` asks for two columns at least, so it's given the one twice."""
    told = f"{metric}, {metric}, 'joint'"
    return f"sign(anomaly_seen({told}) - expected({told})) * anomaly_deviations({told})"


FEATURES: dict[str, Any] = {
    "pump-departures": {
        "version": 1,
        "description": "How far each sensor of a pump is from what is usual there, in its own deviations, signed",
        "from": "readings",
        "select": {sensor: _departure(sensor) for sensor in SENSORS},
        "window": "none",
        "missing": "skip",
        "quality": "good",
    }
}


@dataclass(frozen=True, slots=True)
class Net:
    """Layers with tanh between, the last without."""

    layers: tuple[tuple[Array, Array], ...]

    def rebuilt(self, x: Array) -> Array:
        """Shape (n, 8)."""
        *inner, (weights, bias) = self.layers
        for w, b in inner:
            x = np.tanh(x @ w + b)
        made: Array = x @ weights + bias
        return made

    def score(self, x: Array) -> Array:
        """Mean squared difference, shape (n,)."""
        found: Array = ((x - self.rebuilt(x)) ** 2).mean(1)
        return found


def departures(values: Array) -> Array:
    """Features of machines that all begin at row 0: (machines, rows, sensors), as `FEATURES` says. At 1 Hz."""
    machines, rows, sensors = values.shape
    state = State()
    joint = make("joint", Scope(state, "joint."), None, ["value", "value again"])
    state.grow(machines * sensors)
    slots = np.arange(machines * sensors)
    found = np.zeros((machines, rows, sensors))
    for row in range(rows):
        ts = np.full(len(slots), row * 1_000_000_000)
        said = joint.update(slots, ts, np.repeat(values[:, row].reshape(-1, 1), 2, 1))
        found[:, row] = (np.sign(said.seen - said.expected) * said.deviations).reshape(machines, sensors)
    return found


def started(normal: Array) -> Array:
    """Rows after the 400th of devices that begin anywhere in a run: (rows, 8)."""
    begins = range(0, len(normal) - SEGMENT + 1, EVERY)
    found = departures(np.stack([normal[at : at + SEGMENT] for at in begins]))[:, FIT_ROWS:]
    return found[:, ::THIN].reshape(-1, normal.shape[1])


def fit(rows: Array) -> Net:
    """An autoencoder of departures."""
    return network(rows[np.abs(rows).max(1) < USUAL])


def network(rows: Array) -> Net:
    """An autoencoder of rows."""
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415  # the extra `train`
    from sklearn.neural_network import MLPRegressor  # noqa: PLC0415  # the extra `train`

    net = MLPRegressor(hidden_layer_sizes=LAYERS, activation="tanh", alpha=1e-2, max_iter=ROUNDS, random_state=SEED)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many rounds, whatever they reach
        net.fit(rows, rows)
    return Net(tuple(zip(net.coefs_, net.intercepts_, strict=True)))


def graph(net: Net) -> bytes:
    """As ONNX: x [n, 8] to xhat [n, 8]."""
    made = Graph("pump-anomaly", "x", len(SENSORS))
    x = "x"
    for at, (weights, bias) in enumerate(net.layers):
        x = made.dense(made.add("Tanh", x) if at else x, weights, bias)
    return made.made(xhat=(x, len(SENSORS)))


def of_files(files: Mapping[str, Experiment]) -> dict[str, Array]:
    """Features of each file's scored rows; every file is a machine of its own, and the shorter ones end earlier."""
    longest = max(len(file.values) for file in files.values())
    ended = [np.pad(f.values, ((0, longest - len(f.values)), (0, 0)), constant_values=np.nan) for f in files.values()]
    found = departures(np.stack(ended))
    return {name: one[FIT_ROWS : len(files[name].values)] for name, one in zip(files, found, strict=True)}


def threshold_on(said: Mapping[str, Array], files: Mapping[str, Experiment]) -> float:
    """The one of best F1 with at most `MOST_FALSE` percent false alarms."""
    at = np.quantile(np.concatenate(list(said.values())), np.linspace(0.2, 0.99, 200))
    found = [(limit, outliers({name: one > limit for name, one in said.items()}, files)) for limit in at]
    return float(max((one for one in found if one[1].far <= MOST_FALSE), key=lambda one: one[1].f1)[0])


def told(said: Mapping[str, Array], files: Mapping[str, Experiment], limit: float) -> dict[str, Any]:
    """F1, FAR and MAR (percent) and NAB's standard score of change points, on both halves and all."""
    flags = {name: one > limit for name, one in said.items()}
    parts = {"all": sorted(flags), **halves(flags)}
    found = {}
    for part, names in parts.items():
        some = {name: flags[name] for name in names}
        out, turns = outliers(some, files), changes({name: flips(one) for name, one in some.items()}, files)
        found[part] = {
            "f1": cards.rounded(out.f1),
            "far": cards.rounded(out.far, 2),
            "mar": cards.rounded(out.mar, 2),
            "changepoints_nab": cards.rounded(turns.scores["standard"], 2),
        }
    return found


def beside(some: Pumps, features: Mapping[str, Array]) -> dict[str, Any]:
    """Other ways, threshold by the same rule: frozen without a device's baseline, fitted by file, no model at all."""
    mean, deviation = some.normal.mean(0), some.normal.std(0)
    frozen = network((some.normal - mean) / deviation)
    by_file, by_frozen = {}, {}
    for name, file in some.files.items():
        by_frozen[name] = frozen.score((file.values[FIT_ROWS:] - mean) / deviation)
        first = file.values[:FIT_ROWS]
        z = (file.values - first.mean(0)) / first.std(0)
        own = network(z[:FIT_ROWS])
        by_file[name] = own.score(z[FIT_ROWS:]) / np.quantile(own.score(z[:FIT_ROWS]), 0.99)
    ways = {
        "frozen, no baseline of the device": by_frozen,
        "raw values, network fitted on each file's 400 rows": by_file,
        "no network: mean square of the features": {name: (one**2).mean(1) for name, one in features.items()},
    }
    told_of = dict[str, Any]()
    for way, said in ways.items():
        development = {name: said[name] for name in halves(said)["development"]}
        told_of[way] = told(said, some.files, threshold_on(development, some.files))
    return told_of


def train(data: Path, *, check: bool = True) -> tuple[bytes, Net, dict[str, Any]]:
    """The model, its network and its card. check: with other ways beside it."""
    some = pumps(data)
    cut = int(LEARNT * len(some.normal))
    rows = started(some.normal[:cut])
    net = fit(rows)
    model = graph(net)
    features = of_files(some.files)
    said = {name: ((one - run(model, one)[0]) ** 2).mean(1) for name, one in features.items()}
    development = {name: said[name] for name in halves(said)["development"]}
    limit = float(f"{threshold_on(development, some.files):.3g}")
    found = told(said, some.files, limit)
    quiet = net.score(started(some.normal[cut:]))
    others = beside(some, features) if check else {}
    print(*(f"{way:52s} {part}" for way, part in (("shipped", found), *others.items())), sep="\n")
    for other in (limit, *(float(f"{limit * factor:.2g}") for factor in (2, 4, 8))):
        print(f"threshold {other}: {told(said, some.files, other)['all']}, of fault-free rows held out "
              f"{100 * np.mean(quiet > other):.2f} % flagged")  # fmt: skip
    files = [*(data / "skab" / "data" / "anomaly-free").glob("*.gz")]
    files += [data / "skab" / "data" / f"{name}.csv.gz" for name in development]
    metrics = {**found["all"], "confirmation": found["confirmation"], "development": found["development"]}
    metrics["fault_free_far"] = cards.rounded(100 * np.mean(quiet > limit), 2)
    if check:
        metrics["beside"] = {way: part["all"] for way, part in others.items()}
    card = _card(limit, metrics)
    card["trained"]["sha256"] = digest(data, files)
    card["trained"]["rows"] = int((np.abs(rows).max(1) < USUAL).sum())
    card["baseline"] = cards.baseline(dict(zip(SENSORS, rows.T, strict=True)), net.score(rows))
    return model, net, card


def _card(limit: float, metrics: dict[str, Any]) -> dict[str, Any]:
    """All of the card that isn't counted from rows."""
    return {
        "model": "pump-anomaly",
        "version": "1.0.0",
        "task": "anomaly",
        "description": "Does a pump with eight sensors run otherwise than usual? By what is usual at that very pump",
        "runtime": "onnx",
        "inputs": {"name": "x", "shape": [len(SENSORS)], "dtype": "float32"},
        "outputs": {"reconstruction": {"name": "xhat"}, "labels": ["normal", "anomalous"]},
        "threshold": limit,
        "budget": "50ms",
        "memory": "8MB",
        "metrics": {
            "data": "SKAB, 16 experiments, rows after the 400th, pooled; FAR and MAR in percent",
            **metrics,
        },
        "trained": {
            "data": "SKAB v0.9: anomaly-free, first 80 %; threshold on the development half of the experiments",
            "from": "2020-02-08",
            "to": "2020-02-08",
            "seed": SEED,
            "script": "training/pump.py",
        },
        "licence": f"{cards.LICENCE}; trained on data under GPL-3.0, which isn't packaged with it",
    }


if __name__ == "__main__":
    asked = cards.arguments(__doc__, "pump-anomaly")
    model, _, card = train(asked.data)
    if not asked.check:
        cards.write(asked.out, model, card, FEATURES)
