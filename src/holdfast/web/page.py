"""The page at `/` and its two files, from the package; each is read once and has an ETag."""

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/static/page.css": ("page.css", "text/css; charset=utf-8"),
    "/static/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/static/chart.js": ("chart.js", "text/javascript; charset=utf-8"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
}


class Page:
    """One file of the page."""

    def __init__(self, name: str, kind: str) -> None:
        self._body = files("holdfast.web").joinpath("static", name).read_bytes()
        self._headers = {
            "ETag": f'"{hashlib.sha256(self._body).hexdigest()[:16]}"',
            "Cache-Control": "no-cache",
            "Content-Type": kind,
        }

    async def __call__(self, request: Request) -> Response:
        """The file, or 304 when the caller has it."""
        if request.headers.get("if-none-match") == self._headers["ETag"]:
            return Response(status_code=304, headers=self._headers)
        return Response(self._body, headers=self._headers)


def routes() -> list[Route]:
    """The paths."""
    return [Route(path, Page(name, kind).__call__) for path, (name, kind) in _FILES.items()]
