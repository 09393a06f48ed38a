"""Gives the web room what it asks of a node."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import __version__
from holdfast.documents.settings import matcher
from holdfast.history.events import latest_everywhere
from holdfast.history.lake.health import memory_status
from holdfast.history.latest import Latest
from holdfast.history.sql_desk import SqlDesk
from holdfast.identity.tokens import TokenBook
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.relief import level_of
from holdfast.journal.writer import Condition
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.lane import Lane
from holdfast.node.clock_status import clock_status
from holdfast.node.devices import Book
from holdfast.node.flow import flow, room
from holdfast.node.foreign import broker_states, route_states
from holdfast.node.http_intake import make_intake
from holdfast.node.models.making import models_desk
from holdfast.node.people import make_door
from holdfast.node.residency import audit
from holdfast.node.settings import NodePlan
from holdfast.node.shared_documents import documents_status
from holdfast.transport.server import WebServer
from holdfast.transport.tls import server_context
from holdfast.uplink.status import UplinkStatus
from holdfast.web.answers import BudgetStatus, JournalStatus, LinkStatus, Status
from holdfast.web.app import build_app
from holdfast.web.deps import Alerting, AppDocuments, Applications, ArtifactDoor, Children, Past, WebDeps
from holdfast.web.settings import ApiSettings

if TYPE_CHECKING:
    from holdfast.node.node import Node


def build_server(node: "Node", settings: ApiSettings) -> WebServer:
    """The node's web server, not started yet.

    Raises:
        HoldfastError: when a certificate, key or token can't be used.
    """
    plan, tls = node.plan, settings.tls
    context = None if tls is None else server_context(plan.path(tls.certificate), plan.path(tls.key))
    intake = make_intake(node, apps_book(plan))
    deps = replace(make_deps(node, settings), door=make_door(node), intake=intake)
    return WebServer(build_app(deps), settings.address, context, connections=settings.connections)


def make_deps(node: "Node", settings: ApiSettings) -> WebDeps:
    """What the app may ask of the node; the door isn't part of it: there's one a node, and it begins the audit.

    Raises:
        HoldfastError: when a token can't be used.
    """
    plan, journal, keeper = node.plan, node.journal, node.keeper
    history = node.history
    latest = Latest(journal, journal.catalogue, node.surroundings.memory)
    return WebDeps(
        clock=node.clock,
        telemetry=node.telemetry,
        catalogue=journal.catalogue,
        past=Past(history, latest, node.last_values, settings.question_time),
        status=lambda: _status(node),
        ledger=lambda verify: _ledger(node, verify=verify),
        events=lambda limit: latest_everywhere(journal, limit),
        residency=lambda first, last: audit(plan, journal, first, last),
        quarantine=node.quarantine,
        readiness=lambda: _readiness(node),
        counters=journal.counters,
        flow=lambda: flow(node, child_names(plan)),
        storage=lambda: room(node),
        timekeeping=lambda limit: clock_status(node.timekeeper, node.skew, limit),
        memory=None if keeper is None else lambda: memory_status(journal, keeper.lake),
        children=_children(node, settings),
        apps=_applications(node),
        documents=_documents(node),
        devices=Book(node),
        adapters=node.adapters.statuses,
        adapter_devices=node.edge.devices,
        commands=node.commands.door(apps_book(plan)),
        below=node.told_devices.below,
        rules=node.rulebook,
        models=models_desk(node),
        alerting=Alerting(node.notify, journal.look, node.commands.acts_below(node.notify)),
        reporting=node.surroundings.reporting,
        sites=node.surroundings.desk,
        sql=SqlDesk(
            journal.access.path, journal.access.key, None if plan.history is None else node.surroundings.folder
        ),
        audit=journal.look,
        artifacts=ArtifactDoor(node.artifacts.room, _who(node)),
    )


def _documents(node: "Node") -> AppDocuments | None:
    if node.documents is None:
        return None
    book, clock = apps_book(node.plan), node.clock
    may = {name: matcher(app.documents) for name, app in node.plan.settings.apps.items()}
    return AppDocuments(
        who=lambda text: book.who(text, clock.wall_ns() / NS_PER_S),
        may=lambda app, name: may[app](name),
        keeper=node.documents.keeper,
        settings=node.documents.settings,
    )


def child_names(plan: NodePlan) -> list[str]:
    """The children this node knows."""
    return sorted(_token_files(plan))


def _children(node: "Node", settings: ApiSettings) -> Children | None:
    if node.ingest is None:
        return None
    return Children(_who(node), node.ingest, settings.max_body, node.asking_door)


def _who(node: "Node") -> Callable[[str], str | None]:
    """Which child a token stands for."""
    plan, clock = node.plan, node.clock
    book = TokenBook.load({name: plan.path(file) for name, file in _token_files(plan).items()})
    return lambda text: book.who(text, clock.wall_ns() / NS_PER_S)


def _applications(node: "Node") -> Applications | None:
    plan = node.plan
    settings, clock = plan.settings, node.clock
    if not settings.queues:
        return None
    book = apps_book(plan)
    return Applications(
        settings.node,
        lambda text: book.who(text, clock.wall_ns() / NS_PER_S),
        frozenset(settings.queues),
        {name: frozenset(app.put) for name, app in settings.apps.items()},
        {name: frozenset(app.consume) for name, app in settings.apps.items()},
        node.queues,
    )


def apps_book(plan: NodePlan) -> TokenBook:
    """Which application a token stands for.

    Raises:
        HoldfastError: when a token file can't be used.
    """
    return TokenBook.load({name: plan.path(app.token) for name, app in plan.settings.apps.items()})


def _token_files(plan: NodePlan) -> dict[str, str]:
    children = plan.children
    if children is None:
        return {}
    if children.tokens:
        return dict(children.tokens)
    return {file.stem: str(file) for file in sorted((plan.data / "children").glob("*.token"))}


def _status(node: "Node") -> Status:
    journal, now = node.journal, node.clock.wall_ns()
    uplink = None if node.uplink is None else node.uplink.status()
    used = journal.used_bytes()
    return Status(
        node=journal.node,
        version=__version__,
        incarnation=journal.incarnation,
        started_ns=now - node.uptime_ns,
        now_ns=now,
        uptime_s=round(node.uptime_ns / NS_PER_S, 1),
        link=None if uplink is None else _link(uplink, 0 if node.link is None else node.link.received_bytes),
        backlog=[] if uplink is None else [uplink.backlog[lane] for lane in Lane],
        journal=JournalStatus(
            journal.condition.value,
            journal.size_bytes(),
            journal.settings.quota,
            [journal.head(lane) for lane in Lane],
            level_of(used, journal.settings).name.lower(),
            used,
        ),
        series=len(journal.catalogue),
        children=child_names(node.plan),
        counters=journal.counters(),
        documents=None if node.documents is None else documents_status(node.documents),
        brokers=broker_states(node.edge.brokers),
        routes=route_states(node.routes),
        rules=node.rulebook.status(),
    )


def _link(uplink: UplinkStatus, received_bytes: int) -> LinkStatus:
    link, budget = uplink.link, uplink.link.budget
    return LinkStatus(
        state="up" if uplink.is_up else "down",
        url=uplink.parent,
        detail=uplink.trouble,
        sent_bytes=uplink.sent_bytes,
        received_bytes=received_bytes,
        pace=link.level.value,
        goodput_bps=link.goodput_bps,
        rtt_s=link.rtt_s,
        window_in_s=link.window_in_s,
        budget=BudgetStatus(
            budget.day_bytes,
            budget.month_bytes,
            budget.critical_bytes,
            budget.day_left,
            budget.month_left,
            budget.day_cost,
            budget.month_cost,
        ),
    )


def _ledger(node: "Node", *, verify: bool) -> Ledger:
    return balance(node.journal.accounts(CONSUMER, count=verify), has_parent=node.uplink is not None)


def _readiness(node: "Node") -> list[str]:
    reasons = []
    if node.journal.condition is not Condition.OK:
        reasons.append(f"the journal is {node.journal.condition.value}")
    if node.mqtt is not None and not node.is_serving:
        reasons.append("the MQTT listener is not open yet")
    return reasons
