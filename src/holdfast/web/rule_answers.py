"""What the API says of rules, in JSON."""

from typing import Any

import msgspec
from msgspec import Struct


class SeriesLabels(Struct, frozen=True):
    """A series of which people confirmed or rejected a detector's alerts, and where its threshold is by now."""

    node: str
    device: str
    metric: str
    threshold: float
    confirmed: int
    rejected: int


class RuleRow(Struct, frozen=True):
    """One rule, of one of its windows (`part`).

    text:     as it's at work, as JSON; null where it isn't kept
    on:       whose readings: `own`, or `children`'s
    open:     devices whose alert is raised
    state:    `ok` or `throttled`
    cpu_us_per_reading, cpu_share: what it costs a message, and of one core over the last 10 s
    budget:   the share of a core that it may use, 0 = any
    keys_refused: devices beyond its limit
    labels:   of rules with a detector: series whose alerts people confirmed or rejected
    """

    rule: str
    part: str
    on: str
    version: str
    severity: str
    state: str
    open: list[str]
    cpu_us_per_reading: float
    cpu_share: float
    budget: float
    state_bytes: int
    readings: int
    evaluations: int
    decisions: int
    skipped: int
    keys: int
    keys_refused: int
    text: msgspec.Raw = msgspec.Raw(b"null")
    labels: list[SeriesLabels] = []


class RuleList(Struct, frozen=True):
    """All rules. problems: why the files as they are now aren't in force; loaded_ns: when the rules at work came."""

    rules: list[RuleRow]
    problems: list[str]
    loaded_ns: int


class RuleFate(Struct, frozen=True):
    """What became of a rule by an edit, and how many of its alerts ended by it."""

    rule: str
    part: str
    fate: str
    words: str
    ended: int


class RulesReloaded(Struct, frozen=True):
    """What an edit did. problems: why it was refused as a whole; nothing has changed then."""

    rules: list[RuleFate]
    problems: list[str]


def as_raw(document: bytes) -> msgspec.Raw:
    """A rule's document without its name and place: the text alone."""
    found: Any = msgspec.json.decode(document) if document else None
    match found:
        case {"rule": text} | [_, text]:
            return msgspec.Raw(msgspec.json.encode(text))
    return msgspec.Raw(b"null")
