"""Security headers on every answer; and nothing escapes: an unexpected error is told to telemetry and answered 500."""

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


class Shell:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self._app, self._telemetry = app, telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = False

        async def with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
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
