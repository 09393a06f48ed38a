"""Labels of deployed models for people and for training: listed, added, written as CSV or Parquet."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import typer

from holdfast.cli.alerts import note, read, running
from holdfast.cli.node_api import Api, File, as_json
from holdfast.cli.words import many, plain, table, when
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.service import label_of
from holdfast.inference.lifecycle.status import LabelBody, LabelList
from holdfast.journal import models

_PAGE = 1_000


def show_labels(where: Api | File, name: str, device: str, limit: int, *, json: bool) -> int:
    """Print the newest labels."""
    found = [one for one, _ in zip(_newest(where, name, device, min(limit, _PAGE)), range(limit), strict=False)]
    if json:
        typer.echo(as_json(found))
        return 0
    head = ["id", "device", "from", "to", "label", "who", "source", "comment"]
    body = [
        [
            str(one.id),
            plain(one.device),
            when(one.start_ns),
            when(one.end_ns),
            plain(one.label, 40),
            plain(one.by, 30),
            one.source,
            plain(one.comment, 40),
        ]
        for one in found
    ]
    typer.echo("\n".join([*note(where), *(table([head, *body], (0,)) if body else ["No labels."])]))
    return 0


def add_label(where: Api | File, name: str, said: LabelBody, *, json: bool) -> int:
    """Store one and print it."""
    made = running(where).post(f"models/{quote(name, safe='')}/labels", said, Label)
    if json:
        typer.echo(as_json(made))
    else:
        typer.echo(
            f"{plain(made.device)} was {plain(made.label)} "
            f"from {when(made.start_ns)} to {when(made.end_ns)} (label {made.id})"
        )
    return 0


def export_labels(where: Api | File, name: str, device: str, output: Path) -> int:
    """Write all labels, oldest first."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    found = sorted(_newest(where, name, device, _PAGE), key=lambda one: one.id)
    moment = pa.timestamp("ns", "UTC")
    written = pa.table(
        {
            "deployment": pa.array([one.deployment for one in found], pa.string()),
            "node": pa.array([one.node for one in found], pa.string()),
            "device": pa.array([one.device for one in found], pa.string()),
            "start": pa.array([one.start_ns for one in found], moment),
            "end": pa.array([one.end_ns for one in found], moment),
            "label": pa.array([one.label for one in found], pa.string()),
            "source": pa.array([one.source for one in found], pa.string()),
            "by": pa.array([one.by for one in found], pa.string()),
            "comment": pa.array([one.comment for one in found], pa.string()),
            "made": pa.array([one.made_ns for one in found], moment),
        }
    )
    if output.suffix == ".csv":
        csv.write_csv(written, output)
    else:
        parquet.write_table(written, output)
    typer.echo(f"{many(len(found), 'label')} written to {output}")
    return 0


def _newest(where: Api | File, name: str, device: str, page: int) -> Iterator[Label]:
    below = 0
    while True:
        if isinstance(where, Api):
            params = {"limit": f"{page}", "before": f"{below or ''}", "device": device}
            found = where.get(f"models/{quote(name, safe='')}/labels", LabelList, params)
        else:
            last = below
            stored = read(where, lambda db, last=last: models.labels(db, name, page, last, device))  # type: ignore[misc]
            kept = [label_of(one) for one in stored]
            found = LabelList(kept, kept[-1].id if len(kept) == page else 0)
        yield from found.labels
        below = found.more
        if not below:
            return
