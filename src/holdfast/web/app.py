"""The node's web app: everything it answers, put together."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from holdfast.kernel.errors import HoldfastError
from holdfast.web import page
from holdfast.web.alert_acts import AlertActs
from holdfast.web.alert_stories import AlertStories
from holdfast.web.alerts import Alerts
from holdfast.web.analytics import Analytics
from holdfast.web.artifacts import ArtifactRoutes
from holdfast.web.asking import Inquiry
from holdfast.web.child_commands import ChildCommands
from holdfast.web.child_devices import ChildDevices
from holdfast.web.child_documents import ChildDocuments
from holdfast.web.commands import CommandRoutes
from holdfast.web.deps import Children, WebDeps
from holdfast.web.devices import Devices
from holdfast.web.documents import Documents
from holdfast.web.errors import Refused
from holdfast.web.gate import Gate
from holdfast.web.guard import Door
from holdfast.web.headers import Shell
from holdfast.web.intake import IntakeRoutes
from holdfast.web.live.service import Live
from holdfast.web.maintenance import Maintenance
from holdfast.web.metrics import CounterCollector
from holdfast.web.models import Models
from holdfast.web.openapi import OpenApi
from holdfast.web.people import PeopleRoutes
from holdfast.web.quarantine import Quarantine
from holdfast.web.queues import Queues
from holdfast.web.reading import Reading
from holdfast.web.reports import Reports
from holdfast.web.responses import refused, unable, unrouted
from holdfast.web.rules import Rules
from holdfast.web.series import Series
from holdfast.web.sites import Sites
from holdfast.web.state import State
from holdfast.web.sync import Sync


def build_app(deps: WebDeps) -> Starlette:
    """The app of one node; opens nothing."""
    # Each question decodes on a thread of its own; two leave a core to the hot path on the smallest machines.
    gate = Gate(running=2, waiting=16)
    deps.telemetry.registry.register(CounterCollector(deps.counters))
    series = Series(deps, gate)
    devices = None if deps.devices is None else Devices(deps, deps.devices, gate)
    routes: list[BaseRoute] = [
        *Reading(deps, gate).routes(),
        *series.routes(),
        *Live(deps, gate, series, devices).routes(),
        *State(deps).routes(),
        *Quarantine(deps).routes(),
        *Reports(deps).routes(),
        *Analytics(deps).routes(),
        *Models(deps.models, deps.clock).routes(),
    ]
    if devices is not None:
        routes += devices.routes()
    if deps.rules is not None:
        routes += Rules(deps.rules, deps.clock).routes()
    if deps.children is not None:
        routes += _for_children(deps, deps.children)
    if deps.documents is not None:
        routes += Documents(deps.documents, deps.telemetry).routes()
    if deps.commands is not None:
        routes += CommandRoutes(deps.commands, deps.telemetry).routes()
    if deps.alerting is not None:
        acts = AlertActs(deps.alerting, deps.clock)
        routes += [*acts.routes(), *Alerts(deps.alerting, deps.clock, acts).routes()]
        routes += AlertStories(deps.alerting, deps.clock, deps.catalogue, acts).routes()
        routes += Maintenance(deps.alerting, deps.clock).routes()
    if deps.artifacts is not None:
        routes += ArtifactRoutes(deps.artifacts, deps.telemetry).routes()
    routes += _for_machines(deps)
    door = Door("", deps.telemetry) if deps.door is None else deps.door
    routes += [*PeopleRoutes(door, deps.audit, deps.clock).routes(), *OpenApi().routes()]
    door.before(routes)
    return Starlette(
        routes=[*routes, *page.routes()],
        middleware=[Middleware(Shell, telemetry=deps.telemetry)],
        exception_handlers={Refused: refused, HoldfastError: unable, HTTPException: unrouted},
    )


def _for_machines(deps: WebDeps) -> list[Route]:
    queues = [] if deps.apps is None else Queues(deps.apps, deps.clock, deps.telemetry).routes()
    return queues if deps.intake is None else [*queues, *IntakeRoutes(deps.intake).routes()]


def _for_children(deps: WebDeps, children: Children) -> list[Route]:
    sync = Sync(children, deps.telemetry)
    routes = [*sync.routes()]
    if children.asking is not None:
        routes += Inquiry(sync.senders, children, children.asking).routes()
    if deps.commands is not None and deps.commands.below is not None:
        routes += ChildCommands(sync.senders, children.who, deps.commands.below).routes()
    if deps.below is not None:
        orders = None if deps.commands is None else deps.commands.below
        waits = (lambda _: False) if orders is None else orders.has
        routes += ChildDevices(sync.senders, children.who, deps.below, deps.sites, waits).routes()
    if deps.sites is not None:
        routes += Sites(deps.sites).routes()
    if deps.documents is not None:
        shared = deps.documents
        routes += ChildDocuments(sync.senders, children.who, shared.keeper, shared.settings).routes()
    return routes
