"""`holdfast detect`: detectors on readings of the past, compared, with advice."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import typer

from holdfast.backtesting.readings import Readings
from holdfast.cli import detect_plot
from holdfast.cli.detected import Alarm, Judged, Report, Tried, lines
from holdfast.cli.labels import Label, of_flags, read_labels
from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.progress import progress
from holdfast.cli.watched import watched
from holdfast.history.names import matching
from holdfast.model.batch import Batch
from holdfast.model.quality import QUALITY_MASK, Quality
from holdfast.model.series import Kind, Series
from holdfast.stream.detectors.catalogue import KINDS, OptionsInvalid
from holdfast.stream.detectors.ports import THRESHOLD
from holdfast.stream.detectors.traits import Traits, advise, traits
from holdfast.stream.detectors.trials import Run, Subject, Verdict, alarms, best_threshold, checked, judge, run

ALL = "all"
TERMINAL = "term"
_MOST_SUBJECTS = 10_000
_MATTERS = 0.05  # of F1: what is less may be chance


@dataclass(frozen=True, slots=True)
class Chosen:
    """A detector as typed: `mad:limit=4`."""

    name: str
    options: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked.

    labels: a file; flags: a column of the readings that is 1 where something was wrong
    only:   names of series with stars; of them alone, when there are any
    """

    detectors: Sequence[Chosen]
    threshold: float = THRESHOLD
    labels: Path | None = None
    flags: str = ""
    plot: str = ""
    only: Sequence[str] = ()


def chosen(texts: Sequence[str]) -> list[Chosen]:
    """Detectors as typed.

    Raises:
        Misused: when one isn't known, or its options aren't NAME=NUMBER.
    """
    if ALL in texts:
        return [Chosen(name, {}) for name in KINDS]
    found = []
    for text in texts or ["auto"]:
        name, _, rest = text.partition(":")
        options = {}
        for part in filter(None, rest.split(",")):
            option, equals, value = part.partition("=")
            try:
                options[option] = float(value)
            except ValueError:
                raise Misused(f"--detector {text}: {part} isn't OPTION=NUMBER", "as in mad:limit=4") from None
            if not equals:
                raise Misused(f"--detector {text}: {part} isn't OPTION=NUMBER", "as in mad:limit=4")
        if name not in KINDS:
            raise Misused(f"no detector is called {name}", f"there are {', '.join(sorted(KINDS))}, and `all`")
        found.append(Chosen(name, options))
    return found


def single(names: Sequence[str]) -> list[str]:
    """Detectors of one series by name; without any name all of them.

    Raises:
        Misused: when there is none of a name.
    """
    there = [name for name, kind in KINDS.items() if kind.columns[0] == 1]
    for name in names:
        if name not in there:
            raise Misused(f"no detector of one series is called {name}", f"there are {', '.join(there)}")
    return list(names) or there


def detect(readings: Readings, wish: Wish, *, json: bool) -> int:
    """Score, judge, print, draw. Returns 0.

    Raises:
        Misused: when there is nothing to score, or labels or options are wrong.
    """
    series, labels = _series(watched(readings, "reading", json=json), wish)
    found: list[tuple[Sequence[Subject], Run, Mapping[str, float]]] = []
    left_out = []
    for one in wish.detectors:
        subjects = series if KINDS[one.name].columns[0] == 1 else _together(series, labels, one)
        if not subjects:
            left_out.append(one.name)
            continue
        try:
            found.append((subjects, _ran(one, subjects, json=json), one.options))
        except OptionsInvalid as error:
            raise Misused(str(error), "see docs/reference/detectors.md") from error
    if not found:
        wants = ", ".join("{} at {} to {}".format(name, *KINDS[name].columns) for name in left_out)
        raise Misused(f"no device here has as many series as are looked at together: {wants}", "try auto")
    report = _report(readings, series, found, wish.threshold, left_out)
    if json:
        typer.echo(as_json(report))
    else:
        typer.echo("\n".join(lines(report)))
    if wish.plot:
        _draw(readings, found[0][0], found[0][1], wish, quiet=json)
    return 0


def _ran(one: Chosen, subjects: Sequence[Subject], *, json: bool) -> Run:
    total = sum(len(subject.ts) for subject in subjects)
    with progress(one.name, total, "readings", json=json) as tell:
        return run(one.name, one.options, subjects, tell)


def _series(readings: Readings, wish: Wish) -> tuple[list[Subject], list[Label]]:
    """The series as subjects, with their labels."""
    whole = _whole(readings.batches)
    usable = (whole.quality & QUALITY_MASK) != Quality.BAD
    whole = whole.take(np.flatnonzero(usable & np.isfinite(whole.value)))
    order = np.argsort(whole.series, kind="stable")
    ids, firsts = np.unique(whole.series[order], return_index=True)
    parts = dict(zip(ids.tolist(), np.split(order, firsts)[1:], strict=True))
    named = {i: readings.catalogue[i] for i in parts}
    labels = _labels(readings, whole, parts, named, wish)
    found = []
    for i, rows in parts.items():
        about = named[i]
        if about.kind == Kind.TEXT or about.metric == wish.flags or (wish.only and not matching([about], wish.only)):
            continue
        windows = [(one.start, one.end) for one in labels if one.is_of(about.device, (about.metric,))]
        name = f"{about.device}/{about.metric}"
        found.append(Subject(name, (about.metric,), whole.ts[rows], whole.value[rows], windows))
    if not found:
        there = ", ".join(sorted(f"{one.device}/{one.metric}" for one in named.values())[:10])
        raise Misused(f"{readings.name} has no such numbers in that time", f"there are {there or 'none at all'}")
    if len(found) > _MOST_SUBJECTS:
        raise Misused(f"{len(found):,} series are too many at once", f"name fewer: at most {_MOST_SUBJECTS:,}")
    return found, labels


def _whole(batches: Iterable[Batch]) -> Batch:
    parts = [Batch.empty(), *batches]
    return Batch(
        np.concatenate([p.series for p in parts]),
        np.concatenate([p.ts for p in parts]),
        np.concatenate([p.value for p in parts]),
        np.concatenate([p.quality for p in parts]),
    )


def _labels(
    readings: Readings, whole: Batch, parts: Mapping[int, np.ndarray], named: Mapping[int, Series], wish: Wish
) -> list[Label]:
    if wish.labels is not None:
        return read_labels(wish.labels, readings.name, (readings.from_ns, readings.to_ns))
    if not wish.flags:
        return []
    flagged = [i for i, one in named.items() if one.metric == wish.flags]
    if not flagged:
        there = ", ".join(sorted({one.metric for one in named.values()})[:10])
        raise Misused(f"no column is called {wish.flags}", f"there are {there}")
    found = [one for i in flagged for one in of_flags(whole.ts[parts[i]], whole.value[parts[i]], named[i].device)]
    return sorted(found, key=lambda one: one.start)


def _together(series: Sequence[Subject], labels: Sequence[Label], one: Chosen) -> list[Subject]:
    """The series of each device as one subject, in the times at which any of them has a reading."""
    least, most = KINDS[one.name].columns
    devices = dict[str, list[Subject]]()
    for subject in series:
        devices.setdefault(subject.name.rpartition("/")[0], []).append(subject)
    found = list[Subject]()
    for device, mine in devices.items():
        if not least <= len(mine) <= most:
            continue
        ts = np.unique(np.concatenate([subject.ts for subject in mine]))
        values = np.full((len(ts), len(mine)), np.nan)
        for i, subject in enumerate(mine):
            values[np.searchsorted(ts, subject.ts), i] = subject.values
        columns = tuple(subject.columns[0] for subject in mine)
        windows = sorted({(label.start, label.end) for label in labels if label.is_of(device, columns)})
        found.append(Subject(device, columns, ts, values, windows))
    return found


def _report(
    readings: Readings,
    series: Sequence[Subject],
    found: Sequence[tuple[Sequence[Subject], Run, Mapping[str, float]]],
    threshold: float,
    left_out: Sequence[str],
) -> Report:
    tried = [_tried(subjects, one, options, threshold) for subjects, one, options in found]
    subject = max(series, key=lambda one: len(one.ts))
    about = traits(subject.ts, subject.values)
    return Report(
        readings.name,
        readings.from_ns,
        readings.to_ns,
        sum(len(one.ts) for one in series),
        len(series),
        threshold,
        tried,
        list(left_out),
        subject.name,
        _rounded(about),
        _advice(tried, about),
    )


def _rounded(about: Traits) -> dict[str, float]:
    return {name: round(float(getattr(about, name)), 4) for name in about.__dataclass_fields__}


def _tried(subjects: Sequence[Subject], one: Run, options: Mapping[str, float], threshold: float) -> Tried:
    scores = [score.score for score in one.scores]
    has_labels = any(subject.windows for subject in subjects)
    verdict = judge(subjects, scores, threshold)
    best = _judged(best_threshold(subjects, scores)) if has_labels else None
    halves = checked(subjects, scores) if has_labels else None
    later = (halves.chosen, _judged(halves.later), _judged(halves.shipped)) if halves else None
    told = list[Alarm]()
    for subject, speaker, score in zip(subjects, one.speakers, one.scores, strict=True):
        for first, last in alarms(subject.ts, score.score, threshold):
            row = first + int(score.score[first : last + 1].argmax())
            is_right = subject.is_right(first)
            why = speaker.explain(score, row)
            told.append(
                Alarm(
                    subject.name,
                    int(subject.ts[first]),
                    int(subject.ts[last]),
                    round(float(score.score[row]), 4),
                    why,
                    is_right,
                )
            )
    told.sort(key=lambda alarm: alarm.from_ns)
    cost = (round(one.us, 3), round(one.nbytes))
    return Tried(one.name, dict(options), len(subjects), *cost, _judged(verdict), best, later, told, has_labels)


def _judged(verdict: Verdict) -> Judged:
    delays = verdict.delays
    return Judged(
        verdict.threshold,
        verdict.windows,
        verdict.found,
        verdict.alarms,
        verdict.false_alarms,
        round(verdict.precision, 4),
        round(verdict.recall, 4),
        round(verdict.f1, 4),
        round(verdict.false_per_week, 4),
        float(np.median(delays)) if delays else None,
    )


def _advice(tried: Sequence[Tried], about: Traits) -> list[str]:
    """What to set, with reasons."""
    labelled = [one for one in tried if one.has_labels]
    if not labelled:
        return [f"{one.detector}: {one.reason}" for one in advise(about, KINDS)]
    best = max(labelled, key=lambda one: (one.verdict.f1, -one.verdict.false_alarms))
    said = [
        f"{best.detector}: finds {best.verdict.found} of {best.verdict.windows} windows with "
        f"{best.verdict.false_alarms} false alarms at {best.verdict.threshold:g}"
        + (", best of those tried" if len(labelled) > 1 else "")
    ]
    return [*said, *_threshold_advice(best), *_rule_advice(best)]


def _rule_advice(one: Tried) -> list[str]:
    if KINDS[one.detector].columns[0] > 1:
        return []
    options = {name: f"{value:g}" for name, value in one.options.items()}
    if one.verdict.threshold != THRESHOLD:
        options["threshold"] = f"{one.verdict.threshold:g}"
    words = ", ".join(f"{name}: {value}" for name, value in {"detector": one.detector, **options}.items())
    return [f"as a rule: detect: {'{' + words + '}' if options else one.detector}"]


def _threshold_advice(one: Tried) -> list[str]:
    if one.best is None or one.best.f1 < one.verdict.f1 + _MATTERS:
        return [f"threshold {one.verdict.threshold:g}: no other is much better on these labels"]
    gain = f"{one.best.found} of {one.best.windows} windows, {one.best.false_alarms} false alarms"
    if one.later is None:
        return [f"threshold {one.best.threshold:g}: {gain}; too few labels to check that on others"]
    picked, later, shipped = one.later
    other = f"F1 {later.f1:.2f}, {shipped.f1:.2f} at {shipped.threshold:g}"
    if later.f1 >= shipped.f1 + _MATTERS:
        why = f"chosen on the earlier half of the labels it's better on the later half too ({other})"
        return [f"threshold {picked:g}: {why}; at {one.best.threshold:g}: {gain}"]
    why = f"one chosen on the earlier half of the labels is no better on the later half ({other})"
    return [f"threshold {shipped.threshold:g}: {one.best.threshold:g} fits better here ({gain}), but {why}"]


def _draw(readings: Readings, subjects: Sequence[Subject], one: Run, wish: Wish, *, quiet: bool) -> None:
    panels = detect_plot.panels(subjects, one, wish.threshold)
    span = (readings.from_ns, readings.to_ns)
    if wish.plot == TERMINAL:
        size = shutil.get_terminal_size((100, 40))
        typer.echo("\n".join(detect_plot.terminal(panels, span, (size[0], size[1]), colours=not quiet)))
        return
    try:
        Path(wish.plot).write_bytes(detect_plot.picture(panels, span, f"{readings.name}: {one.name}"))
    except OSError as error:
        where = "give --plot another place, or --plot term"
        raise Misused(f"{wish.plot} can't be written: {error.strerror}", where) from error
    if not quiet:
        typer.echo(f"drawn: {wish.plot}")
