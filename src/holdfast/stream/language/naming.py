"""What names in a rule's expressions stand for, before anything is compiled: which are texts, which there are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlglot import exp

from holdfast.stream.language import parsing
from holdfast.stream.language.inferring import is_text_result
from holdfast.stream.language.parsing import call, text_of

FACTS = frozenset({"window_start", "window_end", "window_seconds", "messages", "revision", "final"})
"""Names of what is known of a window itself."""
TIME = "ts"
PASSING = frozenset({"last", "first", "mode", "lag", "coalesce", "nullif", "text"})
"""Functions whose result is of their arguments' kind."""
_CHOOSING = frozenset({"if", "iif"})
_BETWEEN = frozenset(
    [
        "lower",
        "upper",
        "trim",
        "ltrim",
        "rtrim",
        "substr",
        "substring",
        "left",
        "right",
        "replace",
        "regexp_extract",
        "regexp_substr",
        "regexp_replace",
        "json_text",
        "text",
    ]
)
"""Functions from texts to texts."""
_MAKING = _BETWEEN | {"concat", "quality", "bearing_fault", "anomaly_aspect"}
_TAKING = _BETWEEN | {
    "starts_with",
    "ends_with",
    "contains",
    "to_number",
    "length",
    "position",
    "regexp_like",
    "regexp_matches",
    "json_value",
}
_TWO_TEXTS = frozenset({"starts_with", "ends_with", "contains", "position"})

Level = Literal["message", "column"]
"""Whether names are those of metrics, or of the selected columns."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression of a rule. place: the key it stands under; name: of the selected column that it is, "" for none."""

    place: str
    level: Level
    node: Any
    name: str = ""


@dataclass(slots=True)
class Kinds:
    """Which names stand for texts: metrics, other devices' metrics, selected columns."""

    metrics: set[str] = field(default_factory=set)
    others: set[tuple[str, str]] = field(default_factory=set)
    columns: set[str] = field(default_factory=set)
    tables: Mapping[tuple[str, str], bool] = field(default_factory=dict)

    def size(self) -> int:
        """How many are known."""
        return len(self.metrics) + len(self.others) + len(self.columns)


def names_in(node: Any) -> Iterator[tuple[Any, str]]:
    """All names in an expression: (node, name)."""
    name = parsing.dotted(node)
    if name is not None:
        yield node, name
        return
    for child in node.iter_expressions():
        yield from names_in(child)


def calls_in(node: Any, name: str) -> Iterator[list[Any]]:
    """The arguments of all calls of a function."""
    for found in node.find_all(exp.Anonymous):
        made = call(found)
        if made is not None and made[0] == name:
            yield made[1]


def learn_kinds(trees: Sequence[Tree], kinds: Kinds) -> None:
    """Find out which names are texts: those that are compared with texts, or given to functions that take them."""
    named = (name for tree in trees if tree.level == "message" for _, name in names_in(tree.node))
    kinds.metrics.update(name for name in named if is_text_result(name))
    for _ in range(len(trees) + 10):
        before = kinds.size()
        for tree in trees:
            _learn(tree, kinds)
        if kinds.size() == before:
            return


def _learn(tree: Tree, kinds: Kinds) -> None:
    for node in tree.node.walk():
        for group in _alike(node):
            if any(_is_text(one, tree.level, kinds) for one in group):
                for one in group:
                    _mark(one, tree.level, kinds)
    if tree.name:
        if _is_text(tree.node, tree.level, kinds):
            kinds.columns.add(tree.name)
        elif tree.name in kinds.columns:
            _mark(tree.node, tree.level, kinds)


def _alike(node: Any) -> list[list[Any]]:  # noqa: C901  # one case per kind of node
    """Groups of expressions that are of one kind."""
    if isinstance(node, exp.EQ | exp.NEQ):
        return [[node.left, node.right]]
    if isinstance(node, exp.In):
        return [[node.this, *node.expressions]]
    if isinstance(node, exp.Like | exp.ILike):
        return [[node.this, node.expression]]
    if isinstance(node, exp.Case):
        results = [branch.args["true"] for branch in node.args["ifs"]]
        if node.args.get("default") is not None:
            results.append(node.args["default"])
        return [results] if node.this is None else [results, [node.this, *(b.this for b in node.args["ifs"])]]
    found = call(node)
    if found is None:
        return []
    name, arguments = found
    if name in _TAKING:
        text = exp.Literal.string("")
        taken = arguments if name in _TWO_TEXTS else arguments[:1]
        return [[one, text] for one in taken]
    if name in _CHOOSING:
        return [arguments[1:]]
    return [arguments] if name in PASSING and name != "lag" else []


def _is_text(node: Any, level: Level, kinds: Kinds) -> bool:
    node = node.unnest()
    if text_of(node) is not None or isinstance(node, exp.DPipe):
        return True
    name = parsing.dotted(node)
    if name is not None:
        return name in (kinds.metrics if level == "message" else kinds.columns)
    if isinstance(node, exp.Case):
        return any(_is_text(branch.args["true"], level, kinds) for branch in node.args["ifs"])
    found = call(node)
    if found is None:
        return False
    name, arguments = found
    if name == "latest":
        return _literals(arguments) in kinds.others
    if name == "lookup":
        return kinds.tables.get(_literals(arguments[:2]), False)
    if name in _CHOOSING:
        return any(_is_text(one, level, kinds) for one in arguments[1:])
    return name in _MAKING or (name in PASSING and any(_is_text(one, level, kinds) for one in arguments))


def _mark(node: Any, level: Level, kinds: Kinds) -> None:  # noqa: C901  # one case per kind of node
    node = node.unnest()
    name = parsing.dotted(node)
    if name is not None:
        if level == "column":
            kinds.columns.add(name)
        elif name not in FACTS and name != TIME:
            kinds.metrics.add(name)
        return
    if isinstance(node, exp.Case):
        for branch in node.args["ifs"]:
            _mark(branch.args["true"], level, kinds)
        return
    found = call(node)
    if found is None:
        return
    name, arguments = found
    if name == "latest":
        kinds.others.add(_literals(arguments))
    elif name == "lag":
        for one in arguments[:1]:
            _mark(one, level, kinds)
    elif name in PASSING or name in _CHOOSING:
        for one in arguments[name in _CHOOSING :]:
            _mark(one, level, kinds)


def _literals(arguments: Sequence[Any]) -> tuple[str, str]:
    texts = [text_of(one) or "" for one in arguments[:2]]
    return (texts[0], texts[1]) if len(texts) == 2 else ("", "")
