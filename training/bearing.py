"""Which part of a bearing is faulty? Case Western Reserve University's test rig: `python -m training.bearing`.

The graph looks at envelope spectra itself (`envelopes`), so its input is raw samples and the shaft's speed. The head is
small, and sees four numbers: how much power lies in the upper bands, and how far the lines of either race and of the
ball stand out. How impulsive a window is was left out: in these eight clips it separates the classes, but it goes by
the size of the fault, and all here are 7 mil. Half of the faults it learns from are made up (`rigs`).

Checked on clips left out one by one, and on loads left out; the shipped one is then made of all clips.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import cards, envelopes, rigs
from training.envelopes import WINDOW
from training.graphs import Graph
from training.sources import Clip, clips, digest
from training.steady import one_thread

Array = NDArray[Any]
SEED = 1
LABELS = ("normal", "outer_race", "inner_race", "ball")
HIDDEN = 8
PENALTY = 1.0
RECORDED, MADE_UP = 200, 300
"""Rows of each clip, twice as many of fault-free ones; of each fault made up."""
FEATURES: dict[str, Any] = {
    "bearing-window": {
        "version": 1,
        "description": "171 ms of raw vibration at 12 kHz and the shaft's speed, five times a second",
        "from": "readings",
        "select": {"vibration": f"samples(acceleration.x, {WINDOW})", "speed": "shaft.speed 'rpm'"},
        "window": "count 2400",
        "missing": "last",
        "quality": "good",
    }
}
_OWN = {"speed 0.9": (0.9, None), "speed 1.1": (1.1, None), "noise at 10 dB": (1.0, 10.0), "noise at 3 dB": (1.0, 3.0)}


@dataclass(frozen=True, slots=True)
class Head:
    """Standardises, one layer with tanh, a softmax."""

    mean: Array
    deviation: Array
    layers: tuple[tuple[Array, Array], tuple[Array, Array]]

    def probabilities(self, rows: Array) -> Array:
        """Shape (n, 4). rows: (n, 2049)."""
        return self.of(envelopes.said(rows))

    def of(self, said: Array) -> Array:
        """Shape (n, 4). said: of `envelopes.said`."""
        (first, first_bias), (last, last_bias) = self.layers
        logits = np.tanh(((said - self.mean) / self.deviation) @ first + first_bias) @ last + last_bias
        odds = np.exp(logits - logits.max(1, keepdims=True))
        found: Array = odds / odds.sum(1, keepdims=True)
        return found


def windows(clip: Clip, factor: float = 1.0, decibels: float | None = None) -> Array:
    """All rows of a clip, half overlapping. factor: of its speed; decibels: of signal over noise that's added."""
    x = np.interp(np.arange(0, len(clip.samples) - 1, factor), np.arange(len(clip.samples)), clip.samples)
    if decibels is not None:
        x = x + np.random.default_rng(SEED).normal(0, x.std() * 10 ** (-decibels / 20), len(x))
    cut = np.stack([x[at : at + WINDOW] for at in range(0, len(x) - WINDOW + 1, WINDOW // 2)])
    return np.column_stack([cut, np.full(len(cut), clip.rpm * factor)])


def rows_of(some: list[Clip]) -> tuple[Array, Array]:
    """Training rows of these clips and their labels."""
    rng = np.random.default_rng(SEED)
    quiet, rows, labels = [clip for clip in some if clip.fault == "normal"], list[Array](), list[int]()
    for clip in some:
        well = clip.fault == "normal"
        for _ in range(RECORDED * (2 if well else 1)):
            other = None if well or rng.random() < 0.5 else quiet[rng.integers(len(quiet))].samples
            rows.append(rigs.changed(rng, clip.samples, clip.rpm, other))
            labels.append(LABELS.index(clip.fault))
    for fault in range(len(LABELS) - 1):
        for _ in range(MADE_UP):
            clip = quiet[rng.integers(len(quiet))]
            rows.append(rigs.struck(rng, fault, clip.samples, clip.rpm))
            labels.append(fault + 1)
    return np.array(rows), np.array(labels)


def fit(some: list[Clip]) -> Head:
    """A head from these clips."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415  # the extra `train`

    rows, labels = rows_of(some)
    said = envelopes.said(rows)
    mean, deviation = said.mean(0), said.std(0)
    net = MLPClassifier((HIDDEN,), activation="tanh", solver="lbfgs", alpha=PENALTY, max_iter=500, random_state=SEED)
    with one_thread():
        net.fit((said - mean) / deviation, labels)
    first, last = zip(net.coefs_, net.intercepts_, strict=True)
    return Head(mean, deviation, (first, last))


def graph(head: Head) -> bytes:
    """As ONNX: x [n, 2049] to probs [n, 4]."""
    made = Graph("bearing-fault", "x", WINDOW + 1)
    said = envelopes.graph(made, "x")
    (first, first_bias), (last, last_bias) = head.layers
    inner = made.add("Tanh", made.dense(made.standardised(said, head.mean, head.deviation), first, first_bias))
    probs = made.add("Softmax", made.dense(inner, last, last_bias), axis=1)
    return made.made(probs=(probs, len(LABELS)))


def folds(some: list[Clip]) -> dict[str, tuple[list[Clip], list[Clip]]]:
    """(trained on, checked on): clips left out one by one; and loads, of which fault-free running has but one."""
    found = {f"without {clip.name}": ([one for one in some if one is not clip], [clip]) for clip in some}
    well = [clip for clip in some if clip.fault == "normal"]
    for at, load in enumerate(sorted({clip.load for clip in some})):
        out = [clip for clip in some if clip.load == load and clip.fault != "normal"] + [well[1 - at]]
        found[f"without load {load}"] = ([clip for clip in some if clip not in out], out)
    return found


def checked(some: list[Clip]) -> dict[str, dict[str, float]]:
    """Share of windows and of clips (by the mean probability) that got the right class, in folds not trained on."""
    right: dict[str, list[tuple[float, bool, int]]] = {}
    for name, (train, out) in folds(some).items():
        head = fit(train)
        kind = "loads left out" if "load" in name else "clips left out"
        for clip in out:
            for how, (factor, decibels) in ({"": (1.0, None)} | _OWN).items():
                said = head.probabilities(windows(clip, factor, decibels))
                label = LABELS.index(clip.fault)
                one = float(np.mean(said.argmax(1) == label)), bool(said.mean(0).argmax() == label), len(said)
                right.setdefault(f"{kind} {how}".strip(), []).append(one)
                print(f"{name:26s} {clip.name:18s} {how:15s} windows right {one[0]:.3f}  clip right {one[1]}")
    return {
        kind: {
            "windows": cards.rounded(np.average([one[0] for one in all_], weights=[one[2] for one in all_])),
            "clips": cards.rounded(np.mean([one[1] for one in all_])),
        }
        for kind, all_ in right.items()
    }


def train(data: Path, *, check: bool = True) -> tuple[bytes, Head, dict[str, Any]]:
    """The model, its head, and its card. check: with the figures of what was left out, which take a minute."""
    some = clips(data)
    found = checked(some) if check else {}
    print(*(f"{kind:32s} {said}" for kind, said in found.items()), sep="\n")
    head = fit(some)
    rows = np.vstack([windows(clip) for clip in some])
    said = head.probabilities(rows)
    card: dict[str, Any] = {
        "model": "bearing-fault",
        "version": "1.0.0",
        "task": "classification",
        "description": "Which part of a 6205 bearing is faulty, from raw vibration at 12 kHz and the shaft's speed",
        "runtime": "onnx",
        "inputs": {"name": "x", "shape": [WINDOW + 1], "dtype": "float32"},
        "outputs": {"classes": {"name": "probs"}, "labels": list(LABELS)},
        "budget": "500ms",
        "memory": "16MB",
        "metrics": {"data": "CWRU 12 kHz drive end, 8 clips of 3 s, 7 mil faults, 0 and 1 hp", **found},
        "trained": {
            "data": "CWRU 12 kHz drive end, recordings 97, 105, 106, 118, 119, 130, 131; and faults made up",
            "sha256": digest(data, sorted((data / "bearing").glob("*.*"))),
            "from": "recordings of about 2000, undated",
            "rows": len(some) * RECORDED + 2 * RECORDED + 3 * MADE_UP,
            "seed": SEED,
            "script": "training/bearing.py",
        },
        "licence": f"{cards.LICENCE}; the recordings have no licence and aren't packaged with it",
        "baseline": cards.baseline({"speed": rows[:, -1]}, said.max(1)),
    }
    return graph(head), head, card


if __name__ == "__main__":
    asked = cards.arguments(__doc__, "bearing-fault")
    model, _, card = train(asked.data)
    if not asked.check:
        cards.write(asked.out, model, card, FEATURES)
