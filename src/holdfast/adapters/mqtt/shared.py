"""Shared subscriptions (MQTT 5 §4.8.2): a message goes to one member of each group that matches.

Fair: members take turns. Those who are connected and have nothing waiting go first, then those who are connected, then,
where somebody has to acknowledge, those whose sessions wait for them. A group without such a member gets nothing.
"""

from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.topics import Grant


class Group:
    """The members of one shared subscription, and whose turn it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[Session, Grant] = {}
        self._turn = 0

    def portions(self, count: int, qos: int) -> list[tuple[Session, Grant, slice]]:
        """Who gets which of `count` messages published at `qos`."""
        chosen = self._able(qos)
        if not chosen:
            return []
        first, self._turn = self._turn % len(chosen), (self._turn + count) % len(chosen)
        taken = [*chosen[first:], *chosen[:first]][:count]
        return [(one, self.members[one], slice(at, None, len(taken))) for at, one in enumerate(taken)]

    def _able(self, qos: int) -> list[Session]:
        online = [one for one in self.members if one.online]
        if online:
            return [one for one in online if not one.waiting] or online
        return [one for one, grant in self.members.items() if qos and grant.qos]


class Groups:
    """The groups of all shared subscriptions, by their whole name ($share/group/filter)."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def join(self, name: str, session: Session, grant: Grant) -> None:
        """A session subscribes."""
        self._groups.setdefault(name, Group(name)).members[session] = grant

    def leave(self, name: str, session: Session) -> bool:
        """A session unsubscribes; True when the group has no members now and is gone."""
        group = self._groups.get(name)
        if group is None:
            return False
        group.members.pop(session, None)
        if group.members:
            return False
        del self._groups[name]
        return True

    def get(self, name: str) -> Group | None:
        """A group that has members."""
        return self._groups.get(name)
