"""Who may change something: this machine, by command or from the node's own page. Not another web page, not a stranger.

A browser names the page that asks (`Origin`). It must be the host that is asked, and that one a name of this machine:
a stranger's page fails the first, and one that has its name point here fails the second.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from holdfast.transport.addresses import is_loopback
from holdfast.web.errors import Refused


def require_edit(request: Request, command: str) -> None:
    """Let through what may change something.

    Raises:
        Refused: 403 or 415.
    """
    if request.client is None or not is_loopback(request.client.host):
        raise Refused(403, "this is only taken from this machine", f"use the page or `{command}` on the node itself")
    origin = request.headers.get("origin")
    if origin is not None and not _is_own(origin, request.headers.get("host", "")):
        raise Refused(403, "this is not taken from another web page", f"use the node's own page, or `{command}`")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and kind != "application/json":
        raise Refused(415, "the body is not declared as JSON", "send `Content-Type: application/json`")


def _is_own(origin: str, host: str) -> bool:
    try:
        parts, asked = urlsplit(origin), urlsplit(f"//{host}")
        is_same = parts.netloc.lower() == host.lower() and parts.scheme in ("http", "https")
        return is_same and asked.hostname is not None and is_loopback(asked.hostname)
    except ValueError:
        return False
