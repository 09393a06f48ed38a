"""The picked candidate as a model's folder: file, card, what else lay beside the original, report.json."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import msgspec
import yaml

from holdfast.inference.optimising.errors import DataUnusable, OptimisingError
from holdfast.inference.optimising.given import CARD, Given, Task
from holdfast.inference.optimising.report import Report, Row

REPORT = "report.json"
_MOST_BESIDE = 10_000_000


class OutTaken(OptimisingError):
    """The folder to write to holds something already."""

    hint = "give --out a new or an empty folder"


def check_out(out: Path) -> None:
    """Before any work is done.

    Raises:
        OutTaken: it is a file, or a folder that isn't empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutTaken(f"{out} is there already")


def write(given: Given, report: Report, file: Path, out: Path) -> Report:
    """Write the picked candidate's folder; returns the report with where it is.

    Raises:
        OutTaken: something came there meanwhile.
        DataUnusable: the disk refuses.
    """
    check_out(out)
    row = report.row(report.pick or "")
    done = msgspec.structs.replace(report, out=str(out))
    try:
        out.mkdir(parents=True, exist_ok=True)
        name = f"model{file.suffix}"
        shutil.copyfile(file, out / name)
        _beside(given, out)
        card = card_of(given, report, row, name, hashlib.sha256(file.read_bytes()).hexdigest())
        (out / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(done)))
        (out / CARD).write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True), encoding="utf-8")
    except OSError as error:
        raise DataUnusable(
            f"{out} can't be written: {error.strerror}", "mend the disk, or give another --out"
        ) from None
    return done


def card_of(given: Given, report: Report, row: Row, name: str, digest: str) -> dict[str, Any]:
    """The original's card with the new file, version and figures; without one, what can be known of a bare file.

    `metrics` are those measured here: what the author measured was another file's.
    """
    card = dict(given.card) or _bare(given, report)
    metrics: dict[str, Any] = {report.metric: round(row.value, 6), "data": f"{report.judged_on}, {report.rows:,} rows"}
    metrics |= {key: round(value, 6) for key, value in row.more.items()}
    changed = {
        "version": version_after(str(card.get("version", "1.0.0"))),
        "file": name,
        "sha256": digest,
        "runtime": "onnx",
        "memory": f"{max(1, -(-row.memory // 1_000_000))}MB",
        "metrics": metrics,
        "optimised": {
            "from": f"{given.title} sha256:{given.sha256[:16]}",
            "by": f"{row.name}: {row.words}",
            "loss": round(row.loss, 6),
            "metric": report.metric,
            "size": f"{report.candidates[0].size} -> {row.size} bytes",
        },
    }
    return card | changed


def version_after(version: str) -> str:
    """`1.0.0` → `1.0.0-opt` → `1.0.0-opt.2`: sorts before the next number, and says what it is."""
    base, found, count = version.partition("-opt")
    if found:
        return f"{base}-opt.{int(count[1:] or 1) + 1}" if count[1:].isdigit() or not count else f"{version}.opt"
    return f"{version}.opt" if "-" in version else f"{version}-opt"


def _bare(given: Given, report: Report) -> dict[str, Any]:
    shape = [side or 1 for side in given.input.shape]
    inputs: dict[str, Any] = {"name": given.input.name, "shape": shape, "dtype": given.input.dtype}
    if report.task == "image-classification" and len(shape) == 3:
        channels, height, width = shape
        inputs["image"] = {"width": width, "height": height, "channels": channels, "layout": "nchw"}
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in given.path.stem.lower()).strip("-") or "model"
    if "image" not in inputs:
        inputs["features"] = name  # its feature set is the author's to write
    return {
        "model": name,
        "version": "1.0.0",
        "task": report.task,
        "description": f"made of {given.path.name}, which had no card",
        "inputs": inputs,
        "outputs": _outputs(given, report.task),
    }


def _outputs(given: Given, task: str | Task) -> dict[str, Any]:
    floats = [port for port in given.outputs if port.dtype.startswith("float")]
    wide = next((port for port in floats if len(port.shape) == 1 and (port.shape[0] or 2) > 1), None)
    if task in {"classification", "image-classification"} and wide:
        return {"classes": {"name": wide.name}, "labels": [str(i) for i in range(wide.shape[0] or 0)]}
    named = (floats or list(given.outputs))[0].name
    return {"score": {"name": named}, **({"labels": ["no", "yes"]} if task == "classification" else {})}


def _beside(given: Given, out: Path) -> None:
    """The feature set and whatever small files the author put there."""
    for path in sorted(given.folder.iterdir()) if given.folder else ():
        taken = {CARD, REPORT, given.path.name}
        plain = path.is_file() and not path.is_symlink() and path.name not in taken and path.suffix in _TEXTS
        if plain and path.stat().st_size <= _MOST_BESIDE:
            shutil.copyfile(path, out / path.name)


_TEXTS = {".yaml", ".yml", ".md", ".txt"}
