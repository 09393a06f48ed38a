"""A feature set's expressions as trees, over a site's own metrics; not yet compiled."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlglot import exp

from holdfast.stream.aggregates.raw import KIND as RAW
from holdfast.stream.features.settings import FeatureText
from holdfast.stream.language import parsing
from holdfast.stream.language.expressions import constant
from holdfast.stream.language.naming import FACTS, TIME, Tree, calls_in
from holdfast.stream.language.parsing import call, shown, text_of
from holdfast.stream.plans import WindowSpec

MOST_FEATURES = 1_000
TAKEN = frozenset({"ts", "node", "device", "flags", "label"})
"""Other columns of training tables."""
ONE_HOT = "one_hot"
SELECT = "select"
Faults = defaultdict[str, list[str]]
"""By the key they belong to; of an expression `select NAME`."""


@dataclass(slots=True)
class FeatureDraft:
    """A set while it's compiled."""

    text: FeatureText
    folder: Path
    faults: Faults = field(default_factory=lambda: defaultdict(list))
    trees: dict[str, list[Tree]] = field(default_factory=dict)
    """By feature: one expression, or of `one_hot` one for each category, of `samples` one for each metric."""
    labels: dict[str, list[str]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    """Of raw windows: how many samples."""
    units: dict[str, str] = field(default_factory=dict)

    def all(self) -> list[Tree]:
        """All expressions."""
        return [tree for some in self.trees.values() for tree in some]


def take_select(parts: FeatureDraft, window: WindowSpec, names: Mapping[str, str]) -> None:
    """Take the selected expressions in. names: a metric of the set to this site's."""
    select, faults = parts.text.select, parts.faults
    if not 1 <= len(select) <= MOST_FEATURES:
        faults[SELECT].append(f"a set has 1 to {MOST_FEATURES:,} features")
    for name, expression in list(select.items())[:MOST_FEATURES]:
        place = f"{SELECT} {name}"
        if not parsing.is_column_name(name) or len(name) > 64:
            faults[place].append(f"`{name}` is no feature's name: lower-case letters, digits and _, at most 64")
        elif name in TAKEN:
            faults[place].append(f"`{name}` stands for something else already; choose another name")
        found = parsing.columns(expression, faults[place])
        if found is None:
            continue
        if len(found) != 1 or isinstance(found[0], exp.Alias):
            faults[place].append("expected one expression, such as `avg(air.temperature)`; its name is the key")
            continue
        _take(parts, name, place, renamed(found[0], names).unnest(), window)


def _take(parts: FeatureDraft, name: str, place: str, node: Any, window: WindowSpec) -> None:
    said, faults = call(node), parts.faults[place]
    for special in (RAW, ONE_HOT):
        if len(list(calls_in(node, special))) > (said is not None and said[0] == special):
            faults.append(
                f"`{shown(node)}`: {special}(…) is several numbers, so nothing is computed with it; "
                "let it be a feature by itself"
            )
            return
    nodes, labels = [node], [name]
    if said is not None and said[0] == RAW:
        nodes, parts.counts[name] = raw_calls(said[1], node, window, faults)
        width = len(nodes)
        labels = [f"{name}_{t * width + k}" for t in range(parts.counts[name]) for k in range(width)]
    elif said is not None and said[0] == ONE_HOT:
        nodes, labels = _one_hot(name, said[1], node, faults)
    parts.labels[name] = labels
    parts.trees[name] = [Tree(place, "message", exp.Paren(this=one), name if len(nodes) == 1 else "") for one in nodes]


def _one_hot(name: str, arguments: Sequence[Any], node: Any, faults: list[str]) -> tuple[list[Any], list[str]]:
    """A condition for each category."""
    first, *rest = [*arguments, None][: len(arguments)] or [None]
    if first is None or not rest or not all(isinstance(one, exp.Literal) for one in rest):
        faults.append(f"`{shown(node)}`: write `one_hot(x, 'this', 'that', …)`, with numbers or texts as written")
        return [], []
    said = [text_of(one) or str(one.this) for one in rest]
    if len(set(said)) < len(said):
        faults.append(f"`{shown(node)}`: the same category stands twice")
    words = [re.sub(r"[^a-z0-9]+", "_", one.lower()).strip("_") or str(i) for i, one in enumerate(said)]
    labels = [f"{name}_{word if words.count(word) == 1 else f'{word}_{i}'}" for i, word in enumerate(words)]
    return [exp.EQ(this=first.copy(), expression=one.copy()) for one in rest], labels


def renamed(node: Any, names: Mapping[str, str]) -> Any:
    """The same expression over this site's metrics."""
    if not names:
        return node

    def replaced(one: Any) -> Any:
        name = parsing.dotted(one)
        if name is not None and (parsing.is_quoted(one) or not (name in FACTS or name == TIME)):
            return metric_node(names[name]) if name in names else one
        said = call(one)
        if said is not None and said[0] == "latest":
            device, _, metric = names.get("/".join(text_of(a) or "" for a in said[1]), "").partition("/")
            if metric:
                return exp.Anonymous(this=one.this, expressions=[exp.Literal.string(t) for t in (device, metric)])
        return one

    return node.transform(replaced)


def metric_node(name: str) -> Any:
    """The tree that a metric's name is."""
    if parsing.is_metric_name(name):
        found = parsing.columns(name, [])
        if found is not None and parsing.dotted(found[0]) == name:
            return found[0]
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def raw_calls(arguments: list[Any], node: Any, window: WindowSpec, faults: list[str]) -> tuple[list[Any], int]:
    """The metrics and how many samples; nothing, and why told, when it isn't as it should be."""
    said = shown(node)
    number = constant(arguments[-1]) if arguments else None
    if len(arguments) < 2 or number is None or not number.is_integer() or number < 1:
        faults.append(f"`{said}`: write `samples(x, 1024)`, or `samples(x, y, z, 60)` for several side by side")
        return [], 0
    count = int(number)
    if window.kind not in ("last", "count"):
        faults.append(
            f"`{said}` needs a window of so many samples: `window: sliding {count} samples` for a row at every "
            f"message, `window: count {count} every {max(1, count // 2)}` for one now and then"
        )
        return [], 0
    if count > window.samples:
        faults.append(f"`{said}`: the window `{window.text}` has {window.samples} samples only")
        return [], 0
    return list(arguments[:-1]), count
