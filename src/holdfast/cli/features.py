"""`holdfast features list|show|check|export`: what models are given, and tables to train them with."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import typer
from msgspec import Struct

import holdfast
from holdfast.backtesting.accounts import wants_of
from holdfast.backtesting.readings import Readings
from holdfast.cli.feature_labels import Labeller, NextValue, Said
from holdfast.cli.formats import Format
from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.watched import watched
from holdfast.cli.which_past import Wanted, files_of, past
from holdfast.cli.words import many, plain, table, when
from holdfast.cli.writing import RowWriter, writing
from holdfast.journal import alert_labels
from holdfast.kernel.clock import Clock
from holdfast.kernel.stars import matcher
from holdfast.model.features import FILLED, UNCERTAIN, FeatureRows
from holdfast.model.series import Series
from holdfast.storage.sqlite import translated
from holdfast.stream.features.hashing import canonical
from holdfast.stream.features.sets import FeatureSet
from holdfast.stream.features.tables import pieces_of, rows
from holdfast.stream.language.featuring import compile_features, load_features
from holdfast.stream.rules import CompiledRule

BUILTIN = "builtin:"
FILE = "features.yaml"
EVENTS = "events"
_AT_ONCE = 65_536
_MOST_BYTES = 64 << 20
_SHOWN = 40


class Told(Struct, frozen=True):
    """A feature set, as JSON."""

    features: str
    version: int
    hash: str
    window: str
    missing: object
    quality: str
    every_s: float
    columns: tuple[str, ...]
    inputs: tuple[str, ...]
    others: tuple[str, ...]
    select: dict[str, str]
    source: str
    description: str


@dataclass(slots=True)
class Exported:
    """What came of an export."""

    rows: int = 0
    unusable: int = 0
    flagged: int = 0
    unlabelled: int = 0
    devices: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported. devices: names with stars, "" = all; label: a metric, `events`, or nothing."""

    devices: str = ""
    label: str = ""
    rename: tuple[str, ...] = ()
    out: Path | None = None
    usable: bool = False


def path_of(text: str) -> list[Path]:
    """A features document as typed: a file, a folder of a model, a folder of *.yaml, `builtin:NAME`.

    Raises:
        Misused: when there is none.
    """
    path = Path(text)
    if text.startswith(BUILTIN):
        path = Path(holdfast.__file__).parent / "inference" / "shipped" / text.removeprefix(BUILTIN)
    if path.is_dir():
        found = [path / FILE] if (path / FILE).is_file() else sorted(path.glob("*.yaml"))
        if found:
            return found
    if path.is_file():
        return [path]
    raise Misused(f"there are no features in {text}", "name a features.yaml, a model's folder, or builtin:NAME")


def loaded(texts: Iterable[str]) -> list[FeatureSet]:
    """The sets in what was typed.

    Raises:
        Misused, SettingsInvalid: when there are none, or something is wrong with them.
    """
    return load_features([path for text in texts for path in path_of(text)])


def told(one: FeatureSet) -> Told:
    """A set as JSON has it."""
    text = one.text
    missing: object = text.missing if isinstance(text.missing, str) else {"fill": text.missing.fill}
    return Told(
        one.name, one.version, one.hash, text.window, missing, text.quality, text.every, one.columns, one.inputs,
        one.others, text.select, text.source, text.description,
    )  # fmt: skip


def show_list(sets: Sequence[FeatureSet], *, json: bool) -> int:
    """Print what sets there are. Returns 0."""
    if json:
        typer.echo(as_json([told(one) for one in sets]))
        return 0
    head = ["features", "version", "numbers", "window", "inputs"]
    lines = [
        [one.ref, f"{one.version}", f"{one.width:,}", one.text.window, plain(", ".join(one.inputs), 60)] for one in sets
    ]
    typer.echo("\n".join(table([head, *lines], (1, 2))))
    return 0


def show(one: FeatureSet, *, json: bool) -> int:
    """Print a set whole. Returns 0."""
    if json:
        typer.echo(as_json(told(one)))
        return 0
    text = one.text
    lines = [f"{one.ref}, version {one.version}: {many(one.width, 'number')} a row"]
    lines += [plain(text.description)] if text.description else []
    lines += [f"hash     {one.hash}", f"from     {text.source}", f"window   {text.window}"]
    lines += [f"missing  {told(one).missing}", f"quality  {text.quality}"]
    lines += [f"every    {text.every:g}s"] if text.every else []
    lines += [f"reads    {', '.join((*one.inputs, *one.others))}", ""]
    widths = dict.fromkeys(text.select, 0)
    for column in one.columns:
        owner = max((name for name in widths if column == name or column.startswith(f"{name}_")), key=len)
        widths[owner] += 1
    shown = [[name, f"{widths[name]:,}", " ".join(said.split())] for name, said in list(text.select.items())[:_SHOWN]]
    lines += table([["feature", "numbers", "expression"], *shown], (1,))
    lines += [f"… and {len(text.select) - _SHOWN:,} more (--json has all)"] if len(text.select) > _SHOWN else []
    lines += ["", "What the hash is of:", canonical(text).decode()]
    typer.echo("\n".join(lines))
    return 0


def check(sets: Sequence[FeatureSet], *, json: bool) -> int:
    """Say that they are good. Returns 0; what is wrong was raised before."""
    if json:
        return show_list(sets, json=True)
    for one in sets:
        typer.echo(f"{one.ref}: good, {many(one.width, 'number')} a row of {', '.join((*one.inputs, *one.others))}")
    return 0


def renames(texts: Sequence[str]) -> dict[str, str]:
    """`--input FEATURE_METRIC=METRIC`, as typed.

    Raises:
        Misused: when one isn't that.
    """
    found = {}
    for text in texts:
        name, equals, metric = text.partition("=")
        if not (name and equals and metric):
            raise Misused(f"--metric {text} isn't METRIC=METRIC", "as in --metric accelerometer1=vibration.x")
        found[name] = metric
    return found


def export(features: FeatureSet, wanted: Wanted, wish: Wish, clock: Clock, *, json: bool) -> int:
    """Write the table, say what is in it. Returns 0; 1 when there is no row."""
    line = compile_features(features, "export", "", renames(wish.rename))
    how = _format(wish.out)
    wants, patterns = _wants(line, wish)
    with past(wanted, wants, patterns, clock) as readings, writing(wish.out, how) as writer:
        line = _narrowed(line, wish)
        labeller = _labeller(wish.label, wanted, readings)
        done = Exported()
        writer.begin(_schema(features, labeller))
        for found, labels in _labelled(line, watched(readings, "export", json=json), labeller):
            _write(writer, found, labels, wish, done)
        if wish.out is not None:
            typer.echo(as_json(told(features)) if json else _account(features, readings, wish, done), err=json)
        return 0 if done.rows else 1


def _wants(line: CompiledRule, wish: Wish) -> tuple[Callable[[Series], bool], list[str]]:
    reads, of = wants_of([line]), _is_of(wish.devices)
    label = "" if wish.label == EVENTS else wish.label
    metrics = sorted({one.metric for one in line.stage.inputs if one.kind != "fact"} | ({label} - {""}))
    others = {(one.device, one.metric) for one in line.stage.inputs if one.kind == "other"}

    def wants(one: Series) -> bool:
        if (one.device, one.metric) in others and reads(one):
            return True
        is_meant = of(one.node, one.device) and line.matches(one.node, one.device)
        return is_meant and (one.metric == label or reads(one))

    return wants, [f"*/{metric}" for metric in metrics]


def _is_of(devices: str) -> Callable[[str, str], bool]:
    if not devices:
        return lambda _node, _device: True
    fits = matcher([one.strip() for one in devices.split(",") if one.strip()])
    return lambda node, device: fits(device) or fits(f"{node}/{device}")


def _narrowed(line: CompiledRule, wish: Wish) -> CompiledRule:
    inner, of = line.matches, _is_of(wish.devices)
    return replace(line, matches=lambda n, d, m="": of(n, d) and inner(n, d, m))


def _labeller(label: str, wanted: Wanted, readings: Readings) -> Labeller | None:
    if not label:
        return None
    if label != EVENTS:
        found = NextValue(readings.catalogue, label)
        if not found.is_known:
            raise Misused(f"there is no series of {label} to be the label", "look with `holdfast series`")
        return found
    files = files_of(wanted)
    if files is None:
        raise Misused("labels of alerts are in a node's own files", "give --node NODE.YAML or --data DIR")
    db = files.access.reader()
    try:
        with translated():
            return Said(alert_labels.page(db, "", alert_labels.KEEP))
    finally:
        db.close()


def _labelled(line: CompiledRule, readings: Readings, labeller: Labeller | None) -> Iterator[tuple[FeatureRows, Any]]:
    if labeller is None:
        for found in rows(line, readings):
            yield found, None
        return
    inner = readings.batches

    def learned() -> Iterator[Any]:
        for batch in inner:
            labeller.learn(batch)
            yield batch

    readings.batches = learned()
    for found in rows(line, readings):
        yield from labeller.label(found)
    yield from labeller.rest()


def _schema(features: FeatureSet, labeller: Labeller | None) -> pa.Schema:
    fields = [("ts", pa.timestamp("ns", "UTC")), ("node", pa.string()), ("device", pa.string())]
    fields += [(name, pa.float64()) for name in features.columns]
    fields += [("flags", pa.uint8())]
    if labeller is not None:
        fields += [("label", pa.string() if labeller.is_text else pa.float64())]
    schema = pa.schema(fields)
    return schema.with_metadata({"holdfast.features": f"{features.name}@{features.hash}"})


def _write(writer: RowWriter, found: FeatureRows, labels: Any, wish: Wish, done: Exported) -> None:
    done.devices = max(done.devices, len(found.places))
    done.unusable += int(np.count_nonzero(~found.usable))
    if wish.usable:
        kept = np.flatnonzero(found.usable)
        found, labels = found.take(kept), None if labels is None else labels[kept]
    done.rows += len(found)
    done.flagged += int(np.count_nonzero(found.flags & (UNCERTAIN | FILLED)))
    most = max(1, min(_AT_ONCE, _MOST_BYTES // (8 * max(1, found.values.shape[1]))))
    at = 0
    for piece in pieces_of([found], most):
        mine = None if labels is None else labels[at : at + len(piece)]
        at += len(piece)
        if mine is not None:
            done.unlabelled += int(np.count_nonzero(_is_missing(mine)))
        writer.add(_batch(writer, piece, mine))


def _is_missing(labels: Any) -> Any:
    return pa.array(labels, from_pandas=True).is_null().to_numpy(zero_copy_only=False)


def _batch(writer: RowWriter, piece: FeatureRows, labels: Any) -> pa.RecordBatch:
    nodes, devices = (np.array([place[i] for place in piece.places], object)[piece.key] for i in range(2))
    arrays = [
        pa.array(piece.ts, pa.timestamp("ns", "UTC")), pa.array(nodes, pa.string()), pa.array(devices, pa.string()),
    ]  # fmt: skip
    columns = np.ascontiguousarray(piece.values.T)
    arrays += [pa.array(column, pa.float64(), mask=np.isnan(column)) for column in columns]
    arrays.append(pa.array(piece.flags))
    if labels is not None:
        mask = _is_missing(labels)
        arrays.append(pa.array(labels, writer.schema.field("label").type, mask=mask))
    return pa.RecordBatch.from_arrays(arrays, schema=writer.schema)


def _account(features: FeatureSet, readings: Readings, wish: Wish, done: Exported) -> str:
    what = f"{many(done.rows, 'row')} of {features.ref}, {many(done.devices, 'device')}"
    lines = [f"{wish.out}: {what}, {when(readings.from_ns)} to {when(readings.to_ns)}"]
    if done.unusable:
        said = "left out" if wish.usable else "among them"
        lines.append(f"{many(done.unusable, 'row')} that a model isn't given, {said}: an input is missing or bad")
    if done.flagged:
        lines.append(f"{many(done.flagged, 'row')} with an uncertain or a filled input")
    if done.unlabelled:
        lines.append(f"{many(done.unlabelled, 'row')} without a label")
    return "\n".join(lines + [f"note: {plain(note)}" for note in readings.notes])


def _format(out: Path | None) -> Format:
    if out is None or out.suffix == ".csv":
        return Format.CSV
    if out.suffix == ".parquet":
        return Format.PARQUET
    raise Misused(f"--out {out}: what kind of file?", "a name that ends with .csv or .parquet")
