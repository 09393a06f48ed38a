"""The node's web app: everything it answers, put together."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from holdfast.kernel.errors import HoldfastError
from holdfast.web import page
from holdfast.web.asking import Inquiry
from holdfast.web.deps import WebDeps
from holdfast.web.errors import Refused
from holdfast.web.headers import Shell
from holdfast.web.quarantine import Quarantine
from holdfast.web.reading import Reading
from holdfast.web.responses import refused, unable, unrouted
from holdfast.web.state import State
from holdfast.web.sync import Sync


def build_app(deps: WebDeps) -> Starlette:
    """The app of one node; opens nothing."""
    routes = [*page.routes(), *Reading(deps).routes(), *State(deps).routes(), *Quarantine(deps).routes()]
    if deps.children is not None:
        routes += Sync(deps.children, deps.telemetry).routes()
        if deps.children.asking is not None:
            routes += Inquiry(deps.children, deps.children.asking, deps.telemetry).routes()
    return Starlette(
        routes=routes,
        middleware=[Middleware(Shell, telemetry=deps.telemetry)],
        exception_handlers={Refused: refused, HoldfastError: unable, HTTPException: unrouted},
    )
