"""SQL text to sqlglot trees: only the pieces a rule is made of, each refusal in the operator's words."""

import re
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, SqlglotError

MAX_SQL = 4_000
Node = Any
"""A sqlglot tree; `Any` because the library renamed its base class between the releases we accept."""

_METRIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_COLUMN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def columns(text: str, faults: list[str]) -> list[Node] | None:
    """The comma-separated expressions in `text`, or None when it isn't such a list; why goes to `faults`."""
    tree = _select("SELECT ", text, faults)
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
    return _select("SELECT 1 FROM ", text, faults)


def dotted(node: Node) -> str | None:
    """The dotted name that a column reference spells, or None when it isn't one."""
    if not isinstance(node, exp.Column | exp.Dot):
        return None
    parts = node.parts
    return ".".join(p.name for p in parts) if all(isinstance(p, exp.Identifier) for p in parts) else None


def is_metric(node: Node, name: str) -> bool:
    """Whether `name` is a metric's name: dotted lower-case words, or anything in double quotes."""
    quoted = any(i.args.get("quoted") for i in node.find_all(exp.Identifier))
    return bool(name) if quoted else _METRIC.fullmatch(name) is not None


def is_column_name(name: str) -> bool:
    """Whether `name` may stand after `as`."""
    return _COLUMN_NAME.fullmatch(name) is not None


def _select(head: str, text: str, faults: list[str]) -> exp.Select | None:
    if not text.strip():
        faults.append("is empty")
        return None
    if len(text) > MAX_SQL:
        faults.append(f"is longer than {MAX_SQL} characters")
        return None
    try:
        trees = sqlglot.parse(head + text)
    except ParseError as error:
        faults.append(_explain(error, len(head)))
        return None
    except (SqlglotError, RecursionError) as error:
        faults.append(f"isn't SQL: {str(error).splitlines()[0][:200]}")
        return None
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        faults.append("isn't one SQL expression")
        return None
    return trees[0]


def _explain(error: ParseError, offset: int) -> str:
    first = error.errors[0] if error.errors else {}
    said = str(first.get("description") or error)
    said = re.sub(r"<class '[\w.]+\.(\w+)'>", r"`\1`", said)
    said = re.sub(r"<Token .*?text: (.*?), line.*?>", r"`\1`", said)
    near = str(first.get("highlight") or "")
    column = int(first.get("col") or 0) - len(near) - offset + 1
    place = f" near `{near}`, character {max(column, 1)}" if near else ""
    return f"isn't SQL{place}: {said[:200].rstrip('. ')}"
