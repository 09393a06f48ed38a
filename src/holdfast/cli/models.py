"""`holdfast model`: the models of a node, whether one is fit to run, and what it says of a file's rows."""

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import typer
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.cli.model_features import features_of
from holdfast.cli.node_api import Misused, as_json, settings_of
from holdfast.cli.where import at_hand
from holdfast.cli.words import many, plain, size, table
from holdfast.inference.card import CARD, FEATURES, Card, load_card
from holdfast.inference.door import open_model
from holdfast.inference.loaded import Model
from holdfast.inference.runtimes.port import Options
from holdfast.inference.store import Entry, ModelStore
from holdfast.inference.trials import Trials
from holdfast.model.predictions import Predictions
from holdfast.stream.features.sets import FeatureSet

Array = NDArray[Any]
MODELS = "models"
"""Of a node's data folder."""
_ROWS = 4096
_SHOWN = 8
_MIXING = 1e-4
_GREW = 2
"""Measured memory may be so many times what the card says before anybody is told."""


class Listed(Struct, frozen=True):
    """A model, as `list --json` says it. memory, file_bytes in bytes; budget in s."""

    model: str
    version: str
    ref: str
    folder: str
    task: str = ""
    runtime: str = ""
    features: str = ""
    sha256: str = ""
    file_bytes: int = 0
    budget: float | None = None
    problem: str = ""


class Verdict(Struct, frozen=True):
    """What `check --json` says of a model that may run. memory in bytes, load_s in s; notes: what isn't wrong, but."""

    model: str
    version: str
    sha256: str
    provider: str
    memory: int
    load_s: float
    notes: list[str]


class Scored(Struct, frozen=True):
    """A row, counted from 1, as `predict --json` says it."""

    row: int
    label: str | None
    score: float | None
    confidence: float | None


def store_of(node: str, data: Path | None, *, needed: bool) -> ModelStore:
    """The store of the node that is meant; where none is needed and none is at hand, one with what ships.

    Raises:
        Misused, SettingsInvalid: when there is nothing to be asked.
    """
    if data is not None:
        return ModelStore(data / MODELS)
    try:
        named = node or at_hand()
    except Misused:
        if needed:
            raise
        return ModelStore(Path("/nonexistent"))
    if "://" in named:
        raise Misused(f"models are in a node's data folder, and {named} is an address", "give --node NODE.YAML")
    return ModelStore(settings_of(Path(named)).data / MODELS)


def folder_of(store: ModelStore, name: str) -> Path:
    """The folder of a model that is named by its path or as the store calls it.

    Raises:
        ModelUnknown: when there is none.
        Misused: when the path is another file's.
    """
    path = Path(name)
    if path.is_dir():
        return path
    if not path.exists() and "/" not in name:
        return store.resolve(name).folder
    if path.name not in {CARD, load_card(path.parent).file}:
        raise Misused(f"{path.parent / CARD} isn't the card of {path.name}", "a model's card and file share a folder")
    return path.parent


def show_list(store: ModelStore, *, json: bool) -> int:
    """Print what is there."""
    found = [_listed(entry) for entry in store.entries()]
    if json:
        typer.echo(as_json(found))
        return 0
    rows = [("MODEL", "VERSION", "TASK", "RUNTIME", "FILE", "FEATURES")]
    rows += [
        (plain(one.ref.partition("@")[0]), one.version, one.task, one.runtime, size(one.file_bytes), one.features)
        for one in found
        if not one.problem
    ]
    typer.echo("\n".join(table(rows, right=(4,))) if len(rows) > 1 else "no models")
    for one in found:
        if one.problem:
            typer.echo(f"{plain(one.folder)} can't be used:\n  {plain(one.problem, 2000)}", err=True)
    return 0


def _listed(entry: Entry) -> Listed:
    card = entry.card
    if card is None:
        return Listed(entry.name, entry.version, entry.ref, str(entry.folder), problem=entry.problem)
    try:
        file_bytes = (entry.folder / card.file).stat().st_size
    except OSError as error:
        problem = f"{entry.folder / card.file}: {error.strerror}"
        return Listed(entry.name, entry.version, entry.ref, str(entry.folder), problem=problem)
    return Listed(
        entry.name,
        entry.version,
        entry.ref,
        str(entry.folder),
        card.task,
        card.kind,
        card.inputs.features,
        card.sha256,
        file_bytes,
        card.budget,
    )


def show_card(store: ModelStore, name: str, *, json: bool) -> int:
    """Print what a model's card says."""
    entry = store.resolve(name)
    card = entry.card or load_card(entry.folder)
    if json:
        typer.echo(as_json(card))
        return 0
    said = [
        ("model", f"{card.model} {card.version}, {card.task}"),
        ("", card.description),
        ("folder", str(entry.folder)),
        ("file", f"{card.file}, run by {card.kind}, sha256 {card.sha256}"),
        ("takes", f"{_takes(card)}, {card.inputs.dtype} {list(card.inputs.shape)}"),
        ("says", ", ".join(card.labels) or "a number"),
        ("threshold", "" if card.threshold is None else f"{card.threshold:g}"),
        ("budget", "" if card.budget is None else f"{1000 * card.budget:g} ms"),
        ("metrics", _pairs(card.metrics)),
        ("trained", _pairs(card.trained)),
        ("optimised", _pairs(card.optimised)),
        ("licence", card.licence),
    ]
    typer.echo("\n".join(f"{key:<10} {plain(text, 2000)}".rstrip() for key, text in said if text))
    return 0


def _takes(card: Card) -> str:
    image = card.inputs.image
    return card.inputs.features or (f"images, {image.width} by {image.height}" if image else "")


def _pairs(values: dict[str, Any]) -> str:
    shown = ((key, f"{{{_pairs(one)}}}" if isinstance(one, dict) else str(one)) for key, one in values.items())
    return ", ".join(f"{key} {one}" for key, one in shown)


def check_model(folder: Path, *, json: bool) -> int:
    """Try a model afresh; say that it may run.

    Raises:
        InferenceError, SettingsInvalid: when it may not.
    """
    features = features_of(folder, load_card(folder))
    model = open_model(folder, Options(), Trials())
    verdict = Verdict(
        model.card.model,
        model.card.version,
        model.digest,
        model.provider,
        model.memory_bytes,
        round(model.load_s, 4),
        _notes(model, features),
    )
    typer.echo(as_json(verdict) if json else "\n".join([_fit(model), *(f"note: {one}" for one in verdict.notes)]))
    return 0


def _fit(model: Model) -> str:
    card = model.card
    return (
        f"{card.ref}: good; {card.file} is what the card says, runs on {model.provider}, "
        f"takes {size(model.memory_bytes)} of memory"
    )


def _notes(model: Model, features: FeatureSet | None) -> list[str]:
    """What an engineer may want to know of a model that isn't wrong."""
    card, notes = model.card, list[str]()
    if card.inputs.features and features is None:
        notes.append(f"no {FEATURES} beside the card: it can't be deployed, since nobody computes {card.feature_set}")
    elif features is not None and not card.feature_hash:
        notes.append(f"it can't be deployed before its card says which features exactly: `features: {features.ref}`")
    if model.mixing > _MIXING:
        notes.append(
            f"scores change by up to {model.mixing:.2g} with the rows that share a batch: it looks at the whole "
            "batch, as dynamic quantisation does"
        )
    if card.memory is not None and model.memory_bytes > _GREW * card.memory:
        notes.append(f"the card says {size(card.memory)} of memory")
    if card.budget is None:
        notes.append("no `budget`: nobody is told when it answers late")
    if not card.licence:
        notes.append("no `licence`")
    return notes


def add_model(store: ModelStore, source: Path) -> int:
    """Take a model into the store.

    Raises:
        InferenceError, SettingsInvalid, StorageError: when it isn't let in.
    """
    if not source.exists():
        raise Misused(f"there is no {source}", f"give a folder with {CARD} in it")
    folder = source if source.is_dir() else source.parent
    features = features_of(folder, load_card(folder))
    entry, model = store.add(source, Options(), Trials(store.verdicts))
    typer.echo(f"{_fit(model)}\n{entry.folder}: added as {entry.ref}")
    for note in _notes(model, features):
        typer.echo(f"note: {note}")
    return 0


def remove_model(store: ModelStore, name: str, *, force: bool) -> int:
    """Remove a model from the store.

    Raises:
        ModelUnknown, ModelInUse, StorageError: when it stays.
    """
    typer.echo(f"{store.remove(name, force=force).ref}: removed")
    return 0


def trials_of(store: ModelStore, name: str) -> Trials | None:
    """Who tries a model before it's asked: a store remembers, and what ships isn't tried."""
    if Path(name).exists() or "/" in name:
        return Trials()
    return None if store.resolve(name).trusted else Trials(store.verdicts)


def predict_file(folder: Path, file: Path, trials: Trials | None, *, json: bool) -> int:
    """Print what a model says of each row.

    Raises:
        Misused: when the file has no such columns.
        InferenceError, SettingsInvalid: when the model doesn't run.
    """
    model = open_model(folder, Options(), trials)
    at, unscored = 0, 0
    for values in _chunks(model, file):
        if not at and not json:
            typer.echo(f"{'ROW':>6}  {'LABEL':<16}  {'SCORE':>12}  CONFIDENCE")
        said = model.predict(values)
        unscored += int(np.isnan(said.score).sum())
        for scored in _scored(said, model.card.labels, at):
            typer.echo(msgspec.json.encode(scored).decode() if json else _line(scored))
        at += len(values)
    if unscored:
        typer.echo(f"{many(unscored, 'row')} of {at:,} not scored: a number is missing or infinite", err=True)
    return 0


def _scored(said: Predictions, labels: Sequence[str], at: int) -> Iterator[Scored]:
    columns = zip(said.label.tolist(), said.score.tolist(), said.confidence.tolist(), strict=True)
    for row, (label, score, confidence) in enumerate(columns, at + 1):
        name = labels[label] if 0 <= label < len(labels) else None
        yield Scored(row, name, None if math.isnan(score) else score, None if math.isnan(confidence) else confidence)


def _line(one: Scored) -> str:
    score = "-" if one.score is None else f"{one.score:.6g}"
    confidence = "-" if one.confidence is None else f"{one.confidence:.3f}"
    return f"{one.row:>6}  {plain(one.label or '-', 16):<16}  {score:>12}  {confidence:>10}"


def _chunks(model: Model, file: Path) -> Iterator[Array]:
    try:
        with sys.stdin if str(file) == "-" else file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            columns = _columns(model, next(reader, []), file)
            while rows := list(islice(reader, _ROWS)):
                yield np.array([[_number(row, at) for at in columns] for row in rows])
    except OSError as error:
        raise Misused(f"{file} can't be read: {error.strerror}", "give a CSV with a header") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Misused(f"{file} isn't a CSV: {error}", "commas between columns, a header in the first line") from None


def _columns(model: Model, header: Sequence[str], file: Path) -> list[int]:
    """Where each of the model's numbers stands in a row: by the features' names, or without those by its place."""
    features, given = features_of(model.folder, model.card), [name.strip() for name in header]
    if features is None:
        if len(given) != model.card.width:
            sentence = f"{file} has {len(given)} columns, and {model.card.ref} takes {model.card.width} numbers"
            raise Misused(sentence, f"without a {FEATURES} that names them, the CSV has those and nothing else")
        return list(range(len(given)))
    if missing := [name for name in features.columns if name not in given]:
        few = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise Misused(
            f"{file} has no column {few}", f"`holdfast features export` writes a file with all of {features.ref}"
        )
    return [given.index(name) for name in features.columns]


def _number(row: Sequence[str], at: int) -> float:
    try:
        return float(row[at])
    except (ValueError, IndexError):  # empty, or text where a number should be: not scored
        return math.nan
