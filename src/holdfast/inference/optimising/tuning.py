"""Training again, for models given as PyTorch (extra `train`): after channels were cut out, and of a smaller student.

A factory is `module:function`, found on the Python path or in the working directory; called without arguments it gives
a `torch.nn.Module` that takes and gives what the ONNX model does, the teacher's with its trained weights.

Channels are chosen in the exported graph (`channels`), held at 0 while the model learns to do without them, and cut out
of the new export, where they then have no part in any result.
"""

import importlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising import channels, graphs
from holdfast.inference.optimising.errors import LibraryMissing, NotPossible
from holdfast.inference.optimising.given import Array
from holdfast.inference.optimising.jobs import Make
from holdfast.inference.optimising.lanes import lanes_of

_SHARE = 0.5
_BATCH = 64
_LEARN = 2e-3
_OPSET = 18


def pruned(job: Make) -> str:
    """Half of the channels held at 0 during training, then cut out."""
    torch = _torch()
    teacher, model = _made(job, "teacher"), _made(job, "teacher")
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder, "teacher.onnx")
        export(teacher, job, exported)
        masks = _masks(model, exported, job)
        steps, loss = _learn(model, teacher, job, masks)
        export(model, job, exported)
        folded = Path(folder, "folded.onnx")
        _fold(exported, folded)
        told = channels.remove_dead(folded, Path(job.out))
    del torch
    return f"{steps:,} steps, loss {loss:.3g}; {told}"


def distilled(job: Make) -> str:
    """The student learns what the teacher says, and the labels where there are some."""
    _torch()
    if not job.options.get("student"):
        raise NotPossible("give --student module:function, which makes the smaller model")
    teacher, student = _made(job, "teacher"), _made(job, "student")
    steps, loss = _learn(student, teacher, job, [])
    with tempfile.TemporaryDirectory() as folder:
        export(student, job, Path(folder, "student.onnx"))
        _fold(Path(folder, "student.onnx"), Path(job.out))
    count = sum(parameter.numel() for parameter in student.parameters())
    return f"{steps:,} steps, loss {loss:.3g}; {count:,} weights"


def export(model: Any, job: Make, path: Path) -> None:
    """To ONNX for any number of rows, with the names that the given model's input and outputs have."""
    torch = _torch()
    like = graphs.load(Path(job.model)).graph
    x = torch.from_numpy(np.load(job.calibrate)[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model.eval(), (x,), dynamo=True, verbose=False, opset_version=_OPSET, input_names=[like.input[0].name],
            output_names=[like.output[0].name], dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},),
        )  # fmt: skip
    program.save(str(path))


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise LibraryMissing("PyTorch", "train") from None
    torch.set_num_threads(1)
    return torch


def _made(job: Make, which: str) -> Any:
    """What a factory gives.

    Raises:
        NotPossible: there is no such function, it fails, or gives no module.
    """
    torch, said = _torch(), str(job.options[which])
    module, _, function = said.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(module), function or "model")()
    except Exception as error:  # noqa: BLE001  # a user's own code
        raise NotPossible(f"--{which} {said}: {type(error).__name__}: {error}") from None
    if not isinstance(made, torch.nn.Module):
        raise NotPossible(f"--{which} {said} gives {type(made).__name__}, not a torch.nn.Module")
    return made


def _fold(model: Path, out: Path) -> None:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(out)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _masks(model: Any, exported: Path, job: Make) -> list[tuple[Any, Any]]:
    """Parameters with what they're multiplied by after every step: 0 where a channel goes."""
    torch = _torch()
    loaded, x = graphs.load(exported), np.load(job.calibrate)
    lanes = lanes_of(loaded)
    seen, held = channels.observe(loaded, lanes, x), graphs.weights(loaded)
    parameters = dict(model.named_parameters())
    norms = _norms(model, torch.from_numpy(x[:2]))
    found: list[tuple[Any, Any]] = []
    for lane in lanes:
        cut = channels.least_useful(lane, held, seen, _SHARE)
        layers = {part.name for part in lane.makes | lane.carries}
        if not len(cut) or not layers <= parameters.keys():
            continue
        at = torch.from_numpy(cut)
        for name in layers:
            own = [parameters[name], parameters.get(name.removesuffix("weight") + "bias"), *norms.get(name, ())]
            for parameter in own:
                if parameter is not None:
                    mask = torch.ones_like(parameter)
                    mask[at] = 0
                    found.append((parameter, mask))
    if not found:
        raise NotPossible(f"no channels can go: {channels.exempt(lanes) or 'the export renamed the weights'}")
    return found


def _norms(model: Any, x: Any) -> Mapping[str, Sequence[Any]]:
    """By a layer's weight: the parameters of the batch norm that reads its very output."""
    torch = _torch()
    gave: dict[int, str] = {}
    kept, found = [], dict[str, Sequence[Any]]()

    def layer(name: str) -> Callable[..., None]:
        def hook(_: Any, __: Any, out: Any) -> None:
            kept.append(out)  # held, so that no other tensor gets its id
            gave[id(out)] = f"{name}.weight"

        return hook

    def norm(module: Any, given: Any) -> None:
        if id(given[0]) in gave:
            found[gave[id(given[0])]] = (module.weight, module.bias)

    leaves = [(name, module) for name, module in model.named_modules() if not list(module.children())]
    kind = torch.nn.modules.batchnorm._BatchNorm  # noqa: SLF001  # the one name for all its sizes
    hooks = [
        module.register_forward_pre_hook(norm)
        if isinstance(module, kind)
        else module.register_forward_hook(layer(name))
        for name, module in leaves
    ]
    model.eval()
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return found


def _learn(model: Any, teacher: Any, job: Make, masks: Sequence[tuple[Any, Any]]) -> tuple[int, float]:
    """One cycle of AdamW over the seconds given; returns the steps and the mean loss of the last tenth."""
    torch = _torch()
    seed, seconds = int(job.options.get("seed", 1)), float(job.options.get("seconds", 60))
    torch.manual_seed(seed)
    random, (x, y) = np.random.default_rng(seed), _rows(job)
    optimiser = torch.optim.AdamW(model.parameters(), lr=_LEARN, weight_decay=1e-4)
    losses, began, done = list[float](), time.perf_counter(), 0.0
    model.train()
    teacher.eval()
    _hold(masks)
    while done < 1:
        order = random.permutation(len(x))
        for at in range(0, max(len(x) - _BATCH, 0) + 1, _BATCH):
            done = (time.perf_counter() - began) / seconds
            if done >= 1 and losses:
                break
            rows = order[at : at + _BATCH]
            given = torch.from_numpy(x[rows])
            with torch.no_grad():
                wanted = teacher(given)
            for group in optimiser.param_groups:
                group["lr"] = _LEARN * min(1.0, done / 0.1 + 0.05) * 0.5 * (1 + np.cos(np.pi * min(done, 1.0)))
            loss = _loss(model(given), wanted, None if y is None else torch.from_numpy(y[rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            _hold(masks)
            losses.append(float(loss))
    if not np.isfinite(losses[-1]):
        raise NotPossible("training didn't converge")
    return len(losses), float(np.mean(losses[-max(1, len(losses) // 10) :]))


def _hold(masks: Sequence[tuple[Any, Any]]) -> None:
    with _torch().no_grad():
        for parameter, mask in masks:
            parameter.mul_(mask)


def _loss(out: Any, wanted: Any, y: Any) -> Any:
    """Classes: the teacher's distribution, and the labels; numbers: the squared difference."""
    torch = _torch()
    nn = torch.nn.functional
    if not isinstance(out, torch.Tensor) or out.shape != wanted.shape:
        raise NotPossible("teacher and student must give one tensor of the same shape")
    if wanted.ndim != 2 or wanted.shape[1] < 2 or (y is not None and y.is_floating_point()):
        loss = nn.mse_loss(out, wanted)
        return (
            loss
            if y is None or y.numel() != out.numel()
            else loss + nn.mse_loss(out, y.to(out.dtype).reshape(out.shape))
        )
    shares = bool((wanted >= 0).all()) and bool((wanted.sum(1) - 1).abs().max() < 1e-3)
    if not shares and y is None:
        return nn.mse_loss(out, wanted)  # a reconstruction, or logits: both are to be met
    logs = torch.log(out.clamp_min(1e-9)) if shares else nn.log_softmax(out, 1)
    target = wanted if shares else nn.softmax(wanted, 1)
    loss = nn.kl_div(logs, target, reduction="batchmean")
    return loss if y is None or y.is_floating_point() else loss + 0.5 * nn.nll_loss(logs, y)


def _rows(job: Make) -> tuple[Array, Array | None]:
    with np.load(str(job.options["train"])) as file:
        return file["x"], file["y"] if "y" in file.files else None
