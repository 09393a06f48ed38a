"""A node's door for people put together."""

from typing import TYPE_CHECKING

from holdfast.identity.people.local import LOCAL_FILE
from holdfast.identity.people.service import People
from holdfast.identity.people.trail import JournalTrail
from holdfast.web.guard import Door

if TYPE_CHECKING:
    from holdfast.node.node import Node


def make_door(node: "Node") -> Door:
    """The door; where `people` is off, whoever is on this machine may do everything.

    Raises:
        PeopleError, StorageUnusable: when the file of people can't be read, or the machine's token can't be written.
    """
    plan, clock, telemetry = node.plan, node.clock, node.telemetry
    settings, api = plan.people, plan.settings.api
    trail = JournalTrail(node.journal, clock, telemetry)
    names, metrics = ((), "") if api is None else (api.names, api.metrics)
    if settings is None:
        (plan.data / LOCAL_FILE).unlink(missing_ok=True)  # of a time when there was a login
        return Door(plan.settings.node, telemetry, None, trail, names, metrics, clock.monotonic)
    people = People(settings, plan.data, clock, telemetry, trail)
    return Door(plan.settings.node, telemetry, people, trail, names, metrics, clock.monotonic)
