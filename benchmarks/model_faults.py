"""PUBACKs beside models that fail: `python -m benchmarks.models --faults [--seconds 8] [--rounds 3]`; 3 min.

The pumps of `benchmarks.models` send to a node with one model of four numbers, which is well:

healthy: … and stays so
loops:   … until one pump's number is huge: that run never returns. Its budget is so long that no watchdog helps it out
         while PUBACKs are measured
fails:   … on the rows it's tried with, and fails on every batch of live ones; its deployment falls back on a rule
shapes:  the same, by answers that have another shape than the card says
at times: fails on the batches in which one of the pumps is, ten a second; a second model beside it is well

All by turns, a fresh node each time; medians over rounds, and their ratio to `healthy`.
"""

import hashlib
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from onnx import TensorProto, helper
from tests.unit.inference import making

from benchmarks import models
from benchmarks.processes import python, running, wait_for_port
from holdfast.stream.language.featuring import load_features

_FEATURES = (
    "features:\n  four:\n    version: 1\n    select: {a: accelerometer1, b: accelerometer2, c: current, d: pressure}\n"
)
_HUGE, _ODD = 1e15, 1000.0
_FAR = 1.5
"""Pumps draw 2 A; the rows that a model is tried with are 0 and 1."""
WARM_S = 3.0


def _over(least: float, *then: object, **constants: object) -> bytes:
    """`far` is 1 when a row's number is above `least`, else 0; then these nodes."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["top"], keepdims=0),
        helper.make_node("Greater", ["top", "least"], ["is_far"]),
        helper.make_node("Cast", ["is_far"], ["far"], to=TensorProto.INT64),
        *then,
    ]
    return making.through(*nodes, constants={"least": np.float32(least), **constants})


def _fails(least: float) -> bytes:
    """Takes row 0 or 7 of a table of one."""
    return _over(
        least,
        helper.make_node("Mul", ["far", "seven"], ["row"]),
        helper.make_node("Gather", ["table", "row"], ["taken"]),
        helper.make_node("Add", ["x", "taken"], ["y"]),
        seven=np.array(7),
        table=np.zeros((1, 1), "f"),
    )


def _misshapen() -> bytes:
    """Says it twice."""
    return _over(
        _FAR,
        helper.make_node("Add", ["far", "one"], ["times"]),
        helper.make_node("Unsqueeze", ["times", "zero"], ["rows"]),
        helper.make_node("Concat", ["rows", "once"], ["repeats"], axis=0),
        helper.make_node("Tile", ["x", "repeats"], ["y"]),
        one=np.array(1),
        zero=np.array([0]),
        once=np.array([1]),
    )


MODELS = {
    "healthy": making.stuck(),
    "loops": making.stuck(),
    "fails": _fails(_FAR),
    "shapes": _misshapen(),
    "at times": _fails(_ODD / 2),
}


def _own(folder: Path, name: str, data: bytes) -> None:
    there = folder / "data" / "models" / name / "1.0.0"
    there.mkdir(parents=True)
    (there / "features.yaml").write_text(_FEATURES)
    (features,) = load_features([there / "features.yaml"])
    (there / "model.onnx").write_bytes(data)
    (there / "model.yaml").write_text(
        f"model: {name}\nversion: 1.0.0\ntask: regression\nfile: model.onnx\n"
        f"sha256: {hashlib.sha256(data).hexdigest()}\n"
        f"inputs: {{features: {features.ref}, name: x, shape: [4]}}\noutputs: {{score: {{name: y, index: 0}}}}\n"
    )


def _node(folder: Path, kind: str, seconds: float, within: str) -> tuple[Path, int, int]:
    path, mqtt, api = models.node(folder, "none", within)
    _own(folder, "subject", MODELS[kind])
    _own(folder, "well", MODELS["healthy"])
    budget = f"{seconds:.0f}s" if kind == "loops" else "50ms"  # a run is stuck after twenty
    deploy = "    {0}: {{model: {0}, budget: {1}, fallback: [{{rule: 'a > 0'}}, last], record: [score, how]}}\n"
    both = deploy.format("subject", budget) + (deploy.format("well", "50ms") if kind == "at times" else "")
    with path.open("a") as file:
        file.write(f"models:\n  deploy:\n{both}")
    return path, mqtt, api


def _became(api: int) -> dict[str, float]:
    """What the node says of the subject's rows and runs."""
    found = {"scored": 0.0, "errors": 0.0, "fallbacks": 0.0, "waiting": 0.0}
    for line in models.metrics(api, "holdfast_model_"):
        name, _, value = line.rpartition(" ")
        for told in found:
            if f"_{told}" in name.partition("{")[0] and 'deployment="subject"' in name:
                found[told] += float(value)
    return found


def _run(kind: str, seconds: float, within: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        settings, mqtt, api = _node(folder, kind, seconds, within)
        with running(*python("holdfast", "run", str(settings)), log=folder / "log") as process:
            wait_for_port(mqtt)
            deadline = time.monotonic() + 30
            while "ModelAtWork" not in (folder / "log").read_text() and time.monotonic() < deadline:
                time.sleep(0.1)
            fleet, usage = models.Fleet(mqtt), psutil.Process(process.pid)
            fleet.play(WARM_S, disturbed=False)
            if kind == "loops":
                fleet.odd = _HUGE
            elif kind == "at times":
                fleet.odd = _ODD
            fleet.acks.clear()
            fleet.late = 0.0
            before, began = usage.cpu_times(), time.monotonic()
            fleet.play(seconds, disturbed=False)
            after, took = usage.cpu_times(), time.monotonic() - began
            p50, p99 = np.quantile(fleet.acks, [0.5, 0.99]) * 1e3
            cores = (after.user + after.system - before.user - before.system) / took
            n = float(len(fleet.acks))
            return {"p50": p50, "p99": p99, "n": n, "cores": cores, "late": fleet.late, **_became(api)}


def main(seconds: float, rounds: int, within: str) -> None:
    """See the module."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in MODELS}
    for at in range(rounds):
        for kind, told in found.items():
            told.append(_run(kind, seconds, within))
            print(f"{at} {kind}: " + ", ".join(f"{name} {value:.2f}" for name, value in told[-1].items()), flush=True)
    well = statistics.median(one["p99"] for one in found["healthy"])
    for kind, told in found.items():
        middle = {name: statistics.median(one[name] for one in told) for name in told[0]}
        print(
            f"{kind}: PUBACK p50 {middle['p50']:.2f} ms, p99 {middle['p99']:.2f} ms "
            f"(x {middle['p99'] / well:.2f} of healthy); {middle['cores']:.2f} of a core"
        )
