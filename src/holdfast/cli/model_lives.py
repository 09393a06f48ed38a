"""Deployed models' lives for people: versions, comparisons, drift, and what is done about them."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec
import typer

from holdfast.cli.alerts import me, note, read, running
from holdfast.cli.node_api import Api, File, Misused, as_json
from holdfast.cli.words import many, plain, size, table, when
from holdfast.inference.lifecycle.comparing import ComparisonStatus
from holdfast.inference.lifecycle.drift.findings import span_of
from holdfast.inference.lifecycle.judging import ArmStatus
from holdfast.inference.lifecycle.states import Act, Book
from holdfast.inference.lifecycle.status import (
    ActBody,
    ActDone,
    ColumnStatus,
    DeploymentRow,
    DeploymentStatus,
    ModelList,
    VersionStatus,
)
from holdfast.inference.serving.images.status import ImageStatus
from holdfast.journal import models
from holdfast.web.model_answers import LabelCounts, ModelRow


class Shown(DeploymentStatus, frozen=True, kw_only=True):
    """One deployment, how it runs, the count of its labels, and how it goes with its pictures.

    row: absent where the other end is older
    """

    row: ModelRow | None = None
    labels: LabelCounts = LabelCounts()
    pictures: ImageStatus | None = None


_BARS = "▁▂▃▄▅▆▇█"
_WIDE = 24
_HISTORY = 8


def show_status(where: Api | File, name: str, *, json: bool) -> int:
    """Print one deployment, or all; returns 1 when something is alarmed or nothing acts, else 0."""
    if isinstance(where, File):
        return _stopped(where, name, json=json)
    if not name:
        listed = where.get("models", ModelList)
        typer.echo(as_json(listed) if json else "\n".join(_rows(listed.deployments)))
        return 1 if any(one.alarms or one.fallen or not one.active for one in listed.deployments) else 0
    found = _one(where, name)
    typer.echo(as_json(found) if json else "\n".join(_status(found)))
    return 1 if found.alarms or found.fallen or not found.active else 0


def _one(where: Api | File, name: str) -> Shown:
    return running(where).get(f"models/{quote(name, safe='')}", Shown)


def _stopped(where: File, name: str, *, json: bool) -> int:
    books = {one: msgspec.json.decode(data, type=Book) for one, data in read(where, models.books).items()}
    if name and name not in books:
        raise Misused(f"there is no deployment {name} in {where}", f"there are: {', '.join(books) or 'none'}")
    chosen = [book for one, book in books.items() if name in ("", one)]
    if json:
        typer.echo(as_json(chosen))
        return 0
    lines = [*note(where), *([] if chosen else ["No model was deployed here."])]
    for book in chosen:
        versions = [
            VersionStatus(v.ref, v.state, v.since_ns, v.percent, v.shadowed, v.mark, "", "") for v in book.versions
        ]
        lines += [f"{plain(book.deployment)}: {plain(book.active) or 'nothing'} is active", *_versions(versions), ""]
        lines += _history(book.history[::-1]) if name else []
    typer.echo("\n".join(lines).rstrip())
    return 0


def _rows(found: Sequence[DeploymentRow]) -> list[str]:
    if not found:
        return ["No model is deployed here. `models: deploy:` in node.yaml does."]
    head = ["deployment", "active", "canaries", "shadows", "labelled", "alarms"]
    body = [
        [
            plain(one.name),
            (plain(one.active) or "nothing") + (" (fallen back)" if one.fallen else ""),
            ", ".join(f"{plain(ref)} {percent:g} %" for ref, percent in one.canaries.items()) or "-",
            ", ".join(map(plain, one.shadows)) or "-",
            f"{one.labelled:,}",
            f"{one.alarms:,}",
        ]
        for one in found
    ]
    return table([head, *body], (4, 5))


def _runs(row: ModelRow) -> str:
    said = [row.health + (f": {plain(row.words)}" if row.words else "")]
    if row.p99_ms is not None:
        budget = f" of {row.budget_ms:.3g}" if row.budget_ms else ""
        said.append(f"p99 {row.p99_ms:.3g}{budget} ms, {row.rows_per_s:.3g} rows/s of {many(row.devices, 'device')}")
        said.append(f"{100 * row.fallback_share:.2g} % by fallback")
    elif row.health == "ok":
        said.append("nothing was scored yet")
    return ", ".join(said)


def _status(found: Shown) -> list[str]:
    acting = f"{plain(found.active) or 'nothing'} is active"
    if found.fallen:
        acting += f", but its fallbacks answer, until {when(found.hold_ns)} at least"
    lines = [f"{plain(found.name)}: {acting}"]
    if found.row is not None:
        lines.append(_runs(found.row))
    lines += ["", *_versions(found.versions)] if found.versions else []
    lines += [f"alarm     {when(one.since_ns)}  {plain(one.message)}" for one in found.alarms]
    said = found.labels
    if any((said.confirmed, said.rejected, said.given)):
        lines += [
            "",
            f"labels    alerts: {said.confirmed:,} confirmed, {said.rejected:,} rejected; {said.given:,} of times",
        ]
    if found.pictures is not None:
        lines += ["", *_pictures(found.pictures)]
    return [*lines, "", *_history(found.history)]


def _pictures(told: ImageStatus) -> list[str]:
    counts = f"{told.taken:,} taken, {told.refused:,} refused, {told.unanswered:,} without an answer"
    first = f"pictures  {told.state.replace('_', ' ')}: {counts}; {told.waiting:,} wait ({size(told.waiting_bytes)})"
    return [first, f"          {plain(told.last_error, 200)}"] if told.last_error else [first]


def _versions(found: Sequence[VersionStatus]) -> list[str]:
    head = ["version", "state", "since", "devices", "against the active one"]
    body = [
        [
            plain(one.ref),
            one.state,
            when(one.since_ns),
            f"{one.share:g} %" if one.share else "-",
            _against(one),
        ]
        for one in found
    ]
    return table([head, *body], (3,))


def _against(one: VersionStatus) -> str:
    if one.mark and one.state == "retired":  # why it's away says more than how it stood
        return f"taken back: {plain(one.mark, 60)}"
    return one.verdict or (f"taken back: {plain(one.mark, 60)}" if one.mark else "-")


def _history(acts: Sequence[Act]) -> list[str]:
    if not acts:
        return []
    body = [
        [
            when(one.at_ns),
            plain(one.by, 30),
            one.do + (f" {one.percent:g} %" if one.percent else "") + (", forced" if one.forced else ""),
            plain(one.version),
            f"{one.before or 'new'} → {one.after}",
            plain(one.why, 60),
        ]
        for one in acts[:_HISTORY]
    ]
    return table([["when", "who", "did", "version", "", "why"], *body])


def act(where: Api | File, name: str, do: str, said: ActBody, *, json: bool) -> int:
    """Do it and print what was done."""
    done = running(where).post(f"models/{quote(name, safe='')}/{do}", said, ActDone)
    if json:
        typer.echo(as_json(done))
        return 0
    lines = [
        f"{plain(one.version)}: {one.before or 'new'} → {one.after}" + (f", {one.percent:g} %" if one.percent else "")
        for one in done.done
    ]
    typer.echo("\n".join([*lines, f"{plain(done.active) or 'Nothing'} is active."]))
    return 0


def show_report(where: Api | File, name: str, version: str, *, json: bool) -> int:
    """Print comparisons; returns 1 when a version is worse, else 0."""
    found = _one(where, name)
    chosen = [one for one in found.comparisons if version in ("", one.version)]
    if version and not chosen:
        raise Misused(f"{version} was not compared with {found.active}", f"`holdfast model shadow … {name} {version}`")
    if json:
        typer.echo(as_json({"comparisons": chosen, "split": found.split}))
    else:
        lines = [line for one in chosen for line in (*_comparison(one), "")] or [
            f"Nothing runs beside {found.active}.",
            "",
        ]
        typer.echo("\n".join(lines + (_split(found.split) if len(found.split) > 1 and not version else [])).rstrip())
    return 1 if any(one.verdict == "worse" for one in chosen) else 0


def _comparison(one: ComparisonStatus) -> list[str]:
    lines = [f"{plain(one.version)} beside {plain(one.against)}: {one.verdict}", f"  {one.words}"]
    facts = [["  rows answered by both", f"{one.rows:,}"]]
    if one.agreement is not None:
        facts.append(["  they agree on", f"{one.agreement:.2%}"])
    if one.error is not None and one.error_new is not None and one.error_old is not None:
        facts.append(
            [f"  error of {one.labelled:,} labelled rows", f"{one.error_new:.4g}, the other's {one.error_old:.4g}"]
        )
        facts.append([f"  {one.error.test}, for one look", f"p = {one.error.p:.3g}"])
    if len(one.latency_ms) == 4:
        mine, other = one.latency_ms[:2], one.latency_ms[2:]
        facts.append(
            ["  latency p50, p99", f"{mine[0]:.3g}, {mine[1]:.3g} ms; the other's {other[0]:.3g}, {other[1]:.3g} ms"]
        )
    if one.quantiles:
        facts.append(["  score less the other's", "  ".join(f"p{100 * q:g} {x:+.3g}" for q, x in one.quantiles[::2])])
    lines += table(facts)
    if one.agreement is not None and one.rows:
        lines += _confusion(one)
    worst = ", ".join(f"{plain(line.device)} {line.agreement:.0%} of {line.rows:,}" for line in one.worst)
    return lines + ([f"  agree least: {worst}"] if worst else [])


def _confusion(one: ComparisonStatus) -> list[str]:
    used = [
        at
        for at, name in enumerate(one.labels)
        if at < 8 and (any(one.confusion[at]) or any(r[at] for r in one.confusion))
    ]
    head = ["  active ↓ this one →", *(plain(one.labels[at], 16) for at in used)]
    body = [[f"  {plain(one.labels[row], 16)}", *(f"{one.confusion[row][at]:,}" for at in used)] for row in used]
    return table([head, *body], range(1, len(head)))


def _split(arms: Sequence[ArmStatus]) -> list[str]:
    head = ["acting", "devices", "rows", "unanswered", "labelled", "error", "error beside the active one's"]
    body = [
        [
            plain(one.version),
            f"{one.devices:,}",
            f"{one.rows:,}",
            f"{one.failed:.2%}",
            f"{one.labelled:,}",
            "-" if one.error is None else f"{one.error:.4g}",
            "-" if one.against_error is None else one.against_error.verdict,
        ]
        for one in arms
    ]
    return [*table([head, *body], (1, 2, 3, 4, 5)), "Each acts for devices of its own: a difference may be theirs."]


def show_drift(where: Api | File, name: str, *, relearn: bool, json: bool) -> int:
    """Print drift by feature; returns 1 when one is alarmed, else 0."""
    api = running(where)
    if relearn:
        api.post(f"models/{quote(name, safe='')}/relearn", ActBody(by=me()), DeploymentStatus)
        typer.echo(f"{plain(name)} learns anew what is usual; until it knows, nothing is alarmed.", err=json)
    found = _one(api, name).drift
    alarmed = found.error_alarmed or any(one.alarmed or one.devices for one in found.columns)
    if json:
        typer.echo(as_json(found))
        return int(alarmed)
    season = span_of(found.season_s)
    head = ["feature", f"PSI {season}", "limit", f"KS {season}", "limit", "devices", "lately", ""]
    body = [
        [plain(one.name, 40), *_numbers(one), f"{one.devices:,}", _spark(one.spark), _said(one)]
        for one in found.columns
    ]
    lines = table([head, *body], (1, 2, 3, 4, 5))
    bad = f"{found.bad:,} not to be scored, {found.filled:,} filled, {found.uncertain:,} uncertain"
    alone = f"{many(found.devices, 'device')} watched one by one, {found.unwatched:,} more only together"
    lines += ["", f"{found.rows:,} rows in {season}: {bad}", f"{alone}; {size(found.bytes)}"]
    if found.error is not None:
        usual = "" if found.error_usual is None else f", {found.error_usual:.3g} at first"
        lines.append(
            f"error against {many(found.labelled, 'labelled row')}: {found.error:.3g}{usual}"
            + (", alarmed" if found.error_alarmed else "")
        )
    typer.echo("\n".join(lines))
    return int(alarmed)


def _numbers(one: ColumnStatus) -> list[str]:
    return ["-" if x is None else f"{x:.3g}" for x in (one.psi, one.psi_limit, one.ks, one.ks_limit)]


def _said(one: ColumnStatus) -> str:
    if one.alarmed:
        return "drifts"
    if one.devices:
        return f"drifts at {many(one.devices, 'device')}, most at {plain(one.worst)}"
    return "" if one.phase in ("watching", "settled") else one.phase


def _spark(values: Sequence[float | None]) -> str:
    shown = list(values[-_WIDE:])
    most = max((x for x in shown if x is not None), default=0.0) or 1.0
    return "".join(" " if x is None else _BARS[min(7, int(8 * max(0.0, x) / most))] for x in shown).strip()
