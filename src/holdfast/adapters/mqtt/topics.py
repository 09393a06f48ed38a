"""Who listens to a topic: a tree of subscriptions, and a cache of its answers.

`Routes.of(topic)` is one dict lookup for a topic seen before. Any change of subscriptions empties the cache; devices
publish on few topics and clients subscribe rarely, so it is refilled at once.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a subscription was granted."""

    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    identifier: int = 0


_ANY = Grant(2)


@dataclass(frozen=True, slots=True)
class Route(Generic[K]):
    """One receiver of a topic: overlapping subscriptions of a client are one delivery at their highest QoS."""

    key: K
    qos: int
    no_local: bool
    retain_as_published: bool
    identifiers: tuple[int, ...]


@dataclass(slots=True)
class _Node(Generic[K]):
    children: "dict[str, _Node[K]]" = field(default_factory=dict)
    grants: dict[K, Grant] = field(default_factory=dict)


class TopicTree(Generic[K]):
    """Subscriptions by topic filter, one tree level per topic level."""

    def __init__(self) -> None:
        self._root: _Node[K] = _Node()

    def add(self, topic_filter: str, key: K, grant: Grant) -> None:
        """Subscribe `key`; replaces its former grant on the same filter."""
        node = self._root
        for level in topic_filter.split("/"):
            node = node.children.setdefault(level, _Node())
        node.grants[key] = grant

    def remove(self, topic_filter: str, key: K) -> bool:
        """Unsubscribe `key`; False when it wasn't subscribed. Empty branches go."""
        path = [self._root]
        levels = topic_filter.split("/")
        for level in levels:
            node = path[-1].children.get(level)
            if node is None:
                return False
            path.append(node)
        if path[-1].grants.pop(key, None) is None:
            return False
        for parent, level, child in zip(path[-2::-1], reversed(levels), path[:0:-1], strict=True):
            if child.grants or child.children:
                break
            del parent.children[level]
        return True

    def match(self, topic: str) -> Iterator[tuple[K, Grant]]:
        """Every subscription that matches a topic name; a wildcard's first level doesn't match `$` topics."""
        levels = topic.split("/")
        here = [self._root]
        for depth, level in enumerate(levels):
            wild = depth > 0 or not level.startswith("$")
            below: list[_Node[K]] = []
            for node in here:
                if wild and (rest := node.children.get("#")) is not None:
                    yield from rest.grants.items()
                below.extend(
                    child for name in ((level, "+") if wild else (level,)) if (child := node.children.get(name))
                )
            here = below
        for node in here:
            yield from node.grants.items()
            if (rest := node.children.get("#")) is not None:  # `a/#` matches `a` itself
                yield from rest.grants.items()


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic name matches a filter."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for depth, want in enumerate(wanted):
        if want == "#":
            return True
        if depth >= len(levels) or want not in ("+", levels[depth]):
            return False
    return len(wanted) == len(levels)


@dataclass(frozen=True, slots=True)
class Destination(Generic[K]):
    """Where a topic's messages go: local receivers, and whether it is bus traffic (not telemetry).

    groups: names of shared subscriptions; each gives a message to one of its members
    """

    routes: tuple[Route[K], ...]
    bus: bool
    groups: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Somebody here listens."""
        return bool(self.routes or self.groups)


class Routes(Generic[K]):
    """The tree with its answers cached by topic. Bounded: when full the cache starts afresh."""

    def __init__(self, bus: tuple[str, ...], limit: int = 20_000) -> None:
        self._bus = bus
        self._limit = limit
        self._tree: TopicTree[K] = TopicTree()
        self._shared: TopicTree[str] = TopicTree()
        self._cache: dict[str, Destination[K]] = {}

    def add(self, topic_filter: str, key: K, grant: Grant) -> None:
        """Subscribe `key`."""
        self._tree.add(topic_filter, key, grant)
        self._cache.clear()

    def remove(self, topic_filter: str, key: K) -> bool:
        """Unsubscribe `key`; False when it wasn't subscribed."""
        self._cache.clear()
        return self._tree.remove(topic_filter, key)

    def share(self, topic_filter: str, group: str) -> None:
        """A shared subscription of this name has members."""
        self._shared.add(topic_filter, group, _ANY)
        self._cache.clear()

    def unshare(self, topic_filter: str, group: str) -> None:
        """It has none any more."""
        self._cache.clear()
        self._shared.remove(topic_filter, group)

    def of(self, topic: str) -> Destination[K]:
        """Where `topic` goes."""
        found = self._cache.get(topic)
        if found is None:
            if len(self._cache) >= self._limit:
                self._cache.clear()
            found = self._cache[topic] = self._find(topic)
        return found

    def _find(self, topic: str) -> Destination[K]:
        by_key: dict[K, list[Grant]] = {}
        for key, grant in self._tree.match(topic):
            by_key.setdefault(key, []).append(grant)
        routes = tuple(_merged(key, grants) for key, grants in by_key.items())
        groups = tuple(dict.fromkeys(group for group, _ in self._shared.match(topic)))
        return Destination(routes, any(matches(bus, topic) for bus in self._bus), groups)


def _merged(key: K, grants: list[Grant]) -> Route[K]:
    return Route(
        key=key,
        qos=max(grant.qos for grant in grants),
        no_local=all(grant.no_local for grant in grants),
        retain_as_published=any(grant.retain_as_published for grant in grants),
        identifiers=tuple(grant.identifier for grant in grants if grant.identifier),
    )
