"""SQL text to sqlglot trees: only the pieces a rule is made of, each refusal in the operator's words."""

import re
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

from holdfast.stream.language.inferring import inferred
from holdfast.stream.language.tokens import PREFIX, Prepared, prepare

MAX_SQL = 4_000
MAX_DEPTH = 100
"""How deep an expression may be nested; `a + b + c` is two deep."""
Node = Any
"""A sqlglot tree; `Any` because the library renamed its base class between the releases we accept."""

_METRIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_COLUMN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def columns(text: str, faults: list[str], units: dict[str, str] | None = None) -> list[Node] | None:
    """The comma-separated expressions in `text`, or None when it isn't such a list; why goes to `faults`.

    units: takes the units that stand behind columns' names
    """
    tree = _select("SELECT ", text, faults, units)
    if tree is None:
        return None
    extra = sorted(k for k, v in tree.args.items() if v and k != "expressions")
    if extra:
        faults.append(f"only columns stand here; `{extra[0].rstrip('_').replace('_', ' ')}` has no place in it")
        return None
    return list(tree.expressions)


def condition(text: str, faults: list[str]) -> Node | None:
    """The one expression in `text`, or None; why goes to `faults`."""
    found = columns(text, faults)
    if found is None:
        return None
    if len(found) != 1 or isinstance(found[0], exp.Alias):
        faults.append("expected one condition, such as `avg_temp > 26.0`")
        return None
    return found[0]


def source(text: str, faults: list[str]) -> exp.Select | None:
    """A tree whose `from` and `where` are those of `text` (`readings where …`), or None; why goes to `faults`."""
    return _select("SELECT 1 FROM ", text, faults, None)


def statement(text: str, faults: list[str], units: dict[str, str]) -> exp.Select | None:
    """The whole statement in `text`, or None; why goes to `faults`."""
    return _select("", text, faults, units)


def dotted(node: Node) -> str | None:
    """The dotted name that a column reference spells, or None when it isn't one."""
    if not isinstance(node, exp.Column | exp.Dot):
        return None
    parts = node.parts
    return ".".join(p.name for p in parts) if all(isinstance(p, exp.Identifier) for p in parts) else None


def is_quoted(node: Node) -> bool:
    """Whether a name stands in double quotes."""
    return any(i.args.get("quoted") for i in node.find_all(exp.Identifier))


def is_metric(node: Node, name: str) -> bool:
    """Whether `name` is a metric's name: dotted lower-case words, or anything in double quotes."""
    return bool(name) if is_quoted(node) else _METRIC.fullmatch(name) is not None


def is_metric_name(name: str) -> bool:
    """Whether a metric may be made under this name."""
    return _METRIC.fullmatch(name) is not None and len(name) <= 200


def is_column_name(name: str) -> bool:
    """Whether `name` may stand after `as`."""
    return _COLUMN_NAME.fullmatch(name) is not None


def call(node: Node) -> tuple[str, list[Node]] | None:
    """A function's name, in lower case, and arguments; None when the node is no call."""
    if not isinstance(node, exp.Anonymous) or not isinstance(node.this, str):
        return None
    return node.this.removeprefix(PREFIX).lower(), list(node.expressions)


def text_of(node: Node) -> str | None:
    """The text of a quoted literal."""
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def shown(node: Node) -> str:
    """The expression as people wrote it, about."""
    text = str(node.sql(normalize_functions=False)).replace(PREFIX, "").replace(PREFIX.upper(), "")
    return text if len(text) <= 80 else text[:77] + "..."


def canonical(node: Node) -> str:
    """The expression's text, equal for equal expressions."""
    return str(node.sql(normalize_functions="lower", comments=False))


def _select(  # noqa: C901  # one check after the other
    head: str, text: str, faults: list[str], units: dict[str, str] | None
) -> exp.Select | None:
    if not text.strip():
        faults.append("is empty")
        return None
    if len(text) > MAX_SQL:
        faults.append(f"is longer than {MAX_SQL} characters")
        return None
    try:
        prepared = prepare(head + text)
        trees = sqlglot.parse(prepared.sql)
    except ParseError as error:
        faults.append(_explain(error, prepared, len(head)))
        return None
    except (SqlglotError, RecursionError, ValueError) as error:
        faults.append(f"isn't SQL: {str(error).splitlines()[0][:200]}")
        return None
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        faults.append("isn't one SQL expression")
        return None
    if _depth(trees[0]) > MAX_DEPTH:
        faults.append(f"is nested more than {MAX_DEPTH} deep; use in (…), or make it several columns")
        return None
    if units is not None:
        units |= prepared.units
    elif prepared.units:
        faults.append("a unit after a column's name belongs in `select`")
    tree: exp.Select = inferred(trees[0], faults)
    return tree


def _depth(tree: Node) -> int:
    deepest, waiting = 0, [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        waiting += [(child, depth + 1) for child in node.iter_expressions()]
    return deepest


def _explain(error: ParseError, prepared: Prepared, offset: int) -> str:
    first = error.errors[0] if error.errors else {}
    said = str(first.get("description") or error)
    said = re.sub(r"<class '[\w.]+\.(\w+)'>", r"`\1`", said)
    said = re.sub(r"<Token .*?text: (.*?), line.*?>", r"`\1`", said).replace(PREFIX, "")
    near = str(first.get("highlight") or "")
    column = prepared.original(int(first.get("col") or 0) - len(near)) - offset + 1
    place = f" near `{near.replace(PREFIX, '')}`, character {max(column, 1)}" if near else ""
    return f"isn't SQL{place}: {said[:200].rstrip('. ')}"
