"""Topic names and filters: what is allowed, and a bounded cache of names already checked (MQTT 5 §4.7).

Holdfast is stricter than MQTT: at most 256 bytes and 16 levels, no control characters, and topics that begin with `$`
are closed for publishing.
"""

from holdfast.adapters.mqtt.errors import ProtocolFault
from holdfast.adapters.mqtt.reasons import Reason

MAX_BYTES = 256
MAX_LEVELS = 16
SHARE = "$share/"


def name_problem(name: str) -> str:
    """Why `name` isn't a topic a client may publish to; empty when it is."""
    if "+" in name or "#" in name:
        return "a topic name has no wildcards"
    if name.startswith("$"):
        return "topics that begin with $ are closed for publishing"
    return _text_problem(name)


def is_plain_name(name: str) -> bool:
    """Might `name` be a topic at all: not empty, no wildcards."""
    return bool(name) and "+" not in name and "#" not in name


def filter_problem(topic_filter: str) -> str:
    """Why `topic_filter` can't be subscribed to; empty when it can."""
    parts = shared(topic_filter)
    if parts is not None:
        group, rest = parts
        if not group or "+" in group or "#" in group or not rest:
            return "a shared subscription is $share/group/filter, the group without wildcards"
        return filter_problem(rest) if not rest.startswith(SHARE) else "a shared subscription stands once"
    levels = topic_filter.split("/")
    if any(("#" in level or "+" in level) and len(level) > 1 for level in levels):
        return "a wildcard stands alone in its level"
    if "#" in levels[:-1]:
        return "# stands only at the end"
    return _text_problem(topic_filter)


def shared(topic_filter: str) -> tuple[str, str] | None:
    """(group, filter) of a shared subscription, None when it isn't one (MQTT 5 §4.8.2)."""
    if not topic_filter.startswith(SHARE):
        return None
    group, _, rest = topic_filter[len(SHARE) :].partition("/")
    return group, rest


def _text_problem(text: str) -> str:
    if not text:
        return "a topic has at least one character"
    if len(text.encode()) > MAX_BYTES:
        return f"a topic has at most {MAX_BYTES} bytes"
    if text.count("/") >= MAX_LEVELS:
        return f"a topic has at most {MAX_LEVELS} levels"
    if any(c < " " or "\x7f" <= c <= "\x9f" for c in text):
        return "a topic has no control characters"
    return ""


class TopicNames:
    """Checked topic names by their bytes on the wire, so that a device's topic is decoded and checked once.

    Keys are the length-prefixed field as it stands in PUBLISH. Bounded: when full it starts afresh, which costs one
    check per topic.
    """

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._known: dict[bytes, str] = {}

    def of(self, field: bytes) -> str:
        """The topic in a length-prefixed field.

        Raises:
            ProtocolFault: when it isn't a topic a client may publish to.
        """
        name = self._known.get(field)
        if name is None:
            name = _checked(field[2:])
            if len(self._known) >= self._limit:
                self._known.clear()
            self._known[field] = name
        return name


def _checked(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise ProtocolFault(Reason.MALFORMED, "a topic isn't UTF-8") from None
    if "\0" in name:
        raise ProtocolFault(Reason.MALFORMED, "a topic contains NUL")
    problem = name_problem(name)
    if problem:
        raise ProtocolFault(Reason.TOPIC_INVALID, problem)
    return name
