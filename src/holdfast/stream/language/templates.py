"""Templates of messages and topics: `{name}` or `{name:.1f}`, nothing that reaches into objects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

FACTS = ("device", "node", "rule", "severity")
MAX_TOPIC = 1_000
_UNSAFE = str.maketrans({"+": "_", "#": "_", "\0": "_"})


@dataclass(frozen=True, slots=True)
class Template:
    """Text with places for values: (literal, name or None, format) in order."""

    steps: tuple[tuple[str, str | None, str], ...]

    def render(self, values: Mapping[str, object]) -> str:
        """The text with its places filled; a number that isn't known reads `unknown`."""
        return "".join(
            literal + ("" if name is None else _show(values.get(name), spec)) for literal, name, spec in self.steps
        )


def parse_message(
    text: str, columns: tuple[str, ...] | None, faults: list[str], texts: tuple[str, ...] = ()
) -> Template:
    """A message template over the facts and `columns` (None: not known, take any). texts: those that are no numbers."""
    template = _parse(text, faults)
    for _, name, spec in template.steps:
        if name is not None:
            _check(name, spec, columns, faults, (*FACTS, *texts))
    return template


def parse_topic(text: str, faults: list[str], more: tuple[str, ...] = ()) -> Template:
    """A topic template over the facts, and over more where there are."""
    allowed = (*FACTS, *more)
    if not text or text.startswith("$") or len(text) > MAX_TOPIC or any(c in text for c in "+#\0"):
        faults.append("a topic is 1 to 1,000 characters without +, # or a leading $")
    template = _parse(text, faults)
    for _, name, spec in template.steps:
        if name is not None and (name not in allowed or spec):
            faults.append(f"`{{{name}}}` can't stand in a topic; allowed: {', '.join(f'{{{f}}}' for f in allowed)}")
    return template


def parse_fact(text: str, faults: list[str]) -> Template:
    """A template over the facts that names a device."""
    if not text:
        faults.append("is empty; write `{device}` for the device that the rule decided on")
    template = _parse(text, faults)
    for _, name, spec in template.steps:
        if name is not None and (name not in FACTS or spec):
            faults.append(f"`{{{name}}}` can't stand here; allowed: {', '.join(f'{{{f}}}' for f in FACTS)}")
    return template


def topic(template: Template, values: Mapping[str, object]) -> str:
    """The topic, with wildcard characters in device names made harmless."""
    named = {name: str(values.get(name)).translate(_UNSAFE) for _, name, _ in template.steps if name is not None}
    return template.render(named)


def _parse(text: str, faults: list[str]) -> Template:
    steps: list[tuple[str, str | None, str]] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            if conversion or "{" in (spec or ""):
                faults.append(f"`{{{name}!…}}`: conversions and nested braces aren't available")
            steps.append((literal, name, spec or ""))
    except ValueError as error:
        faults.append(f"isn't a template: {error}")
    return Template(tuple(steps))


def _check(name: str, spec: str, columns: tuple[str, ...] | None, faults: list[str], texts: tuple[str, ...]) -> None:
    if name in texts:
        sample: object = "text"
    elif columns is None or name in columns:
        sample = 1.0
    else:
        faults.append(f"`{{{name}}}` is unknown; allowed: {', '.join((*FACTS, *columns))}")
        return
    if re.search(r"\d{3}", spec):
        faults.append(f"`{{{name}:{spec}}}`: a number is at most 99 characters wide")
        return
    try:
        format(sample, spec)
    except ValueError as error:
        faults.append(f"`{{{name}:{spec}}}`: {error}")


def _show(value: object, spec: str) -> str:
    if value is None:
        return "unknown"
    try:
        return format(value, spec)
    except ValueError:  # a number's format, and the column is text
        return str(value)
