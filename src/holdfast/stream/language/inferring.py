"""`infer('pump')`, `infer('pump', 'label')`: what a model of this node says of the device, in rules.

Models work beside the engine (ADR 31): their results come back as readings `ml.pump.score`, …, and `infer` is the name
of one. So a rule over a model is a rule over readings: it keeps its windows over restarts, may be tried over history,
and its events show the results that they are about.
"""

import re
from typing import Any

from sqlglot import exp

from holdfast.model.predictions import PARTS, TEXT_PARTS, TROUBLE_PARTS, metric_of, result_of
from holdfast.stream.language.nearness import near
from holdfast.stream.language.tokens import PREFIX

USAGE = "infer('deployment'[, 'part'])"
_ALL = (*PARTS, *TROUBLE_PARTS)
DEPLOYMENT = re.compile(r"[a-z][a-z0-9_]{0,62}")


def inferred(tree: Any, faults: list[str]) -> Any:
    """The same tree with each `infer(…)` replaced by the metric that it names."""
    if not any(_is_infer(node) for node in tree.find_all(exp.Anonymous)):
        return tree
    return tree.transform(lambda node: _metric(node, faults) if _is_infer(node) else node)


def is_text_result(metric: str) -> bool:
    """Whether a metric is a part of models' results that is a text."""
    found = result_of(metric)
    return found is not None and found[1] in TEXT_PARTS


def _is_infer(node: Any) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.this).lower() == f"{PREFIX}infer".lower()


def _metric(node: Any, faults: list[str]) -> Any:
    given = [one.this if isinstance(one, exp.Literal) and one.is_string else None for one in node.expressions]
    name, part = (given[0] if given else None), (given[1] if len(given) > 1 else PARTS[0])
    if len(given) not in (1, 2) or name is None or part is None:
        faults.append(f"write `{USAGE}`, in single quotes; what goes into a model is said by its feature set")
        return _column("unknown", PARTS[0])
    if DEPLOYMENT.fullmatch(str(name)) is None:
        faults.append(f"infer: `{name}` is no deployment's name: lower-case letters, digits and _; see `models.deploy`")
        return _column("unknown", str(part))
    if part not in _ALL:
        faults.append(f"infer: a result has no `{part}`{near(str(part), _ALL)}; it has {', '.join(_ALL)}")
        return _column(str(name), PARTS[0])
    return _column(str(name), str(part))


def _column(deployment: str, part: str) -> Any:
    first, middle, last = metric_of(deployment, part).split(".")
    return exp.column(last, table=middle, db=first)
