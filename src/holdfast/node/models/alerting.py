"""A deployment's `alert` as the rule that it is short for, so that the rule engine does all that rules do."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from holdfast.kernel.documents import Document, Problem
from holdfast.model.predictions import TROUBLE_PARTS, result_of
from holdfast.node.models.settings import TOPIC, Deploy, ModelsSettings
from holdfast.stream.rules import CompiledRule

PREFIX = "ml-"
_MADE = " (models.deploy)"
"""Ends the path under which rules that stand in no file are known."""


def rule_name(deployment: str) -> str:
    """The name of a deployment's rule."""
    return f"{PREFIX}{deployment}".replace("_", "-") if len(deployment) > 60 else f"{PREFIX}{deployment}"


def trouble_rule(deployment: str) -> str:
    """The name of the rule over a deployment's trouble."""
    return f"{rule_name(deployment[:48])}-trouble"


def alert_rules(settings: ModelsSettings | None, node_yaml: Path) -> dict[Path, str]:
    """Texts of rule files by a path that says where they come from; none where nothing is to be alerted."""
    if settings is None:
        return {}
    rules = {rule_name(name): _rule(name, one) for name, one in settings.deploy.items() if one.alert is not None}
    rules |= {trouble_rule(name): _trouble(name) for name, one in settings.deploy.items() if one.tell_trouble}
    if not rules:
        return {}
    return {node_yaml.with_name(f"{node_yaml.name}{_MADE}"): msgspec.json.encode({"rules": rules}).decode()}


def of_node_yaml(document: Document[Any], problems: Sequence[Problem]) -> Iterator[Problem]:
    """Problems of those rules where node.yaml says them; others as they are.

    document: of NodeSettings
    """
    models: ModelsSettings | None = document.value.models
    names = {} if models is None else {rule_name(name): name for name in models.deploy}
    for one in problems:
        if one.file.endswith(_MADE) and one.where[:1] == ("rules",) and one.where[1:2] and one.where[1] in names:
            where = ("models", "deploy", names[str(one.where[1])], "alert", *one.where[2:])
            yield document.problem(where, one.message)
        else:
            yield one


def _rule(name: str, one: Deploy) -> dict[str, Any]:
    assert one.alert is not None  # noqa: S101  # the caller has chosen those
    keys: dict[str, Any] = msgspec.to_builtins(one.alert)
    select = ", ".join(f"infer('{name}', '{part}') as {part}" for part in one.record)
    about_label = "label" in one.alert.when or "score" not in one.record
    by = " (by {version})" if "version" in one.record else ""
    message = keys.get("message") or f"{{device}}: {name} says {'{label}' if about_label else '{score:.3g}'}{by}"
    return {**keys, "do": [msgspec.to_builtins(do) for do in one.alert.do], "select": select, "message": message}


def _trouble(name: str) -> dict[str, Any]:
    parts = TROUBLE_PARTS
    return {
        "select": f"infer('{name}', '{parts[0]}') as trouble, infer('{name}', '{parts[1]}') as about",
        "when": "trouble > 0",
        "severity": "warning",
        "message": "{about}",
        "do": [{"publish": TOPIC}],
    }


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
            elif name and part not in (*deployed[name].record, *TROUBLE_PARTS):
                said = f"rule `{rule.name}` reads `{metric}`, and `models.deploy.{name}.record` leaves `{part}` out"
                yield Problem(f"rule {rule.name}", 1, (), said)
