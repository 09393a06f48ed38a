"""Rule documents to compiled rules. Every problem of every file at once, or all rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from holdfast.kernel import documents
from holdfast.kernel.documents import Document, Problem, SettingsInvalid
from holdfast.stream.language.compiling import Below, compile_rule
from holdfast.stream.language.drafts import Draft, draft
from holdfast.stream.language.featuring import compile_stored
from holdfast.stream.language.nearness import near
from holdfast.stream.language.settings import RulesFile, RuleText, StoredDocument
from holdfast.stream.language.tables import Inside
from holdfast.stream.plans import READINGS
from holdfast.stream.rules import BUILTIN, CompiledRule, Loaded, Place

__all__ = ["BUILTIN", "compile_documents", "load_placed", "load_rules", "load_text"]

MOST_RULES = 10_000


@dataclass(frozen=True, slots=True)
class _Written:
    """A rule as it stands in a file."""

    document: Document[RulesFile]
    name: str
    text: RuleText
    folder: Path


def load_rules(paths: Iterable[Path]) -> list[CompiledRule]:
    """The rules in these files, in order; those that others read from before these.

    Raises:
        SettingsInvalid: with every problem in every file: shape, SQL, windows, templates, names used twice, cycles.
    """
    return load_placed(paths).rules


def load_placed(paths: Iterable[Path], texts: Mapping[Path, str] | None = None, page: Path | None = None) -> Loaded:
    """Likewise, with where each rule stands.

    texts: stand for files' content; page: the folder of rules that are made from a page, which name files in it alone

    Raises:
        SettingsInvalid: as `load_rules`.
    """
    problems: list[Problem] = []
    written: dict[str, _Written] = {}
    for path in paths:
        given = None if texts is None else texts.get(path)
        try:
            document = documents.load(path, RulesFile) if given is None else documents.parse(given, RulesFile, path)
        except SettingsInvalid as error:
            problems.extend(error.problems)
            continue
        for name, text in document.value.rules.items():
            if name in written:
                problems.append(document.problem(("rules", name), f"a rule named `{name}` stands in another file too"))
            folder = path.parent if path.parent != page else Inside(page)
            written[name] = _Written(document, name, text, folder)
    rules = _compiled(written, problems)
    places = {name: Place(one.document.path, one.document.line(("rules", name))) for name, one in written.items()}
    return Loaded(rules, places)


def load_text(text: str, path: Path, known: Mapping[str, bytes]) -> Loaded:
    """The rules in a text, with those that they read from.

    path: what problems are told under; it lies in the folder where files are that the rules may name
    known: other rules' `document`s, by name

    Raises:
        SettingsInvalid: as `load_rules`.
    """
    problems: list[Problem] = []
    document = documents.parse(text, RulesFile, path)
    written = {name: _Written(document, name, one, Inside(path.parent)) for name, one in document.value.rules.items()}
    places = {name: Place(path, document.line(("rules", name))) for name in written}
    above = [draft(one.text).source.name for one in written.values()]
    while above:
        name = above.pop()
        if name in written or name not in known:
            continue
        one = _stored(known[name])
        written[name] = one
        above.append(draft(one.text).source.name)
    return Loaded(_compiled(written, problems), places)


def compile_documents(texts: Iterable[bytes]) -> list[CompiledRule]:
    """Rules and feature lines from their own `document`s, as they're kept beside their state; of a name the last.

    Raises:
        SettingsInvalid: as `load_rules`.
    """
    problems: list[Problem] = []
    written: dict[str, _Written] = {}
    lines: dict[str, CompiledRule] = {}
    for text in texts:
        line = compile_stored(text)
        if line is not None:
            lines[line.name] = line
            continue
        try:
            one = _stored(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(Problem("a stored rule", 1, (), f"isn't one: {error}"))
            continue
        written[one.name] = one
    return [*_compiled(written, problems), *lines.values()]


def _stored(text: bytes) -> _Written:
    """A rule as it's kept beside its state."""
    stored = msgspec.json.decode(text, type=StoredDocument)
    document = Document(Path(stored.folder) / f"{stored.name} (as stored)", RulesFile({stored.name: stored.rule}))
    return _Written(document, stored.name, stored.rule, Path(stored.folder))


def _compiled(written: Mapping[str, _Written], problems: list[Problem]) -> list[CompiledRule]:
    if len(written) > MOST_RULES:
        problems.append(
            Problem(str(next(iter(written.values())).document.path), 1, (), f"more than {MOST_RULES} rules")
        )
        raise SettingsInvalid(problems)
    drafts = {name: draft(one.text) for name, one in written.items()}
    order = _ordered(written, drafts, problems)
    below = Below()
    for name in order:
        one, made = written[name], drafts[name]
        compile_rule(one.document, name, one.text, made, one.folder, below, problems)
    _check_stores(written, below, problems)
    if problems:
        raise SettingsInvalid(problems)
    by_name: dict[str, list[CompiledRule]] = {}
    for rule in below.rules:
        by_name.setdefault(rule.name, []).append(rule)
    return [rule for name in order for rule in by_name[name]]


def _ordered(written: Mapping[str, _Written], drafts: Mapping[str, Draft], problems: list[Problem]) -> list[str]:
    """The rules' names, sources first, else as written; unknown sources and cycles are told."""
    done: dict[str, None] = {}
    for name in written:
        path = [name]
        while path[-1] not in done:
            above = drafts[path[-1]].source.name
            if above == READINGS or above in done:
                done[path.pop()] = None
                if not path:
                    break
                continue
            if above in path:
                circle = " → ".join([*path[path.index(above) :], above])
                _tell(
                    written[path[-1]],
                    drafts,
                    problems,
                    f"rules read each other in a circle: {circle}; read `readings` in one of them",
                )
                done |= dict.fromkeys(path)
                break
            if above not in written:
                meant = near(above, [READINGS, *written])
                fault = f"there is no rule `{above}`{meant}; expected `readings` or a rule's name"
                _tell(written[path[-1]], drafts, problems, fault)
                done[path.pop()] = None
                if not path:
                    break
                continue
            path.append(above)
    return list(done)


def _tell(one: _Written, drafts: Mapping[str, Draft], problems: list[Problem], fault: str) -> None:
    drafts[one.name].faults["_circle"].append(fault)
    problems.append(one.document.problem(("rules", one.name, "sql" if one.text.sql else "from"), fault))


def _check_stores(written: Mapping[str, _Written], below: Below, problems: list[Problem]) -> None:
    """A metric is made by one rule, and read from that rule, not from readings."""
    maker: dict[str, str] = {}
    for rule in below.rules:
        for stored in rule.stores:
            first = maker.setdefault(stored.metric, rule.name)
            if first != rule.name:
                where = ("rules", rule.name, "do")
                problems.append(
                    written[rule.name].document.problem(
                        where, f"`{stored.metric}` is stored by rule `{first}` already; choose another name"
                    )
                )
    told = set[tuple[str, str]]()
    for rule in below.rules:
        if rule.stage.source != READINGS:
            continue
        for one in rule.stage.inputs:
            if one.kind != "fact" and one.metric in maker and (rule.name, one.metric) not in told:
                told.add((rule.name, one.metric))
                where = ("rules", rule.name, "sql" if written[rule.name].text.sql else "select")
                made = maker[one.metric]
                fault = f"rule `{made}` makes `{one.metric}`; read it with `from: {made}`, where it's a selected column"
                problems.append(written[rule.name].document.problem(where, fault))
