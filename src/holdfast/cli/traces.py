"""What `holdfast trace` does: find a trace at the nodes it's asked for, and show its way."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import typer

from holdfast.cli.node_api import Api, Declined, Unanswered, api_of, as_json, settings_of
from holdfast.cli.tables import moment
from holdfast.cli.waterfall import milliseconds, waterfall
from holdfast.cli.words import plain, table
from holdfast.node.reporting import FOLDER
from holdfast.node.settings import NodePlan
from holdfast.reporting.keeping import Kept
from holdfast.reporting.questions import Reports, TraceRow, TracesWanted, ordered
from holdfast.storage.rolls import Roll
from holdfast.telemetry.lines import LogLine
from holdfast.telemetry.spans import Span
from holdfast.web.report_answers import TraceAnswer, TraceList


class Place:
    """One node: asked when it runs, else its files are read."""

    def __init__(self, plan: NodePlan) -> None:
        self.node = plan.settings.node
        self._api = api_of(plan)
        self._files = files_of(plan)
        self.note = ""

    def traces(self, wanted: TracesWanted) -> list[TraceRow]:
        """The newest, newest first."""
        api = self._running()
        if api is None:
            return self._files.traces(wanted)
        params = {"series": wanted.series, "kind": wanted.kind, "limit": str(wanted.limit)}
        return api.get("traces", TraceList, params).traces

    def spans(self, trace: str) -> tuple[list[Span], list[str]]:
        """The steps of one, with those below; and why some are missing."""
        api = self._running()
        if api is None:
            return self._files.trace(trace), []
        try:
            found = api.get(f"traces/{trace}", TraceAnswer, {"below": "true"})
        except Declined:
            return [], [f"{self.node} knows nothing of this trace: it wasn't followed, or is too old by now"]
        return found.spans, found.notes

    def _running(self) -> Api | None:
        if self._api is not None and not self.note:
            try:
                self._api.get("traces", TraceList, {"limit": "1"})
            except Unanswered as error:
                self.note = f"{error}; this is what {self.node} has on disk."
        return None if self.note else self._api


def files_of(plan: NodePlan) -> Reports:
    """What lies in a node's files."""
    folder = plan.data / FOLDER
    return Reports(Kept(LogLine, Roll(folder, "logs", 1)), Kept(Span, Roll(folder, "traces", 1)))


def show_trace(files: Sequence[Path], trace: str, wanted: TracesWanted, *, last: bool, json: bool) -> int:
    """Show one trace, or the newest ones."""
    places = [Place(settings_of(file)) for file in files]
    if not trace and not last:
        return _show_list(places, wanted, json=json)
    if not trace:
        rows = [row for place in places for row in place.traces(wanted)]
        if not rows:
            return _nothing(places, wanted)
        trace = max(rows, key=lambda row: row.start_ns).id
    spans, notes = list[Span](), list[str]()
    for place in places:
        found, said = place.spans(trace)
        spans += found
        notes += [*said, *([place.note] if place.note else [])]
    if not spans:
        typer.echo("\n".join(notes) or f"Nothing is known of trace {plain(trace, 60)}.", err=True)
        return 1
    steps = ordered(spans)
    if json:
        typer.echo(as_json(TraceAnswer(trace, steps, notes)))
    else:
        typer.echo("\n".join([*waterfall(steps, shutil.get_terminal_size((120, 24)).columns), *_noted(notes)]))
    return 0


def _show_list(places: Sequence[Place], wanted: TracesWanted, *, json: bool) -> int:
    rows = sorted((row for place in places for row in place.traces(wanted)), key=lambda row: -row.start_ns)
    if json:
        typer.echo(as_json(rows[: wanted.limit]))
        return 0
    if not rows:
        return _nothing(places, wanted)
    head = ["trace", "kind", "of", "began", "took", "at"]
    body = [
        [
            row.id,
            row.kind,
            plain(row.what, 60),
            moment(row.start_ns // 1_000_000 * 1_000_000),
            milliseconds(row.end_ns - row.start_ns),
            ", ".join(row.nodes),
        ]
        for row in rows[: wanted.limit]
    ]
    notes = [place.note for place in places if place.note]
    typer.echo("\n".join([*table([head, *body], (4,)), *_noted(notes)]))
    return 0


def _nothing(places: Sequence[Place], wanted: TracesWanted) -> int:
    about = f" of {plain(wanted.series, 60)}" if wanted.series else ""
    typer.echo(
        "\n".join(
            [
                f"No trace{about} is kept. `telemetry.traces.sample` says which share of readings is followed.",
                *(place.note for place in places if place.note),
            ]
        ),
        err=True,
    )
    return 1


def _noted(notes: Sequence[str]) -> list[str]:
    return ["", *(f"note: {plain(one)}" for one in notes)] if notes else []
