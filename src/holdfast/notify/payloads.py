"""What chat services want to be sent. Pure: a message in, JSON-ready values out.

Sources (read in November 2026): ntfy, "Publish as JSON" (docs.ntfy.sh/publish/#publish-as-json); Slack, "Sending
messages using incoming webhooks" and "Formatting message text" (docs.slack.dev); Microsoft Teams, "Create
incoming webhooks with Workflows" (learn.microsoft.com) with Adaptive Cards 1.2 (adaptivecards.io/explorer).
"""

from typing import Any

from holdfast.notify.messages import Item, Message

NTFY_PRIORITY = {"critical": 5, "warning": 4, "info": 3}
_NTFY_TAGS = {"critical": "rotating_light", "warning": "warning", "info": "information_source"}
_NTFY_BYTES = 3_800
"""ntfy makes an attachment of what is longer than 4,096 bytes."""
_SLACK_CHARACTERS = 3_900
"""Slack advises 4,000 at most, and cuts at 40,000."""
_TEAMS_BYTES = 20_000
"""Teams takes 28 kB, with everything around the text."""
_COLOURS = {"critical": "attention", "warning": "warning", "info": "default"}
_CARD = "application/vnd.microsoft.card.adaptive"


def webhook(message: Message) -> dict[str, Any]:
    """Everything: the default body of a webhook."""
    return {
        "id": message.id,
        "node": message.at,
        "title": message.title,
        "text": message.text,
        "severity": message.severity,
        "count": len(message.items),
        "alerts": [item.facts() for item in message.items],
    }


def ntfy(message: Message, topic: str) -> dict[str, Any]:
    """A JSON message for ntfy; what is over comes without noise."""
    tag = "white_check_mark" if message.is_over else _NTFY_TAGS[message.severity]
    return {
        "topic": topic,
        "title": message.title,
        "message": within(message.text, _NTFY_BYTES),
        "priority": 3 if message.is_over else NTFY_PRIORITY[message.severity],
        "tags": [tag],
    }


def slack(message: Message) -> dict[str, Any]:
    """A text with a bold first line; `&`, `<` and `>` are escaped: nobody's text becomes a link or calls everyone."""
    said = "\n".join(_slack_line(item) for item in message.items)
    head = f"*{_escaped(message.title)}*\n"
    return {"text": head + _cut(said, _SLACK_CHARACTERS - len(head))}


def teams(message: Message) -> dict[str, Any]:
    """An Adaptive Card. Foreign text is in RichTextBlocks, which know no Markdown."""
    colour = "good" if message.is_over else _COLOURS[message.severity]
    title = {"type": "TextRun", "text": message.title, "weight": "bolder", "size": "medium", "color": colour}
    rest: list[dict[str, Any]] = []
    left = _TEAMS_BYTES
    for item in message.items:
        line = item.text if len(message.items) == 1 else item.line
        left -= len(line.encode()) + 100
        if left < 0:
            rest.append(_block({"type": "TextRun", "text": f"and {len(message.items) - len(rest)} more"}))
            break
        rest.append(_block({"type": "TextRun", "text": line}))
    rest.append(_block({"type": "TextRun", "text": message.details, "isSubtle": True, "size": "small"}))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [_block(title), *rest],
        "msteams": {"width": "Full"},
    }
    return {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}


def within(text: str, most: int) -> str:
    """A text of at most `most` bytes of UTF-8."""
    raw = text.encode()
    return text if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "…"


def _slack_line(item: Item) -> str:
    return f"{item.state}: {_escaped(item.text)} ({_escaped(item.alert.node)}/{_escaped(item.alert.device)})"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    """Cut between lines, so that no escape is cut in two."""
    if len(text) <= most:
        return text
    kept, size = [], 0
    for line in text.split("\n"):
        size += len(line) + 1
        if size > most - 20:
            break
        kept.append(line)
    lines = text.count("\n") + 1
    return "\n".join([*kept, f"and {lines - len(kept)} more"])


def _block(run: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [run]}
