"""`holdfast rules check|test`: rule files and golden traces, without any node."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import typer

from holdfast.backtesting.checking import Checked, checked
from holdfast.cli.node_api import Misused, as_json
from holdfast.cli.words import many, plain, table
from holdfast.kernel.documents import Problem, SettingsInvalid
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule
from holdfast.stream.traces.judging import Verdict, judge
from holdfast.stream.traces.reading import parse

EXIT_CONFIG = 78  # sysexits.h
SUFFIX = ".trace"
_WIDEST = 44


def loaded(files: Sequence[Path]) -> list[CompiledRule]:
    """The rules of the files; a folder stands for its *.yaml.

    Raises:
        SettingsInvalid: with every problem.
        Misused: when there is no file.
    """
    return load_rules(_files(files, (".yaml", ".yml")))


def check_files(files: Sequence[Path], period_ns: int, *, json: bool) -> int:
    """Print what the rules do; returns 78 when a file is wrong, with every problem printed, else 0."""
    try:
        found = checked(loaded(files), period_ns)
    except SettingsInvalid as invalid:
        return refused(invalid, json=json)
    typer.echo(as_json(found) if json else "\n".join(_lines(found)))
    return 0


def refused(invalid: SettingsInvalid, *, json: bool) -> int:
    """Say what is wrong with files; returns the exit code."""
    if json:
        typer.echo(as_json({"problems": [_problem(one) for one in invalid.problems]}))
    else:
        typer.echo(str(invalid), err=True)
    return EXIT_CONFIG


def _problem(one: Problem) -> dict[str, object]:
    return {"file": one.file, "line": one.line, "where": ".".join(map(str, one.where)), "message": one.message}


def _lines(found: Sequence[Checked]) -> list[str]:
    head = ["rule", "reads", "window", "alarm", "does", "bytes a device"]
    body = [
        [
            one.rule,
            _cut(", ".join(one.reads)),
            one.window,
            _cut(one.alarm),
            _cut(", ".join(one.actions)),
            f"{one.state_bytes:,}" + (f" + {one.sample_bytes} a message" if one.sample_bytes else ""),
        ]
        for one in found
    ]
    told = [f"{one.rule}: {text}" for one in found for text in one.warnings]
    lines = table([head, *body])
    if told:
        lines += ["", f"{many(len(told), 'warning')}:", *(f"  {text}" for text in told)]
    return [*lines, "", f"good: {many(len(found), 'rule')}"]


def _cut(text: str) -> str:
    return plain(text, _WIDEST)


def test_traces(
    files: Sequence[Path], splits: int, junit: Path | None, *, restarts: bool, update: bool, json: bool
) -> int:
    """Run golden traces; returns 0 when all came as expected, 1 when not, 78 when a file is wrong."""
    verdicts, wrong = list[Verdict](), list[tuple[Path, SettingsInvalid]]()
    for path in _files(files, (SUFFIX,)):
        try:
            verdicts.append(_judged(path, splits, restarts=restarts))
        except SettingsInvalid as invalid:
            wrong.append((path, invalid))
    if update:
        for one in verdicts:
            one.trace.path.write_text(one.updated, encoding="utf-8")
    if junit is not None:
        junit.write_text(_junit(verdicts, wrong), encoding="utf-8")
    typer.echo(_as_json(verdicts, wrong) if json else "\n".join(_told(verdicts, wrong, update=update)))
    if wrong:
        return EXIT_CONFIG
    return 0 if update or all(one.is_good for one in verdicts) else 1


def _judged(path: Path, splits: int, *, restarts: bool) -> Verdict:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid([Problem(str(path), 1, (), f"can't be read: {error}")]) from None
    trace = parse(text, path)
    return judge(trace, load_rules([path.parent / name for name in trace.rules]), splits, restarts=restarts)


def _files(names: Sequence[Path], suffixes: tuple[str, ...]) -> list[Path]:
    found = list[Path]()
    for name in names:
        if name.is_dir():
            found += sorted(f for f in name.rglob("*") if f.suffix in suffixes)
        else:
            found.append(name)
    if not found:
        raise Misused(f"no {suffixes[0]} file there", f"name files, or a folder with *{suffixes[0]} in it")
    return found


def _told(verdicts: Sequence[Verdict], wrong: Sequence[tuple[Path, SettingsInvalid]], *, update: bool) -> list[str]:
    lines = []
    for one in verdicts:
        verdict = "ok" if one.is_good else "updated" if update else "FAILED"
        lines.append(f"{verdict:<8}{one.trace.path}: {many(one.events, 'event')}, run {one.ways} ways")
        lines += [] if update else one.differences
    lines += [str(invalid) for _, invalid in wrong]
    failed = len(wrong) + sum(not one.is_good for one in verdicts)
    total = many(len(verdicts) + len(wrong), "trace")
    if update:
        return [*lines, f"{total} written; read the difference before you commit it"]
    if not failed:
        return [*lines, f"{total}, all as expected"]
    return [
        *lines,
        f"{total}, {failed} not as expected",
        "  - what was expected, + what came; --update writes what came",
    ]


def _as_json(verdicts: Sequence[Verdict], wrong: Sequence[tuple[Path, SettingsInvalid]]) -> str:
    return as_json(
        {
            "traces": [
                {
                    "file": str(v.trace.path),
                    "ok": v.is_good,
                    "events": v.events,
                    "ways": v.ways,
                    "differences": v.differences,
                }
                for v in verdicts
            ],
            "problems": [_problem(problem) for _, invalid in wrong for problem in invalid.problems],
        }
    )


def _junit(verdicts: Sequence[Verdict], wrong: Sequence[tuple[Path, SettingsInvalid]]) -> str:
    """JUnit's XML, as build servers read it."""
    failed = sum(not one.is_good for one in verdicts)
    head = f'tests="{len(verdicts) + len(wrong)}" failures="{failed}" errors="{len(wrong)}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuite name="holdfast rules" {head}>']
    for one in verdicts:
        name = quoteattr(str(one.trace.path))
        if one.is_good:
            lines.append(f'  <testcase classname="trace" name={name}/>')
        else:
            said = quoteattr("\n".join(one.differences))
            lines.append(f'  <testcase classname="trace" name={name}><failure message={said}/></testcase>')
    for path, invalid in wrong:
        said = quoteattr(str(invalid))
        lines.append(f'  <testcase classname="trace" name={quoteattr(str(path))}><error message={said}/></testcase>')
    return "\n".join([*lines, "</testsuite>", ""])
