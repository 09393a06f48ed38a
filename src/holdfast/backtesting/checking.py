"""What `check` says of rules: what they do, what they cost, and what is hardly meant."""

from collections.abc import Sequence

import msgspec

from holdfast.stream.advising import warnings
from holdfast.stream.describing import action_words, alarm_short, cost, reads, window_words
from holdfast.stream.rules import CompiledRule


class Checked(msgspec.Struct, frozen=True):
    """A rule as `check` shows it. state_bytes: kept per device; sample_bytes: per message in its window besides."""

    rule: str
    version: str
    severity: str
    reads: list[str]
    by: str
    window: str
    alarm: str
    actions: list[str]
    state_bytes: int
    sample_bytes: int
    warnings: list[str]


def checked(rules: Sequence[CompiledRule], period_ns: int) -> list[Checked]:
    """All that `check` says of them."""
    sources = frozenset(rule.stage.source for rule in rules)
    found = []
    for rule in rules:
        memory = cost(rule)
        found.append(
            Checked(
                rule.name + (f"/{rule.part}" if rule.part else ""),
                rule.version,
                rule.severity,
                reads(rule),
                rule.stage.by,
                rule.stage.window.text or window_words(rule.stage.window),
                alarm_short(rule),
                action_words(rule),
                memory.key,
                memory.sample,
                warnings(rule, sources, period_ns),
            )
        )
    return found
