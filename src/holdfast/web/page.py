"""The pages: files built from `web/` into this package. Assets carry a hash in their names and are kept by browsers.

Every address that isn't the API's shows the same page, which finds out itself what to show there. Files are sent as
the build compressed them to whom takes gzip.
"""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from holdfast.web.errors import Refused

_KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_NO_PAGES = ("/api/", "/static/", "/metrics", "/healthz", "/readyz")
_UNBUILT = (
    "<!doctype html><title>Holdfast</title><p>This node works, but its pages weren't built: run <code>make web</code> "
    "in its checkout, or install a release. What they'd show: <a href=/api/v1/status>/api/v1/status</a>."
)


class Files:
    """The built files, found once."""

    def __init__(self, folder: Traversable) -> None:
        self._files = {f"/static/{name}": file for name, file in _walk(folder, "") if not name.endswith(".gz")}
        self._packed = {f"/static/{name[:-3]}": file for name, file in _walk(folder, "") if name.endswith(".gz")}

    async def asset(self, request: Request) -> Response:
        """A file by its name."""
        return self._sent(request, request.url.path)

    async def page(self, request: Request) -> Response:
        """The page, at whatever address it's asked for."""
        if "/static/index.html" not in self._files:
            return Response(_UNBUILT, headers={"Content-Type": _KINDS["html"]})
        return self._sent(request, "/static/index.html")

    def _sent(self, request: Request, name: str) -> Response:
        file = self._files.get(name)
        if file is None:
            raise Refused(404, "there is no such file", "an upgrade may have replaced it: load the page again")
        packed = self._packed.get(name) if "gzip" in request.headers.get("accept-encoding", "") else None
        body = (packed or file).read_bytes()
        headers = {
            "Cache-Control": _FOR_GOOD if "/assets/" in name else "no-cache",
            "Content-Type": _KINDS.get(name.rpartition(".")[2], "application/octet-stream"),
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers | ({} if packed is None else {"Content-Encoding": "gzip"}))


class PageRoute(Route):
    """Takes what a person opens in a browser; everything else is refused as before."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Only reading, only beside the API, only where a page is wanted."""
        path, method = scope.get("path", ""), scope.get("method", "")
        wanted = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"), "")
        is_page = method in ("GET", "HEAD") and not path.startswith(_NO_PAGES)
        if is_page and (path == "/" or "text/html" in wanted):
            return super().matches(scope)
        return Match.NONE, {}


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    if not folder.is_dir():
        return []
    found: list[tuple[str, Traversable]] = []
    for one in folder.iterdir():
        found += _walk(one, f"{prefix}{one.name}/") if one.is_dir() else [(prefix + one.name, one)]
    return found


def routes() -> list[Route]:
    """The paths; last among the app's, as the page takes what nobody else did."""
    built = Files(files("holdfast.web").joinpath("static"))
    return [
        Route("/static/{name:path}", built.asset),
        PageRoute("/{place:path}", built.page),
    ]
