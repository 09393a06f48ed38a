"""A deployment's `alert` as the rule that it is short for, so that the rule engine does all that rules do."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from holdfast.kernel.documents import Problem
from holdfast.model.predictions import result_of
from holdfast.node.models.settings import Deploy, ModelsSettings
from holdfast.stream.rules import CompiledRule

PREFIX = "ml-"


def rule_name(deployment: str) -> str:
    """The name of a deployment's rule."""
    return f"{PREFIX}{deployment}".replace("_", "-") if len(deployment) > 60 else f"{PREFIX}{deployment}"


def alert_rules(settings: ModelsSettings | None, node_yaml: Path) -> dict[Path, str]:
    """Texts of rule files by a path that says where they come from; none where nothing is to be alerted."""
    if settings is None:
        return {}
    rules = {rule_name(name): _rule(name, one) for name, one in settings.deploy.items() if one.alert is not None}
    if not rules:
        return {}
    return {node_yaml.with_name(f"{node_yaml.name} (models.deploy)"): msgspec.json.encode({"rules": rules}).decode()}


def _rule(name: str, one: Deploy) -> dict[str, Any]:
    assert one.alert is not None  # noqa: S101  # the caller has chosen those
    keys: dict[str, Any] = msgspec.to_builtins(one.alert)
    select = ", ".join(f"infer('{name}', '{part}') as {part}" for part in one.record)
    main = "label" if "label" in one.record and "score" not in one.record else "score"
    by = " (by {version})" if "version" in one.record else ""
    shown = "{label}" if main == "label" else "{score:.3g}"
    message = keys.get("message") or f"{{device}}: {name} says {shown}{by}"
    return {**keys, "do": [msgspec.to_builtins(do) for do in one.alert.do], "select": select, "message": message}


def unknown_deployments(settings: ModelsSettings | None, rules: Sequence[CompiledRule]) -> Iterator[Problem]:
    """What rules `infer` and node.yaml doesn't deploy or record."""
    deployed = {} if settings is None else settings.deploy
    for rule in rules:
        for metric in dict.fromkeys(one.metric for one in rule.stage.inputs if one.kind == "own"):
            name, part = result_of(metric) or ("", "")
            if name and name not in deployed:
                there = f"there are {', '.join(sorted(deployed))}" if deployed else "there are none"
                said = f"rule `{rule.name}` asks the model `{name}`, which `models.deploy` of node.yaml hasn't; {there}"
                yield Problem(f"rule {rule.name}", 1, (), said)
            elif name and part not in deployed[name].record:
                said = f"rule `{rule.name}` reads `{metric}`, and `models.deploy.{name}.record` leaves `{part}` out"
                yield Problem(f"rule {rule.name}", 1, (), said)
