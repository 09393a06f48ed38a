"""Builds a node's residency from its plan."""

from pathlib import Path

from holdfast.journal.journal import Journal
from holdfast.kernel.clock import Clock
from holdfast.node.settings import NodePlan
from holdfast.residency.leaving import Leaving
from holdfast.residency.report import Report, report
from holdfast.residency.rules import Policy
from holdfast.storage.keys import new_key_file, read_key_file

KEY_NAME = "residency.key"


def policy_of(plan: NodePlan) -> Policy:
    """The rules of a checked plan."""
    settings = plan.settings
    return Policy(settings.residency, settings.node, settings.region)


def key_of(plan: NodePlan) -> bytes:
    """The key of pseudonyms, made at the first start with rules; empty without rules.

    Raises:
        KeyUnusable: when the file can't be read, holds no key, or others may open it.
    """
    if not plan.settings.residency:
        return b""
    named = plan.settings.residency_key
    path = plan.path(named) if named else Path(plan.data / KEY_NAME)
    if named or path.exists():
        return read_key_file(path)
    return new_key_file(path)


def leaving_of(plan: NodePlan, key: bytes, journal: Journal, clock: Clock) -> Leaving:
    """What sorts this node's rows; from here on new series are asked how far they may go."""
    policy = policy_of(plan)
    journal.catalogue.rule_by(policy.stay)
    return Leaving(policy, journal.catalogue, key, clock.wall_ns)


def audit(plan: NodePlan, journal: Journal, from_day: int, to_day: int) -> Report:
    """The audit of a running node. Blocking."""
    return report(journal, journal.catalogue, policy_of(plan), from_day, to_day)
