"""What routes say; on change only."""

from holdfast.telemetry.happenings import Happening, Level


class RouteConnected(Happening, frozen=True):
    """The broker takes a route's messages."""

    metric = "route_connects"
    route: str
    broker: str
    waiting_rows: int


class RouteLost(Happening, frozen=True):
    """The broker can't be reached or refuses; rows wait in the journal."""

    level = Level.WARNING
    metric = "route_losses"
    route: str
    broker: str
    cause: str


class RouteMissed(Happening, frozen=True):
    """Rows were shed or dropped before a route had delivered them: its broker will not get them."""

    level = Level.ERROR
    metric = "route_misses"
    route: str
    lane: int
    rows: int
    cause: str


class RouteLeftOut(Happening, frozen=True):
    """Messages were larger than `max_payload`, or than the broker takes, and were left out."""

    level = Level.ERROR
    metric = "route_messages_left_out"
    route: str
    messages: int
