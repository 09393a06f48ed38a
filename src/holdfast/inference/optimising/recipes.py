"""What can be made of a model, in which order; each is made in a child process (`make`)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from holdfast.inference.optimising import channels, graphs, halves, int8, sparse, tuning
from holdfast.inference.optimising.errors import NotPossible
from holdfast.inference.optimising.jobs import Made, Make

PREPARED = "graph"
"""All others are made of this one, or of what was made of it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make a candidate.

    after:  the candidate that it's made of; empty = the model as given
    words:  what it does, for the table and the card
    needs_torch: only where `--teacher` was given
    """

    name: str
    words: str
    build: Callable[[Make], str]
    after: str = PREPARED
    ending: str = ".onnx"
    needs_torch: bool = False
    options: dict[str, float | int | str] = field(default_factory=dict)


def make(job: Make) -> Made:
    """In the child: make one candidate.

    Raises:
        NotPossible: it can't be made of this model.
    """
    recipe = BY_NAME[job.recipe]
    note = recipe.build(job)
    if not Path(job.out).is_file():
        raise NotPossible("nothing was written")
    if recipe.ending == ".onnx":
        made = graphs.load(Path(job.out))
        graphs.slim(made)
        graphs.save(made, Path(job.out))
    return Made(note)


def _saved(job: Make, level: str, *, kind: str = "ONNX") -> str:
    """ONNX Runtime's own graph optimisation, written down.

    level: `ALL` lays weights out for this kind of CPU (NCHWc); below, that is left to each load of an .onnx, so that
    the file runs on any. A file in ORT format is not changed at load any more.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = job.out
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    options.add_session_config_entry("session.save_model_format", kind)
    off = [] if level == "ALL" else ["NchwcTransformer"]
    ort.InferenceSession(job.model, options, providers=["CPUExecutionProvider"], disabled_optimizers=off)
    return ""


def _fused(job: Make) -> str:
    return _saved(job, "EXTENDED")


def _ort(job: Make) -> str:
    return _saved(job, str(job.options.get("level", "EXTENDED")), kind="ORT")


def _half_weights(job: Make) -> str:
    return halves.weights_only(Path(job.model), Path(job.out))


def _graph(job: Make) -> str:
    _saved(job, "BASIC")
    loaded = graphs.load(Path(job.out))
    left = sum(node.op_type == "BatchNormalization" for node in loaded.graph.node)
    before = len(graphs.load(Path(job.model)).graph.node)
    return f"{before} → {len(loaded.graph.node)} nodes" + (f", {left} batch norms not folded" if left else "")


def _dynamic(job: Make) -> str:
    int8.dynamic(Path(job.model), Path(job.out))
    return ""


def _static(job: Make) -> str:
    x = np.load(job.calibrate)
    method, sensitive = str(job.options.get("method", "minmax")), bool(job.options.get("sensitive", 0))
    layers = bool(job.options.get("layers", 0))
    return int8.static(Path(job.model), Path(job.out), x, method, sensitive=sensitive, layers=layers)


def _half(job: Make) -> str:
    halves.whole(Path(job.model), Path(job.out))
    return "inputs and outputs stay float32"


def _zeroed(job: Make) -> str:
    return sparse.magnitude(Path(job.model), Path(job.out), float(job.options["share"]))


def _cut(job: Make) -> str:
    return channels.prune(Path(job.model), Path(job.out), np.load(job.calibrate), float(job.options["share"]))


_SHARES = {"eighth": 0.125, "quarter": 0.25, "half": 0.5}
RECIPES: tuple[Recipe, ...] = (
    Recipe(PREPARED, "graph optimised: constants and batch norms folded", _graph, after=""),
    Recipe("graph-fused", "graph optimised, operators fused (ONNX Runtime only)", _fused),
    Recipe("ort", "ORT format, operators fused, for any CPU", _ort, ending=".ort"),
    Recipe("ort-here", "ORT format, laid out for this kind of CPU only", _ort, ending=".ort", options={"level": "ALL"}),
    Recipe("float16", "float16 throughout", _half),
    Recipe("float16-weights", "weights stored as float16", _half_weights),
    Recipe("int8-dynamic", "INT8, dynamic", _dynamic),
    Recipe("int8-minmax", "INT8, static, per channel, whole range", _static, options={"method": "minmax"}),
    Recipe("int8-entropy", "INT8, static, per channel, range by entropy", _static, options={"method": "entropy"}),
    Recipe("int8-percentile", "INT8, static, per channel, 99.99 % range", _static, options={"method": "percentile"}),
    Recipe("int8-mixed", "INT8, static, first and last layer float32", _static, options={"sensitive": 1}),
    Recipe("int8-layers", "INT8, static, convolutions and matrix products only", _static, options={"layers": 1}),
    Recipe("int8-ort", "INT8 (minmax) in ORT format", _ort, after="int8-minmax", ending=".ort"),
    *(
        Recipe(f"pruned-{name}", f"a {name} of the weights at 0", _zeroed, options={"share": _SHARES[name]})
        for name in ("quarter", "half")
    ),
    *(
        Recipe(
            f"channels-{name}",
            f"{'an' if name == 'eighth' else 'a'} {name} of the channels cut out",
            _cut,
            options={"share": share},
        )
        for name, share in _SHARES.items()
    ),
    Recipe(
        "channels-eighth-int8", "an eighth of the channels cut out, INT8", _static, after="channels-eighth",
    ),
    Recipe(
        "channels-quarter-int8", "a quarter of the channels cut out, INT8", _static, after="channels-quarter",
    ),
    Recipe(
        "channels-tuned", "half of the channels cut out, trained again", tuning.pruned, after="", needs_torch=True
    ),
    Recipe(
        "channels-tuned-int8", "half of the channels cut out, trained again, INT8", _static, after="channels-tuned",
    ),
    Recipe("student", "a smaller model that learnt from it", tuning.distilled, after="", needs_torch=True),
    Recipe(
        "student-int8", "a smaller model that learnt from it, INT8", _static, after="student",
    ),
)  # fmt: skip
BY_NAME = {recipe.name: recipe for recipe in RECIPES}
