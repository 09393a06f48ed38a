"""What a node has to do with foreign brokers: subscriptions and routes, each with a connection of its own."""

from collections.abc import Sequence

from holdfast.adapters.broker.link import Door
from holdfast.adapters.broker.publisher import MAX_PACKET, BrokerPublisher
from holdfast.adapters.broker.subscriber import BrokerSubscriber
from holdfast.adapters.port import Inbox
from holdfast.adapters.supervised import AdapterStatus
from holdfast.journal.journal import Journal
from holdfast.journal.relief import Delivered
from holdfast.kernel.clock import Clock
from holdfast.model.lane import Lane
from holdfast.node.settings import NodePlan
from holdfast.node.timekeeper import Timekeeper
from holdfast.routes.service import Route
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.brokers import BrokerLogin
from holdfast.web.answers import BrokerStatus, RouteStatus


def make_brokers(plan: NodePlan, inbox: Inbox, clock: Clock, telemetry: Telemetry) -> list[BrokerSubscriber]:
    """The brokers of node.yaml, not connected yet.

    Raises:
        HoldfastError: when a certificate, key or password file can't be used.
    """
    brokers = []
    for name, settings in plan.settings.brokers.items():
        door = _door(plan, settings, name, settings.max_packet)
        brokers.append(BrokerSubscriber(name, settings, door, inbox, clock, telemetry))
    return brokers


def make_routes(
    plan: NodePlan, journal: Journal, timekeeper: Timekeeper, clock: Clock, telemetry: Telemetry
) -> list[Route]:
    """The routes of node.yaml, not connected yet.

    Raises:
        HoldfastError: when a certificate, key or password file can't be used.
    """
    routes = []
    for name, settings in plan.settings.routes.items():
        upstream = BrokerPublisher(_door(plan, settings.to, name, MAX_PACKET))
        routes.append(Route(name, settings, journal, upstream, clock, telemetry, timekeeper.may_sync))
    return routes


def broker_states(brokers: Sequence[BrokerSubscriber]) -> list[BrokerStatus]:
    """The brokers as the API tells of them."""
    return [
        BrokerStatus(b.name, s.where, "up" if s.state == "working" else "down", _trouble(s), s.received, s.unsettled)
        for b, s in ((broker, broker.status()) for broker in brokers)
    ]


def route_states(routes: Sequence[Route]) -> list[RouteStatus]:
    """The routes as the API tells of them."""
    return [
        RouteStatus(
            name=s.name,
            url=s.url,
            state="up" if s.is_up else "down",
            detail=s.trouble,
            delivered=s.delivered,
            in_flight=s.in_flight,
            lag_rows=s.lag_rows,
            lag_s=round(s.lag_s, 3),
            missed=s.missed,
            left_out=s.left_out,
        )
        for s in (route.status() for route in routes)
    ]


def _trouble(status: AdapterStatus) -> str:
    if status.state == "working":
        return ""
    return f"{status.error}. {status.hint}" if status.hint else status.error or "not connected yet"


def _door(plan: NodePlan, login: BrokerLogin, name: str, max_packet: int) -> Door:
    login.context(plan.path)  # a file that can't be used is said now, not in the middle of the night
    login.secret(plan.path)
    return Door(login, _client(plan, login, name), plan.path, max_packet)


def trial_door(plan: NodePlan, login: BrokerLogin, name: str) -> Door:
    """For one try of a broker or route called `name`: nobody else's client id, so that no session is disturbed."""
    return Door(login, f"{_client(plan, login, name)}-test", plan.path, MAX_PACKET)


def _client(plan: NodePlan, login: BrokerLogin, name: str) -> str:
    return login.client_id or f"holdfast-{plan.settings.node}-{name}"


def held_back(delivered: Delivered, routes: Sequence[Route], *, is_end: bool) -> Delivered:
    """What may be dropped while routes still want rows.

    Before space gets scarce a row goes only when every route has it, too; then the parent's word is enough, and what
    a route misses is counted. is_end: rows end here but for the routes (no parent, no files), so that what all of them
    delivered needn't be kept.
    """
    if not routes:
        return delivered
    marks = {lane: _least(routes, lane) for lane in Lane}
    if is_end:
        done = {lane: mark or 0 for lane, mark in marks.items()}
        return Delivered(done, done, is_top=delivered.is_top)
    safe = {lane: _lower(mark, marks[lane]) for lane, mark in delivered.safe.items()}
    return Delivered(delivered.applied, safe, is_top=delivered.is_top)


def _least(routes: Sequence[Route], lane: Lane) -> int | None:
    found = [mark for route in routes if (mark := route.delivered(lane)) is not None]
    return min(found) if found else None


def _lower(mark: int, other: int | None) -> int:
    return mark if other is None else min(mark, other)
