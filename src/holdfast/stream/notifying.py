"""Whom a rule has told: `notify:` and `escalate:` of its `do`, compiled. Which channels there are, node.yaml says."""

from dataclasses import dataclass, field

from holdfast.kernel.documents import Problem
from holdfast.stream.settings import ActionText, Notice
from holdfast.stream.templates import Template, parse_message

KINDS = {
    "both": frozenset({"alert.raised", "alert.cleared"}),
    "raised": frozenset({"alert.raised"}),
    "cleared": frozenset({"alert.cleared"}),
}


@dataclass(frozen=True, slots=True)
class CompiledNotice:
    """One of channel and escalation. message: None = the event's own; place: where it stands in the rule's file."""

    channel: str
    escalation: str
    kinds: frozenset[str]
    message: Template | None
    place: Problem = field(compare=False)


def compile_notice(
    text: ActionText, columns: tuple[str, ...] | None, place: Problem, faults: list[str]
) -> CompiledNotice:
    """A `notify` or `escalate`; columns: of the rule's `select`, None = not known."""
    if text.on != "both" or text.payload:
        faults.append("`on` and `payload` beside it belong to a `publish`; write `notify: {channel: …, on: …}`")
    if text.escalate:
        return CompiledNotice("", text.escalate, KINDS["raised"], None, place)
    notice = text.notify if isinstance(text.notify, Notice) else Notice(text.notify or "")
    message = parse_message(notice.message, columns, faults) if notice.message else None
    return CompiledNotice(notice.channel, "", KINDS[notice.on], message, place)
