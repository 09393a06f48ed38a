"""A rule's parts as trees, whether its keys said them or one SQL statement; not yet compiled."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from sqlglot import exp

from holdfast.model.predictions import result_of
from holdfast.stream.detecting import Watch
from holdfast.stream.evaluations import EVIDENCE
from holdfast.stream.language import parsing
from holdfast.stream.language.detecting import watching
from holdfast.stream.language.devices import (
    Matches,
    SourceText,
    both,
    is_of_devices,
    parse_source,
    predicate,
    source_name,
)
from holdfast.stream.language.naming import Level, Tree, names_in
from holdfast.stream.language.parsing import call, canonical, shown
from holdfast.stream.language.plans import AGGREGATES, ALIASES
from holdfast.stream.language.settings import RuleText
from holdfast.stream.language.sqlwindows import is_window, window_of
from holdfast.stream.language.staging import ROW_FUNCTIONS
from holdfast.stream.language.windowtext import WindowText, parse_window
from holdfast.stream.plans import READINGS, By

TAKEN = frozenset({"device", "node", "rule", "severity"})
_INSTEAD = {
    "into": "what becomes of results stands in `do`",
    "joins": "there are no joins: other devices' series come by latest('device', 'metric'), "
    "tables by lookup('table.csv', 'column')",
}
_ELSE = "write a rule for each step, with `from: other-rule`"
MOST_COLUMNS = 100
MOST_WINDOWS = 10


@dataclass(frozen=True, slots=True)
class DraftWindow:
    """A window and where it stands. begin, end: the conditions of a state window."""

    text: WindowText
    place: tuple[str | int, ...]
    begin: Tree | None = None
    end: Tree | None = None


@dataclass(slots=True)
class Draft:
    """See the module. faults: by the key they belong to; complete: whether the selected columns' names are known."""

    select: list[Tree] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)
    source: SourceText = field(default_factory=SourceText)
    where: Tree | None = None
    by: By = "device"
    windows: list[DraftWindow] = field(default_factory=list)
    conditions: dict[str, Tree] = field(default_factory=dict)
    watch: Watch | None = None
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    complete: bool = True

    def trees(self) -> list[Tree]:
        """All expressions, in the order in which units are chosen."""
        found = list(self.select)
        if self.where is not None:
            found.append(self.where)
        for window in self.windows:
            found += [tree for tree in (window.begin, window.end) if tree is not None]
        return found + list(self.conditions.values())


def tree(place: str, level: Level, node: Any, name: str = "") -> Tree:
    """An expression in brackets, so that all of it can be replaced."""
    return Tree(place, level, exp.Paren(this=node), name)


def draft(text: RuleText) -> Draft:
    """The parts of a rule."""
    made = Draft()
    if text.detect:
        _read_detect(text, made)
    elif text.sql:
        _read_sql(text, made)
    else:
        _read_keys(text, made)
    for key, condition in (
        ("when", text.when),
        ("clear_when", text.clear_when),
        ("then", text.then),
        ("unless", text.unless),
    ):
        if not condition:
            if condition is not None and key == "clear_when":
                made.faults[key].append("is empty")
            continue
        if key in made.conditions:
            made.faults[key].append("`having` in `sql` says that already; keep one of them")
            continue
        node = parsing.condition(condition, made.faults[key])
        if node is not None:
            made.conditions[key] = tree(key, "column", _over_results(node, made))
    return made


def _over_results(node: Any, made: Draft) -> Any:
    """A condition over models' results needs no `select`: what it asks of them is selected, under its own name."""
    chosen = {parsing.dotted(one.node.this): one.name for one in made.select}

    def replaced(one: Any) -> Any:
        name = parsing.dotted(one)
        if name is None or result_of(name) is None:
            return one
        if name not in chosen:
            chosen[name] = name
            made.select.append(tree("select", "message", one.copy(), name))
        return one if chosen[name] == name else exp.column(chosen[name])

    return node.transform(replaced)


def _read_keys(text: RuleText, made: Draft) -> None:
    made.by = text.by or "device"
    if not isinstance(text.select, str):
        made.faults["select"].append("a list of metrics belongs beside `detect`; columns are one text with commas")
        return
    if not text.select and "infer(" in text.when.lower():  # what the condition asks of models is selected
        parts: list[Any] | None = []
    else:
        parts = parsing.columns(text.select, made.faults["select"], made.units)
    made.complete = parts is not None
    _take_columns(parts or [], "select", made)
    made.source = parse_source(_quoted(text.source), made.faults["from"])
    if text.where:
        node = parsing.condition(text.where, made.faults["where"])
        if node is not None:
            made.where = tree("where", "message", node)
    _check_metrics(made, "from")
    _take_windows(text, made)


def _check_metrics(made: Draft, place: str) -> None:
    if made.source.of_metrics and made.by != "series":
        made.faults[place].append("`metric` is chosen by rules that keep series apart: `by: series`")


def _read_detect(text: RuleText, made: Draft) -> None:
    """`detect:` is short for a rule by series that selects what the detector says."""
    watched = watching(text, made.faults)
    made.watch = watched.watch
    made.by = "series"
    for part in parsing.columns(watched.select, made.faults["detect"]) or []:
        made.select.append(tree("detect", "message", part.this, part.alias))
    node = parsing.condition(watched.when, made.faults["detect"])
    if node is not None:
        made.conditions["when"] = tree("detect", "column", node)
    made.source = parse_source(_quoted(text.source), made.faults["from"])
    if made.source.name != READINGS:
        made.faults["from"].append("a detector watches series of `readings`; over a rule's columns use anomaly(column)")
    made.source = replace(made.source, matches=both(made.source.matches, watched.chooses))
    window = parse_window("none", made.faults["detect"])
    made.windows.append(DraftWindow(replace(window, spec=replace(window.spec, shown=EVIDENCE)), ("detect",)))


def _quoted(text: str) -> str:
    """A rule's name with hyphens as one SQL word."""
    first, space, rest = text.strip().partition(" ")
    return f'"{first}"{space}{rest}' if "-" in first and '"' not in first and "'" not in first else text


def _take_windows(text: RuleText, made: Draft) -> None:
    texts = [text.window] if isinstance(text.window, str) else list(text.window)
    if not 1 <= len(texts) <= MOST_WINDOWS:
        made.faults["window"].append(f"a rule has 1 to {MOST_WINDOWS} windows")
    for i, one in enumerate(texts):
        place: tuple[str | int, ...] = ("window",) if isinstance(text.window, str) else ("window", i)
        _take_window(parse_window(one, made.faults["window"]), place, made)
    if len({w.text.spec.text for w in made.windows}) < len(made.windows):
        made.faults["window"].append("the same window stands twice")


def _take_window(window: WindowText, place: tuple[str | int, ...], made: Draft) -> None:
    trees: list[Tree | None] = [None, None]
    for i, condition in enumerate((window.begin, window.end)):
        if condition:
            node = parsing.condition(condition, made.faults["window"])
            trees[i] = None if node is None else tree("window", "message", node)
    made.windows.append(DraftWindow(window, place, trees[0], trees[1]))


def _take_columns(parts: list[Any], place: str, made: Draft) -> None:
    faults = made.faults[place]
    if len(parts) > MOST_COLUMNS:
        faults.append(f"a rule selects at most {MOST_COLUMNS} columns")
    names = set[str]()
    for part in parts[:MOST_COLUMNS]:
        inner = part.this if isinstance(part, exp.Alias) else part
        if parsing.dotted(inner) in {"device", "node"} and (inner is part or part.alias == parsing.dotted(inner)):
            continue
        name, node = _named(part, faults, lowered=place == "sql")
        if name in names or name in TAKEN or (name == "metric" and made.by == "series"):
            faults.append(f"`{name}` stands for something else already; choose another name")
        names.add(name)
        if name:
            made.select.append(tree(place, "message", node, name))
    for name in made.units:
        if name not in names:
            faults.append(f"`{name}` isn't selected, so it has no unit")


def _named(part: Any, faults: list[str], *, lowered: bool) -> tuple[str, Any]:
    if isinstance(part, exp.Alias):
        name = part.alias.lower() if lowered else part.alias
        if not parsing.is_column_name(name):
            faults.append(f"`{part.alias}` is no column name: lower-case letters, digits and _")
        return name, part.this
    name = parsing.dotted(part) or _named_after(part, lowered=lowered)
    if not name:
        faults.append(f"`{shown(part)}` needs a name: `{shown(part)} as some_name`")
    return name, part


def _named_after(part: Any, *, lowered: bool) -> str:
    """What pure SQL calls a column without a name: `avg(air.temperature)` is `avg_air_temperature`."""
    found = call(part)
    inner = None if found is None or len(found[1]) != 1 else parsing.dotted(found[1][0])
    if found is not None and not found[1]:
        return found[0] if lowered else ""
    name = "" if found is None or inner is None else f"{found[0]}_{inner}".replace(".", "_").lower()
    return name if lowered and parsing.is_column_name(name) else ""


def _read_sql(text: RuleText, made: Draft) -> None:
    faults = made.faults["sql"]
    said = {
        "select": text.select,
        "where": text.where,
        "by": text.by or "",
        "from": text.source.removeprefix("readings"),
    }
    faults += [f"`{key}` is said in `sql`; take it out here" for key, value in said.items() if value]
    statement = parsing.statement(text.sql.strip().rstrip(";"), faults, made.units)
    made.complete = statement is not None
    if statement is None:
        return
    known = {"expressions", "from_", "from", "where", "group", "having"}
    extra = sorted(k.rstrip("_").replace("_", " ") for k, v in statement.args.items() if v and k not in known)
    if extra:
        faults.append(f"`{extra[0]}` has no place in a rule's SQL; {_INSTEAD.get(extra[0], _ELSE)}")
    name = source_name(statement)
    if name is None:
        faults.append("`from` takes `readings` or another rule's name, without an alias")
    _take_columns(list(statement.expressions), "sql", made)
    _take_where(statement, name, made)
    _take_group(statement, text, made)
    having = statement.args.get("having")
    if having is not None:
        made.conditions["when"] = tree("sql", "column", _over_columns(having.this, made))


def _take_where(statement: Any, name: str | None, made: Draft) -> None:
    where = statement.args.get("where")
    parts = [] if where is None else _conjuncts(where.this)
    devices = [one for one in parts if is_of_devices(one)]
    rest = [one for one in parts if not is_of_devices(one)]
    tests = [predicate(one, made.faults["sql"]) for one in devices]
    said = " and ".join(canonical(one) for one in devices)
    of_metrics = any(name == "metric" for one in devices for _, name in names_in(one))
    made.source = SourceText(name or "readings", _all_of(tests), said, of_metrics)
    if rest:
        made.where = tree("sql", "message", exp.and_(*(one.copy() for one in rest)) if len(rest) > 1 else rest[0])


def _all_of(tests: "list[Matches]") -> Matches:
    return lambda node, device, metric="": all(test(node, device, metric) for test in tests)


def _conjuncts(node: Any) -> list[Any]:
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, exp.And):
            waiting += [one.right, one.left]
        elif isinstance(one, exp.Paren):
            waiting.append(one.this)
        else:
            found.append(one)
    return found


def _take_group(statement: Any, text: RuleText, made: Draft) -> None:
    faults = made.faults["sql"]
    group = statement.args.get("group")
    parts = [] if group is None else list(group.expressions)
    keys = [parsing.dotted(one) for one in parts if not is_window(one)]
    windows = [one for one in parts if is_window(one)]
    for one, key in zip([p for p in parts if not is_window(p)], keys, strict=True):
        if key not in ("device", "node", "metric"):
            faults.append(
                f"`group by {shown(one)}`: a rule keeps devices or nodes apart, or series by device, metric; group by "
                "these and a window"
            )
    if "metric" in keys and "device" not in keys:
        faults.append("a series is a device's: group by device, metric")
    if group is None:
        made.by = "device"
    else:
        made.by = (
            "series" if "metric" in keys else "device" if "device" in keys else "node" if "node" in keys else "all"
        )
    _check_metrics(made, "sql")
    if len(windows) > 1:
        faults.append("one window in `group by`; several stand in the key `window`, as a list")
    if windows and text.window != "none":
        faults.append("the window is said in `sql` and in `window`; keep one of them")
    if windows:
        _take_window(window_of(windows[0], faults), ("sql",), made)
    else:
        _take_windows(text, made)


def _over_columns(node: Any, made: Draft) -> Any:
    """`having` over selected columns: an aggregate in it becomes the column that selects it, a new one if none does."""
    by_text = {canonical(one.node.this): one.name for one in made.select}
    names = {one.name for one in made.select}

    def replaced(one: Any) -> Any:
        name = parsing.dotted(one)
        if name in names:
            return one
        if name is None and call(one) is None:
            return one
        known = by_text.get(canonical(one))
        if known is None and (name is not None or is_aggregate(one)):
            known = (name or _named_after(one, lowered=True) or f"having_{len(names)}").replace(".", "_")
            while known in names:
                known += "_"
            names.add(known)
            by_text[canonical(one)] = known
            made.select.append(tree("sql", "message", one.copy(), known))
        return one if known is None else exp.column(known)

    return node.transform(replaced)


def is_aggregate(node: Any) -> bool:
    """Whether a call is of an aggregate or looks at messages before."""
    found = call(node)
    return found is not None and (ALIASES.get(found[0], found[0]) in AGGREGATES or found[0] in ROW_FUNCTIONS)
