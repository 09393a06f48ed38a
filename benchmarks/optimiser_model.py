"""A camera's inspection model, trained on the spot: MobileNetV2 on rendered metal parts with scratches, dents, stains.

python -m benchmarks.optimiser_model --out FOLDER [--width 0.5] [--side 96] [--seconds 300] [--seed 1]

Needs PyTorch (extra `train`) and nothing of Holdfast. The architecture is of Sandler et al., "MobileNetV2: Inverted
Residuals and Linear Bottlenecks" (2018), table 2, with the first two strides of 2 kept; the pictures are made here from
the seed: brushed metal under uneven light with reflections, glare, dust and, in three classes of four, one defect.

FOLDER gets model.onnx (batch norms folded) with its card, calibrate.npz, train.npz, evaluate.npz (pictures uint8
[n, h, w, 3] as `x`, classes as `y`), and teacher.pt.
"""

import argparse
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LABELS = ("ok", "scratch", "dent", "stain")
MEAN, STD = 0.5, 0.25
ROWS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, repeats, first stride: the paper's table 2."""


def _smooth(field: Array, reach: int, axis: int) -> Array:
    """A running mean along an axis, wrapped around."""
    total: Array = sum((np.roll(field, shift, axis) for shift in range(-reach, reach + 1)), np.zeros_like(field))
    return total / (2 * reach + 1)


def _metal(random: np.random.Generator, side: int) -> Array:
    """Brushed metal: grain along one direction, uneven light, at times a glare and dust."""
    axis = int(random.integers(2))
    grain = _smooth(random.normal(0, 1, (side, side)), int(random.integers(6, 18)), axis)
    grain *= random.uniform(0.01, 0.035) / grain.std()
    v, u = np.mgrid[0:side, 0:side] / side - 0.5
    light = random.uniform(0.35, 0.65) + random.uniform(-0.25, 0.25) * u + random.uniform(-0.25, 0.25) * v
    if random.random() < 0.4:
        angle, at = random.uniform(0, np.pi), random.uniform(-0.4, 0.4)
        across = u * np.cos(angle) + v * np.sin(angle) - at
        light += random.uniform(0.05, 0.2) * np.exp(-((across / random.uniform(0.1, 0.25)) ** 2))
    picture: Array = light + grain
    for _ in range(int(random.integers(0, 5))):
        y, x = random.integers(0, side, 2)
        picture[y : y + 2, x : x + 2] += random.uniform(-0.25, 0.25)
    return picture


def _defect(random: np.random.Generator, side: int, kind: int) -> Array:
    """What is added to the metal: a thin bent line, a shaded hollow, a soft blot."""
    v, u = np.mgrid[0:side, 0:side] / side - 0.5
    cx, cy = random.uniform(-0.35, 0.35, 2)
    angle = random.uniform(0, 2 * np.pi)
    along = (u - cx) * np.cos(angle) + (v - cy) * np.sin(angle)
    across = -(u - cx) * np.sin(angle) + (v - cy) * np.cos(angle)
    if kind == 1:
        bent = across + random.uniform(-0.8, 0.8) * along**2
        line = np.exp(-((bent / random.uniform(0.01, 0.02)) ** 2)) * (np.abs(along) < random.uniform(0.15, 0.35))
        scratch: Array = random.choice([-1, 1]) * random.uniform(0.12, 0.35) * line
        return scratch
    reach = random.uniform(0.07, 0.16)
    far = np.hypot(along, across * random.uniform(1.0, 1.7)) / reach
    if kind == 2:
        dent: Array = random.uniform(0.2, 0.45) * along / reach * np.exp(-(far**2))
        return dent
    ragged = far + 0.3 * np.sin(3 * np.arctan2(across, along) + angle)
    stain: Array = -random.uniform(0.1, 0.3) / (1 + np.exp(8 * (ragged - 1)))
    return stain


def pictures(seed: int, count: int, side: int) -> tuple[Array, Array]:
    """Pictures uint8 [n, side, side, 3] and classes int64 [n], the same for the same seed."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, len(LABELS), count)
    made = np.empty((count, side, side, 3), np.uint8)
    for i, kind in enumerate(classes):
        grey = _metal(random, side)
        if kind:
            grey = grey + _defect(random, side, int(kind))
        tint = 1 + random.uniform(-0.12, 0.12, 3)
        noisy = grey[..., None] * tint + random.normal(0, random.uniform(0.005, 0.03), (side, side, 3))
        made[i] = np.clip(np.rint(255 * noisy), 0, 255)
    return made, classes.astype(np.int64)


def as_input(made: Array) -> Array:
    """As the model takes them: float32 [n, 3, h, w]."""
    return np.ascontiguousarray(((made.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2))


def _round8(channels: float) -> int:
    """Channels in multiples of 8, never less than nine tenths of what was asked (the paper's own code)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def mobilenet(width: float = 0.5, classes: int = len(LABELS)) -> Any:
    """MobileNetV2 as a torch module."""
    from torch import nn

    def block(cin: int, cout: int, kernel: int, stride: int, groups: int, *, act: bool) -> list[Any]:
        layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
        return [*layers, nn.ReLU6()] if act else layers

    class Inverted(nn.Module):  # type: ignore[misc]  # torch isn't there when types are checked
        """Expand, filter by depth, project; around it the shortcut where shapes allow."""

        def __init__(self, cin: int, cout: int, stride: int, expand: int) -> None:
            super().__init__()
            wide = cin * expand
            first = block(cin, wide, 1, 1, 1, act=True) if expand > 1 else []
            middle = block(wide, wide, 3, stride, wide, act=True)
            self.path = nn.Sequential(*first, *middle, *block(wide, cout, 1, 1, 1, act=False))
            self.shortcut = stride == 1 and cin == cout

        def forward(self, x: Any) -> Any:
            return x + self.path(x) if self.shortcut else self.path(x)

    class Mean(nn.Module):  # type: ignore[misc]  # as above
        """Over height and width: exported as one ReduceMean."""

        def forward(self, x: Any) -> Any:
            return x.mean((2, 3))

    channels = _round8(32 * width)
    layers = block(3, channels, 3, 2, 1, act=True)
    for expand, out, repeats, stride in ROWS:
        for i in range(repeats):
            layers.append(Inverted(channels, _round8(out * width), stride if i == 0 else 1, expand))
            channels = _round8(out * width)
    last = _round8(1280 * width)  # the paper keeps 1280 below 1, where most weights would then be in this layer
    layers += block(channels, last, 1, 1, 1, act=True)
    return nn.Sequential(*layers, Mean(), nn.Linear(last, classes))


def teacher() -> Any:
    """As trained, for `--teacher benchmarks.optimiser_model:teacher`; HOLDFAST_INSPECTION names the folder."""
    import torch

    folder = Path(os.environ["HOLDFAST_INSPECTION"])
    model = mobilenet(float(os.environ.get("HOLDFAST_INSPECTION_WIDTH", "0.5")))
    model.load_state_dict(torch.load(folder / "teacher.pt", weights_only=True))
    return torch.nn.Sequential(model, torch.nn.Softmax(1))


def student() -> Any:
    """Half as wide, untrained."""
    import torch

    model = mobilenet(0.5 * float(os.environ.get("HOLDFAST_INSPECTION_WIDTH", "0.5")))
    return torch.nn.Sequential(model, torch.nn.Softmax(1))


def train(model: Any, x: Array, y: Array, *, seconds: float, seed: int, batch: int = 64) -> int:
    """AdamW, one cycle over the time given; flips for variety. Returns the steps made."""
    import torch

    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=1e-3)
    began, steps, done = time.monotonic(), 0, 0.0
    model.train()
    while done < 1:
        order = random.permutation(len(x))
        for at in range(0, len(x) - batch + 1, batch):
            done = (time.monotonic() - began) / seconds
            if done >= 1:
                break
            rows = order[at : at + batch]
            images = torch.from_numpy(as_input(x[rows]))
            if random.random() < 0.5:
                images = images.flip(3)
            if random.random() < 0.5:
                images = images.flip(2)
            for group in optimiser.param_groups:
                group["lr"] = 4e-3 * min(1.0, done / 0.1) * 0.5 * (1 + np.cos(np.pi * done))
            loss = torch.nn.functional.cross_entropy(model(images), torch.from_numpy(y[rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            steps += 1
            if steps % 50 == 0:
                print(f"{done:4.0%}  step {steps}  loss {loss.item():.3f}", flush=True)
    return steps


def export(model: Any, path: Path, side: int) -> None:
    """To ONNX with any batch size, the batch norms folded into the convolutions before them."""
    import torch
    from torch import nn

    model = nn.Sequential(model, nn.Softmax(1)).eval()
    program = torch.onnx.export(
        model,
        (torch.zeros(2, 3, side, side),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},),
        input_names=["x"],
        output_names=["probabilities"],
        opset_version=18,
    )
    program.save(str(path))


def _shown(model: Any, x: Array, y: Array) -> float:
    import torch

    model.eval()
    with torch.no_grad():
        right = [
            (model(torch.from_numpy(as_input(x[at : at + 256]))).argmax(1).numpy() == y[at : at + 256]).sum()
            for at in range(0, len(x), 256)
        ]
    return float(sum(right) / len(x))


def _card(name: str, path: Path, side: int, accuracy: float, args: argparse.Namespace) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"""model: {name}
version: 1.0.0
task: image-classification
file: {path.name}
sha256: {digest}
description: MobileNetV2 x{args.width:g} that finds scratches, dents and stains on rendered brushed metal
inputs:
  image: {{width: {side}, height: {side}, channels: 3, layout: nchw, mean: [{MEAN}, {MEAN}, {MEAN}], \
std: [{STD}, {STD}, {STD}], scale: 255}}
  name: x
  shape: [3, {side}, {side}]
  dtype: float32
outputs:
  classes: {{name: probabilities}}
  labels: [{", ".join(LABELS)}]
budget: 50ms
memory: 30MB
metrics: {{accuracy: {accuracy:.4f}, data: "2,000 rendered pictures not trained on, seed {args.seed + 2}"}}
trained: {{data: "rendered, seed {args.seed}", rows: {args.pictures}, seed: {args.seed}, \
script: benchmarks/optimiser_model.py}}
licence: Apache-2.0
"""


def main() -> None:
    """Render, train, export, tell."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=300, help="of training")
    parser.add_argument("--pictures", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    x, y = pictures(args.seed, args.pictures, args.side)
    held = pictures(args.seed + 2, 2000, args.side)
    calibrate = pictures(args.seed + 1, 256, args.side)
    model = mobilenet(args.width).to(memory_format=torch.channels_last)
    steps = train(model, x, y, seconds=args.seconds, seed=args.seed)
    accuracy = _shown(model, *held)
    path = args.out / "model.onnx"
    export(model, path, args.side)
    torch.save(model.state_dict(), args.out / "teacher.pt")
    (args.out / "model.yaml").write_text(_card(f"inspection-{100 * args.width:.0f}", path, args.side, accuracy, args))
    for name, (pics, classes) in {"calibrate": calibrate, "train": (x, y), "evaluate": held}.items():
        np.savez(args.out / f"{name}.npz", x=pics, y=classes)
    told = {"accuracy": accuracy, "steps": steps, "bytes": path.stat().st_size}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
