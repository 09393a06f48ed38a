"""The way to an OpenTelemetry collector over HTTP."""

import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from holdfast import __version__
from holdfast.reporting.settings import OtlpSettings
from holdfast.transport.errors import SecretUnusable
from holdfast.transport.https import Response
from holdfast.transport.posting import Poster, host_of
from holdfast.transport.secrets import Secrets


class HttpCollector:
    """Implements `exporting.Collector`. Make it on the loop."""

    def __init__(self, settings: OtlpSettings, secrets: Secrets, context: Callable[[str], ssl.SSLContext]) -> None:
        """Open nothing yet. context: TLS that trusts the CA of a file, '' = the system's."""
        self._settings, self._secrets, self._context = settings, secrets, context
        self._poster: Poster | None = None
        self.url = host_of(settings.url)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """POST under the URL's own path."""
        if self._poster is None:
            ca, proxy = self._settings.ca, self._settings.proxy or None
            self._poster = Poster(self._context(ca), ca or "this system", self._settings.timeout, proxy)
        base = self._settings.url.rstrip("/") if urlsplit(self._settings.url).path else self._settings.url
        return await self._poster.post(base + path, body, {**headers, **self._headers()})

    async def close(self) -> None:
        """Close the kept connection."""
        if self._poster is not None:
            await self._poster.close()
            self._poster = None

    def _headers(self) -> dict[str, str]:
        found = {name: self._secrets.read(value) for name, value in self._settings.headers.items()}
        for name, value in found.items():
            if not (value.isascii() and value.isprintable()):
                raise SecretUnusable(f"the value of header {name} can't be sent: a header is printable ASCII")
        return {"User-Agent": f"holdfast/{__version__}", **found}
