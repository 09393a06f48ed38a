"""What of a log line or a step may be known elsewhere. Pure, but for what the redactor counts.

Secrets are taken out as in the support bundle. Where anything must stay at a site or in a region, nobody can tell which
words and numbers of a line are about it; then a line leaves with its time, level and name, and of its facts those whose
values the program itself chose: truths, and words of closed sets. What stays is never traced, nor are alerts about it.
"""

from functools import cache
from typing import Literal, get_args, get_origin, get_type_hints

from holdfast.reporting.redacting import Redactor
from holdfast.telemetry.happenings import Happening
from holdfast.telemetry.lines import Fact, LogLine
from holdfast.telemetry.spans import Span
from holdfast.wire.reports import SentLine, SentStep

LONGEST_FACT = 500
MOST_FACTS = 24


def leaving_line(line: LogLine, redactor: Redactor, *, keeps: bool) -> SentLine:
    """A line as it goes up. keeps: is there anything here that must stay?"""
    fields = closed(line) if keeps else line.fields
    return SentLine(line.level, line.name, line.n, _clean(fields, redactor))


def leaving_step(span: Span, redactor: Redactor, *, keeps: bool) -> SentStep:
    """A step as it goes up. keeps: as for a line; ids of alerts of the same micro-batch may be of what stays."""
    told = {name: value for name, value in span.facts.items() if name != "alerts"} if keeps else span.facts
    took, facts = max(0, span.end_ns - span.start_ns), _clean(told, redactor)
    return SentStep(span.trace, span.name, took, span.parent, facts, span.links)


def closed(line: LogLine) -> dict[str, Fact]:
    """Of a line's facts those that can be about nothing that stays."""
    words = _words_of().get(line.name, {})
    return {
        name: value
        for name, value in line.fields.items()
        if isinstance(value, bool) or (isinstance(value, str) and value in words.get(name, ()))
    }


def _clean(facts: dict[str, Fact], redactor: Redactor) -> dict[str, Fact]:
    kept = list(facts.items())[:MOST_FACTS]
    return {name: redactor.text(value)[:LONGEST_FACT] if isinstance(value, str) else value for name, value in kept}


@cache
def _words_of() -> dict[str, dict[str, tuple[str, ...]]]:
    """Of each kind of happening, by its name: the words that a field may have, where they are a closed set."""
    found = dict[str, dict[str, tuple[str, ...]]]()
    known = list[type[Happening]](Happening.__subclasses__())
    while known:
        kind = known.pop()
        known += kind.__subclasses__()
        hints = get_type_hints(kind)
        sets = {name: get_args(hints[name]) for name in kind.__struct_fields__ if get_origin(hints[name]) is Literal}
        found[kind.__name__] = sets
    return found
