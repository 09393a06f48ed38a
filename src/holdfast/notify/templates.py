"""Templates of what people read: `{place}` in any text of a JSON value. Pure.

A text that is nothing but one place becomes what stands for it, number or list; elsewhere it becomes text.
"""

from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any

import msgspec

PLACES = (
    "title",
    "text",
    "details",
    "state",
    "count",
    "id",
    "alert",
    "node",
    "device",
    "rule",
    "severity",
    "kind",
    "message",
    "time",
    "ts",
    "why",
    "alerts",
)
"""Beyond `count`, `title`, `text` and `alerts` they speak of the first alert of a message, the most severe."""
_DEEPEST = 20
Finding = tuple[tuple[str | int, ...], str]


def template_findings(value: Any, depth: int = 0) -> Iterator[Finding]:
    """What is wrong with the templates in a JSON value: (where, what to do)."""
    if depth > _DEEPEST:
        yield (), f"deeper than {_DEEPEST} levels"
    elif isinstance(value, str):
        yield from (((), text) for text in _faults(value))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (((str(key), *where), text) for where, text in template_findings(inner, depth + 1))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from (((i, *where), text) for where, text in template_findings(inner, depth + 1))
    elif value is not None and not isinstance(value, bool | int | float):
        yield (), f"{type(value).__name__} isn't JSON: put it in quotes"


def fill(value: Any, facts: Mapping[str, Any]) -> Any:
    """A JSON value with its places filled."""
    if isinstance(value, str):
        return _filled(value, facts)
    if isinstance(value, Mapping):
        return {str(key): fill(inner, facts) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, facts) for inner in value]
    return value


def fill_text(text: str, facts: Mapping[str, Any]) -> str:
    """A text with its places filled."""
    return "".join(literal + ("" if name is None else _said(facts[name])) for literal, name in _parts(text))


def _filled(text: str, facts: Mapping[str, Any]) -> Any:
    parts = _parts(text)
    if len(parts) == 1 and not parts[0][0] and parts[0][1] is not None:
        return facts[parts[0][1]]
    return fill_text(text, facts)


def _parts(text: str) -> list[tuple[str, str | None]]:
    return [(literal, name) for literal, name, _, _ in Formatter().parse(text)]


def _said(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _faults(text: str) -> Iterator[str]:
    try:
        found = list(Formatter().parse(text))
    except ValueError as error:
        yield f"isn't a template: {error}; a brace that is meant is written twice"
        return
    for _, name, spec, conversion in found:
        if name is not None and (name not in PLACES or spec or conversion):
            allowed = ", ".join(f"{{{place}}}" for place in PLACES)
            yield f"`{{{name}}}` can't stand here; allowed: {allowed}"
