"""Where a device's messages come from and which profiles read them, as the API tells it."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from holdfast.adapters.supervised import AdapterStatus
from holdfast.codecs.profiles import Meaning, Path, Profile
from holdfast.devices.origins import Origin
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.series import Kind
from holdfast.web.profile_answers import DeviceProfile, DeviceSource, ProfileField

if TYPE_CHECKING:
    from holdfast.node.node import Node

MOST_FIELDS = 200
_BROKER, _HTTP = "broker:", "http:"


def sources_of(node: "Node", number: int) -> tuple[list[DeviceSource], list[DeviceProfile]]:
    """Of one device of this node."""
    ranked = sorted(node.plan.profiles, key=lambda one: one.pattern.rank)
    statuses = node.adapters.statuses()
    sources, profiles = list[DeviceSource](), dict[str, DeviceProfile]()
    for origin in node.devices.origins.of(number):
        profile = claiming(ranked, origin.topic)
        adapter, where = _adapter(origin, statuses)
        name = "" if profile is None else profile.name
        sources.append(DeviceSource(adapter, where, origin.source, origin.topic, origin.heard_ns, name))
        if profile is not None:
            profiles.setdefault(profile.name, told(profile))
    return sources, list(profiles.values())


def claiming(ranked: Iterable[Profile], topic: str) -> Profile | None:
    """The profile that reads a topic. ranked: the most specific first, as the decoder has them."""
    return next((one for one in ranked if one.pattern.captured(topic) is not None), None)


def _adapter(origin: Origin, statuses: Sequence[AdapterStatus]) -> tuple[str, str]:
    """Name and address. A source is an adapter by name, what reads this machine by its device, or an MQTT client."""
    found = next((one for one in statuses if one.name == origin.source and ":" in one.name), None)
    if found is not None or origin.source.startswith(_BROKER):
        return origin.source, "" if found is None else found.where
    if origin.source.startswith(_HTTP) and (door := next((one for one in statuses if one.kind == "http"), None)):
        return door.name, door.where
    own = next((one for one in statuses if one.kind in ("host", "health") and one.where == origin.source), None)
    if own is not None:
        return own.name, "this machine"
    doors = [one.where for one in statuses if one.kind == "mqtt"]
    return "mqtt", ", ".join(doors)


def told(profile: Profile) -> DeviceProfile:
    """A profile in words."""
    fields = list(_fields(profile))
    time = "" if profile.time_path is None else f"{_dotted(profile.time_path)}, {profile.time_unit}"
    return DeviceProfile(
        profile.name,
        profile.version,
        profile.format,
        profile.pattern.text,
        time,
        "the message's time" if profile.id_is_time else _dotted(profile.id_path or ()),
        None if profile.stale_ns is None else profile.stale_ns / NS_PER_S,
        profile.future_ns / NS_PER_S,
        "" if profile.open is None else profile.open.unknown,
        len(fields),
        fields[:MOST_FIELDS],
    )


def _fields(profile: Profile) -> Iterable[ProfileField]:
    for one in profile.fields:
        yield _field(_dotted(one.path), one.meaning, optional=one.optional)
    if profile.records is not None:
        for name, meaning in profile.records.meanings.items():
            yield _field(f"{_dotted(profile.records.path)}: {name}", meaning)
    for rule in () if profile.open is None else profile.open.rules:
        if rule.meaning is not None:
            kind = "auto" if rule.is_auto else ""
            yield _field(rule.name, rule.meaning, metric=rule.metric, kind=kind, optional=True)


def _field(path: str, one: Meaning, *, metric: str = "", kind: str = "", optional: bool = False) -> ProfileField:
    scale, offset = one.line if one.kind in (Kind.FLOAT, Kind.INT) else (1.0, 0.0)
    return ProfileField(
        path,
        metric or one.metric,
        one.unit,
        kind or one.kind.name.lower(),
        scale,
        offset,
        one.decimals,
        _limit(one.low),
        _limit(one.high),
        one.stuck_ns / NS_PER_S,
        [str(text) for text in one.missing],
        optional,
    )


def _limit(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _dotted(path: Path) -> str:
    return ".".join(path)
