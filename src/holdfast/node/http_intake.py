"""HTTP intake put together: who may send on which topics, and whether anything can be stored now."""

from typing import TYPE_CHECKING

from holdfast.adapters.http.intake import HttpIntake
from holdfast.adapters.mqtt.topics import matches
from holdfast.identity.tokens import TokenBook
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S
from holdfast.web.deps import Intake

if TYPE_CHECKING:
    from holdfast.node.node import Node


def make_intake(node: "Node", book: TokenBook) -> Intake:
    """The door for messages of devices. book: the applications'."""
    journal, clock = node.journal, node.clock

    def why_not() -> str:
        if not node.is_serving:
            return "the node isn't ready, or is ending"
        return "" if journal.condition is Condition.OK else f"the journal is {journal.condition.value}"

    def claims(topic: str) -> bool:
        return node.uplinks.profile_of(topic) is not None or node.commands.taps.is_diverted(topic)

    filters = {name: app.intake for name, app in node.plan.settings.apps.items()}
    intake = HttpIntake(node.commands.taps, claims, why_not, clock, node.telemetry)
    is_meant = any(filters.values())
    node.adapters.add(lambda: intake.status() if is_meant or intake.posts else None)
    return Intake(
        lambda text: book.who(text, clock.wall_ns() / NS_PER_S),
        lambda app, topic: any(matches(one, topic) for one in filters[app]),
        intake,
        node.models.largest_picture,
    )
