"""Answers about the past as lines of text. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from holdfast.cli.words import lasting, many, plain, table
from holdfast.history.answers import Answer, Column, Value
from holdfast.history.question import Missing, Source
from holdfast.model.quality import words_of
from holdfast.web.answers import LastList, SeriesList

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = ("count", "bad", "uncertain", "min", "max", "mean", "last", "p50", "p90", "p95", "p99")
_LONGEST = 60
_NS = 10**9


def moment(ns: int) -> str:
    """A time, ns UTC, as fine as it needs be."""
    micros, rest = divmod(ns, 1000)
    text = f"{_EPOCH + timedelta(microseconds=micros):%Y-%m-%dT%H:%M:%S}"
    fraction = f"{micros % 1_000_000 * 1000 + rest:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def value(one: Value) -> str:
    """A value as people read it."""
    if one is None:
        return "-"
    if isinstance(one, bool):
        return "true" if one else "false"
    if isinstance(one, float):
        return f"{one:.6g}" if abs(one) < 1e6 else f"{one:,.1f}"
    return plain(str(one), _LONGEST)


def query_lines(answer: Answer) -> list[str]:
    """Points or steps of every series, then what the answer was made of."""
    lines: list[str] = []
    for column in answer.series:
        lines += [_headed(column, answer.step_ns), *_rows(column), ""]
    if not answer.series:
        lines += ["No series matches. `holdfast series` lists what there is.", ""]
    return lines + said(answer.sources, answer.missing, truncated=answer.truncated)


def said(sources: Sequence[Source], missing: Sequence[Missing], *, truncated: bool) -> list[str]:
    """What an answer was made of, what is gone, and whether there is more."""
    head = ["sources", "of the time", "looked at", "as", ""]
    body = [
        [
            one.tier,
            f"{moment(one.from_ns // _NS * _NS)} to {moment(one.to_ns // _NS * _NS)}",
            f"{one.rows:,}",
            "readings" if one.step == 0 else f"steps of {lasting(one.step)}",
            plain(one.note) or ("" if one.error is None else f"readings are gone; off by {one.error:.3g} (rms)"),
        ]
        for one in sources
    ]
    lines = table([head, *body], (2,)) if body else ["sources  nothing is stored of this time"]
    gone = [
        ["missing" if i == 0 else "", f"{moment(one.from_ns)} to {moment(one.to_ns)}", f"{one.rows:,}", one.reason]
        for i, one in enumerate(missing)
    ]
    lines += table(gone, (2,)) if gone else ["missing  nothing that is known of"]
    return lines + (["There is more: ask for a shorter time, or with a higher --limit."] if truncated else [])


def last_lines(found: LastList) -> list[str]:
    """Each series' newest reading, and how old it is."""
    head = ["series", "value", "unit", "time", "age", "quality", "from"]
    body = [
        [
            plain(row.series),
            value(row.value),
            plain(row.unit),
            "-" if row.ts is None else moment(row.ts),
            "-" if row.ts is None else _age(found.as_of_ns - row.ts),
            _quality(row.quality, row.reason),
            row.tier,
        ]
        for row in found.series
    ]
    more = found.total - len(body)
    return (table([head, *body], (1,)) if body else ["No series matches."]) + _and_more(more)


def series_lines(found: SeriesList) -> list[str]:
    """Names, units and kinds."""
    head = ["series", "unit", "kind", "newest"]
    body = [
        [plain(row.name), plain(row.unit), row.kind, "" if row.ts is None else moment(row.ts)] for row in found.series
    ]
    more = found.total - len(body)
    return (table([head, *body]) if body else ["No series matches."]) + _and_more(more)


def _and_more(count: int) -> list[str]:
    return [f"and {count:,} more: narrow the pattern"] if count > 0 else []


def _age(ns: int) -> str:
    return lasting(ns / _NS) if ns >= 0 else "ahead"


def _quality(quality: str | None, reason: str | None) -> str:
    return (quality or "") + (f" ({reason.replace('_', ' ')})" if reason else "")


def _headed(column: Column, step_ns: int | None) -> str:
    unit = f" [{plain(column.unit)}]" if column.unit else ""
    if step_ns is None:
        bad = sum(1 for code in column.quality or () if words_of(code)[0] == "bad")
        about = f"{many(len(column.ts), 'reading')}" + (f", {bad:,} of them bad" if bad else "")
    else:
        about = f"{many(len(column.ts), 'step')} of {lasting(step_ns / _NS)}"
        if column.count is not None:
            about += f" with {many(sum(column.count), 'usable reading')}"
        about += f", {sum(column.bad):,} bad" if column.bad and sum(column.bad) else ""
    return f"{plain(column.series)}{unit}: {about}"


def _rows(column: Column) -> list[str]:
    if column.value is not None and column.quality is not None:
        body = [
            [moment(ts), value(one), _quality(*words_of(q))]
            for ts, one, q in zip(column.ts, column.value, column.quality, strict=True)
        ]
        return table([["time", "value", "quality"], *body], (1,)) if body else []
    names = [name for name in _NUMBERS if getattr(column, name) is not None]
    body = [[moment(ts), *(value(getattr(column, name)[i]) for name in names)] for i, ts in enumerate(column.ts)]
    return table([["time", *names], *body], range(1, len(names) + 1)) if body else []
