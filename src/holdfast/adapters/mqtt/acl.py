"""Who may publish and subscribe to what. Pure.

Once there is an `acl`, what no rule allows is denied. A publish needs a rule whose filter matches its topic; a
subscription needs one rule whose filter covers *all* that the wanted filter can match, so no message ever has to be
judged on its way to a subscriber. Two rules that only together cover a filter don't: subscribe twice.
"""

import re
from collections.abc import Callable, Sequence

from holdfast.adapters.mqtt.door_settings import AclRule, Action
from holdfast.adapters.mqtt.topics import matches

_CACHED = 256  # verdicts a client; when full it starts afresh
_UNFIT = frozenset("/+#%\0")


class Rights:
    """What one client may do: its rules with its names put in. Verdicts on topics are cached, bounded."""

    __slots__ = ("_publish", "_subscribe", "_verdicts")

    def __init__(self, publish: Sequence[str], subscribe: Sequence[str]) -> None:
        self._publish = tuple(publish)
        self._subscribe = tuple(subscribe)
        self._verdicts: dict[str, bool] = {}

    def may_publish(self, topic: str) -> bool:
        """The topic matches a filter that the client may publish to."""
        verdict = self._verdicts.get(topic)
        if verdict is None:
            verdict = any(matches(allowed, topic) for allowed in self._publish)
            if len(self._verdicts) >= _CACHED:
                self._verdicts.clear()
            self._verdicts[topic] = verdict
        return verdict

    def may_subscribe(self, topic_filter: str) -> bool:
        """One allowed filter covers all of it; of a shared subscription, all of its filter (MQTT 5 §4.8.2)."""
        if topic_filter.startswith("$share/"):
            topic_filter = topic_filter.split("/", 2)[-1]
        return any(covers(allowed, topic_filter) for allowed in self._subscribe)


class Acl:
    """The rules of node.yaml."""

    def __init__(self, rules: Sequence[AclRule]) -> None:
        self._rules = [(rule, _pattern(rule.user), _pattern(rule.client)) for rule in rules]

    def rights(self, user: str | None, client: str, groups: Sequence[str]) -> Rights:
        """The rights of a client; `user` None for a stranger."""
        found: dict[Action, list[str]] = {"publish": [], "subscribe": []}
        for rule, is_user, is_client in self._rules:
            if rule.user and (user is None or not is_user(user)):
                continue
            if (rule.client and not is_client(client)) or (rule.group and rule.group not in groups):
                continue
            filters = [one for text in rule.topics if (one := filled(text, user, client)) is not None]
            for action in rule.allow:
                found[action] += filters
        return Rights(found["publish"], found["subscribe"])


def filled(text: str, user: str | None, client: str) -> str | None:
    """A rule's filter with the client's names in it; None when one is missing or could stand for more than itself."""
    for mark, name in (("%user", user), ("%device", client)):
        if mark in text and (not name or _UNFIT & set(name) or name[0] == "$"):
            return None
    return text.replace("%user", user or "").replace("%device", client)


def covers(allowed: str, wanted: str) -> bool:
    """Every topic that matches the filter `wanted` matches the filter `allowed` (MQTT 5 §4.7)."""
    have, want = allowed.split("/"), wanted.split("/")
    if want[0].startswith("$") and have[0] in ("+", "#"):
        return False
    for i, level in enumerate(have):
        if level == "#":
            return True
        if i >= len(want) or want[i] == "#" or level not in ("+", want[i]):
            return False
        if i == len(have) - 2 and have[-1] == "#" and i == len(want) - 1:  # `a/#` matches `a` itself
            return True
    return len(have) == len(want)


def _pattern(text: str) -> Callable[[str], object]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL).fullmatch
