"""Topic patterns with captures, and which pattern wins. Pure.

`+` and `{capture}` match one level, `{capture*}` one or more, `#` the rest (captured as `rest`). As MQTT 5 §4.7.2
says, no pattern that begins with one of them matches a topic that begins with `$`.
"""

import re
from dataclasses import dataclass

_CAPTURE = re.compile(r"^\{([a-z][a-z0-9_]*)(\*?)\}$")
DEVICE, REST = "device", "rest"
LAST_LEVEL = "{last}"
"""Stands for the last level of `{device*}` where a profile names a value by it."""
NAME_LIMIT = 64
_REST = f"(?P<{REST}>.*)"
_FORBIDDEN = frozenset("/+#")


class PatternInvalid(ValueError):
    """Not a topic pattern; the text says what is allowed."""


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """A compiled pattern.

    shape: the pattern with every one-level wildcard written as `+`; two patterns of one shape claim the same topics
    rank:  smaller is more specific; the more specific pattern wins a topic that both match
    """

    text: str
    shape: str
    rank: tuple[int, ...]
    captures: tuple[str, ...]
    _matcher: re.Pattern[str]

    def device(self, topic: str) -> str | None:
        """What the `{device}` level holds, "" when the pattern has none; None when the topic does not match."""
        found = self.captured(topic)
        return None if found is None else found.get(DEVICE, "")

    def captured(self, topic: str) -> dict[str, str] | None:
        """What each capture holds, and `rest` what `#` does; None when the topic does not match."""
        found = self._matcher.match(topic)
        return None if found is None else {name: text or "" for name, text in found.groupdict().items()}


def compile_pattern(text: str) -> TopicPattern:
    """A pattern from its text.

    Raises:
        PatternInvalid: with what is wrong.
    """
    levels = text.split("/")
    captures: list[str] = []
    parts: list[str] = []
    for i, level in enumerate(levels):
        parts.append(_level(level, captures, is_first=i == 0, is_last=i == len(levels) - 1))
    if len(captures) != len(set(captures)):
        msg = "a capture stands twice"
        raise PatternInvalid(msg)
    shape = "/".join(_shape(level) for level in levels)
    rank = tuple({"+": 1, "#": 2, "++": 2}.get(level, 0) for level in shape.split("/"))
    if "++" in shape:
        rank += (3,)  # `a/{x*}/set` is more specific than `a/{x*}`
    expression = "/".join(parts).replace(f"/{_REST}", f"(?:/{_REST})?")  # `a/#` matches `a` too, MQTT 5 §4.7.1.2
    return TopicPattern(text, shape, rank, tuple(captures), re.compile(rf"\A{expression}\Z", re.DOTALL))


def _shape(level: str) -> str:
    found = _CAPTURE.match(level)
    return level if found is None else "++" if found[2] else "+"


def _level(level: str, captures: list[str], *, is_first: bool, is_last: bool) -> str:
    sane = r"(?!\$)" if is_first else ""
    if level == "#":
        if not is_last:
            msg = "`#` may only be the last level"
            raise PatternInvalid(msg)
        captures.append(REST)
        return sane + _REST
    if level == "+":
        return sane + "[^/]*"
    capture = _CAPTURE.match(level)
    if capture:
        captures.append(capture[1])
        return sane + f"(?P<{capture[1]}>{'.+' if capture[2] else '[^/]*'})"
    if not level or any(c in level for c in "{}+#\0"):
        msg = f"`{level}` is no level: write plain text, `+`, `#` or a whole level in braces such as {{device}}"
        raise PatternInvalid(msg)
    return re.escape(level)


_UNSAFE = re.compile(r"[/+#%\x00-\x1f\x7f]")
_UNSAFE_PART = re.compile(r"[:/+#%\x00-\x1f\x7f]")


def joined(*parts: str) -> str:
    """One device name of several, such as a Sparkplug group, node and device: with colons, and nothing gets lost.

    What a name can't have (/ + # and control characters) and colons within a part are percent-encoded.
    """
    unsafe = _UNSAFE if len(parts) == 1 else _UNSAFE_PART
    return ":".join(unsafe.sub(_percent, part) for part in parts)


def _percent(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def name_fault(name: str, limit: int = NAME_LIMIT) -> str:
    """What is wrong with a device name; empty when it is sane."""
    if not name:
        return "the device name is empty"
    if len(name) > limit:
        return f"the device name has {len(name)} characters; at most {limit} are allowed"
    if not name.isprintable() or name != name.strip():
        return "the device name has control characters or blanks at its ends"
    if not _FORBIDDEN.isdisjoint(name):
        return "the device name has one of / + #"
    return ""
