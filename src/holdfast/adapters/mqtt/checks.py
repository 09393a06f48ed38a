"""What is wrong with `mqtt:` beyond types, found before anything starts. Pure."""

from collections.abc import Iterator, Sequence

from holdfast.adapters.mqtt.door_settings import AclRule, ListenerSettings
from holdfast.adapters.mqtt.names import filter_problem
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.transport.addresses import Address, parse_listen
from holdfast.transport.errors import AddressInvalid

Finding = tuple[tuple[str | int, ...], str]


def findings(settings: MqttSettings) -> Iterator[Finding]:
    """Where, and what to do."""
    for i, listener in enumerate(settings.listeners):
        for where, text in _of_listener(listener):
            yield ("listeners", i, *where), text
    if not settings.listen and not settings.listeners:
        yield ("listen",), "nothing listens: write an address here, or `listeners`"
    if settings.acl is not None and settings.acl_file:
        yield ("acl_file",), "rules stand either in `acl` or in a file: keep one"
    for where, text in of_rules(settings.acl or (), has_groups=bool(settings.users_file)):
        yield ("acl", *where), text


def of_rules(rules: Sequence[AclRule], *, has_groups: bool) -> Iterator[Finding]:
    """What is wrong with these; places begin with the rule's number."""
    for i, rule in enumerate(rules):
        if rule.group and not has_groups:
            yield (i, "group"), "groups stand in `users_file`, and there is none"
        for where, text in _of_rule(rule):
            yield (i, *where), text


def addresses(settings: MqttSettings) -> list[Address]:
    """Every address that the server listens on; those that aren't one are `findings`' business."""
    texts = [text for text in (settings.listen, *(each.listen for each in settings.listeners)) if text]
    return [parse_listen(text) for text in texts]


def _of_rule(rule: AclRule) -> Iterator[Finding]:
    if not rule.allow or not rule.topics:
        yield (), "a rule without `allow` or `topics` allows nothing; to deny, just leave it out"
    for j, text in enumerate(rule.topics):
        problem = filter_problem(text)
        if problem or text.startswith("$share/"):
            yield ("topics", j), f"not a topic filter: {problem or 'write what is behind $share/NAME/'}"


def _of_listener(listener: ListenerSettings) -> Iterator[Finding]:
    try:
        parse_listen(listener.listen)
    except AddressInvalid as error:
        yield ("listen",), str(error)
    if listener.origins and not listener.websocket:
        yield ("origins",), "`origins` are for listeners with `websocket: true`"
    for i, origin in enumerate(listener.origins):
        if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:
            yield ("origins", i), "an origin is written as in https://hmi.example.org, without a path"
