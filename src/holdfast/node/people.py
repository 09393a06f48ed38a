"""A node's door for people put together."""

from typing import TYPE_CHECKING

import msgspec

from holdfast.crypto.tokens import digest
from holdfast.identity.people.local import LOCAL_FILE
from holdfast.identity.people.service import People
from holdfast.identity.people.trail import JournalTrail
from holdfast.node.settings import NodeSettings
from holdfast.web.guard import Door

if TYPE_CHECKING:
    from holdfast.node.node import Node


def digests(settings: NodeSettings) -> dict[str, str]:
    """What node.yaml says, by its parts: enough to see which of them somebody changed, and no secret."""
    found = {}
    for field in msgspec.structs.fields(settings):
        said = getattr(settings, field.name)
        if said != field.default:
            found[field.name] = digest(msgspec.json.encode(said, enc_hook=str, order="sorted").decode()).hex()[:16]
    return found


def make_door(node: "Node") -> Door:
    """The door; where `people` is off, whoever is on this machine may do everything.

    Raises:
        PeopleError, StorageUnusable: when the file of people can't be read, or the machine's token can't be written.
    """
    plan, clock, telemetry = node.plan, node.clock, node.telemetry
    settings, api = plan.people, plan.settings.api
    trail = JournalTrail(node.journal, clock, telemetry, digests(plan.settings))
    names, metrics = ((), "") if api is None else (api.names, api.metrics)
    if settings is None:
        (plan.data / LOCAL_FILE).unlink(missing_ok=True)  # of a time when there was a login
        people = None
    else:
        people = People(settings, plan.data, clock, telemetry, trail)
    door = Door(plan.settings.node, telemetry, people, trail, names, metrics, clock.monotonic)
    door.chain = node.surroundings.audit
    return door
