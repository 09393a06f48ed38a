"""Security headers on answers to browsers; nothing escapes: an unexpected error goes to telemetry, and is a 500."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.telemetry.happenings import Telemetry
from holdfast.web.answers import Failure
from holdfast.web.errors import AnswerCut
from holdfast.web.happenings import WebRequestFailed
from holdfast.web.responses import answer

HEADERS = {
    # Scripts, styles and requests of this origin only; no framing, no plugins, no forms elsewhere.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HSTS = "max-age=31536000"
NODES = "/api/v1/sync/"
"""Only nodes come here, with a token of their own: nothing is shown, and each answer's bytes cost somebody's link."""
_FOR_NODES = {"X-Content-Type-Options": "nosniff"}


class Shell:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = scope["type"] == "websocket"  # there is no answer to give then but to cut it

        async def with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for_node = scope["path"].startswith(NODES)
                for name, value in (_FOR_NODES if for_node else HEADERS).items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https" and not for_node:
                    headers.setdefault("Strict-Transport-Security", _HSTS)
            await send(message)

        try:
            await self._app(scope, receive, with_headers)
        except AnswerCut:
            raise
        except Exception as error:
            self._telemetry.emit(WebRequestFailed(path=scope["path"], error=repr(error)))
            if has_begun:
                raise  # the server cuts the connection: half an answer must not look whole
            failure = Failure("this node made a mistake", "its log has the details")
            await answer(failure, 500)(scope, receive, with_headers)
