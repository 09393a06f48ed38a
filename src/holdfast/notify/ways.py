"""The ways out: webhooks and chat over HTTP, e-mail over SMTP. What an answer means is decided here."""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec

from holdfast import __version__
from holdfast.kernel.clock import NS_PER_S, Clock
from holdfast.notify import payloads
from holdfast.notify.errors import TellingFailed, TellingRefused
from holdfast.notify.messages import Message
from holdfast.notify.settings import ChannelSettings, EmailSettings, HttpSettings, NtfySettings, WebhookSettings
from holdfast.notify.templates import fill, fill_text
from holdfast.transport.errors import MailRefused, TransportError
from holdfast.transport.https import Response
from holdfast.transport.mail import MailServer, send_mail
from holdfast.transport.posting import Poster, host_of, require_web_address
from holdfast.transport.secrets import Secret, Secrets
from holdfast.transport.tls import broker_context

REFUSALS = frozenset({400, 406, 413, 414, 415, 422, 431})
"""It's about this message. Anything else but 2xx is about the server, the address or the login: the same message passes
once that is mended."""
_SAID = 120
_LONGEST_SUBJECT = 200
Context = Callable[[str], ssl.SSLContext]


class HttpWay:
    """POSTs JSON."""

    def __init__(self, kind: str, settings: HttpSettings, secrets: Secrets, context: Context, timeout_s: float) -> None:
        """Open nothing yet. context: TLS that trusts the CA of a file, '' = the system's."""
        self.kind, self._settings, self._secrets, self._context = kind, settings, secrets, context
        self._timeout_s = timeout_s
        self._poster: Poster | None = None
        self.where = host_of(settings.url) if isinstance(settings.url, str) else "a secret URL"

    async def tell(self, message: Message) -> str:
        """POST it."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"holdfast/{__version__}",
            # draft-ietf-httpapi-idempotency-key-header: a string of RFC 8941, which has quotes.
            "Idempotency-Key": f'"{message.id}"',
        }
        try:
            url = require_web_address(self._secrets.read(self._settings.url), may_be_plain=self._settings.plain)
            headers |= self._headers()
            body = msgspec.json.encode(self._body(message))
            answer = await self._opened().post(url, body, headers)
        except TransportError as error:
            raise TellingFailed(str(error), error.hint) from error
        _judge(answer, host_of(url))
        return ""

    async def close(self) -> None:
        """Close the kept connection."""
        if self._poster is not None:
            await self._poster.close()
            self._poster = None

    def _opened(self) -> Poster:
        if self._poster is None:
            ca, proxy = self._settings.ca, self._settings.proxy or None
            self._poster = Poster(self._context(ca), ca or "this system", self._timeout_s, proxy)
        return self._poster

    def _headers(self) -> Mapping[str, str]:
        settings = self._settings
        wanted: dict[str, Secret] = dict(settings.headers) if isinstance(settings, WebhookSettings) else {}
        found = {name: self._secrets.read(value) for name, value in wanted.items()}
        if isinstance(settings, NtfySettings) and settings.token:
            found["Authorization"] = f"Bearer {self._secrets.read(settings.token)}"
        bad = next((name for name, value in found.items() if not value.isprintable() or not value.isascii()), None)
        if bad is not None:
            raise TellingFailed(f"the value of header {bad} can't be sent", "a header is printable ASCII in one line")
        return found

    def _body(self, message: Message) -> Any:
        settings = self._settings
        match settings:
            case WebhookSettings(body=None):
                return payloads.webhook(message)
            case WebhookSettings():
                return fill(settings.body, message.facts())
            case NtfySettings():
                return payloads.ntfy(message, self._secrets.read(settings.topic))
            case _:
                return payloads.slack(message) if self.kind == "slack" else payloads.teams(message)


class EmailWay:
    """Sends mail."""

    kind = "email"

    def __init__(
        self, settings: EmailSettings, secrets: Secrets, context: Context, timeout_s: float, clock: Clock
    ) -> None:
        """Open nothing yet; `context` as for `HttpWay`."""
        self._settings, self._secrets, self._context = settings, secrets, context
        self._timeout_s, self._clock = timeout_s, clock
        self.where = f"{settings.host}:{settings.at_port} for {', '.join(settings.to)}"

    async def tell(self, message: Message) -> str:
        """Send it; returns recipients that the server refused while it took others."""
        settings = self._settings
        try:
            context = None if settings.tls == "none" else self._context(settings.ca)
            password = self._secrets.read(settings.password)
            server = MailServer(
                settings.host,
                settings.at_port,
                settings.tls,
                context,
                settings.ca or "this system",
                settings.user,
                password,
                self._timeout_s,
            )
            refused = await send_mail(server, mail(message, settings, self._clock.wall_ns()), settings.to)
        except MailRefused as error:
            raise TellingRefused(str(error), error.hint) from error
        except TransportError as error:
            raise TellingFailed(str(error), error.hint) from error
        return "; ".join(f"not for {to}: {why}" for to, why in refused.items())

    async def close(self) -> None:
        """Nothing stays open."""


def mail(message: Message, settings: EmailSettings, now_ns: int) -> EmailMessage:
    """The message as mail (RFC 5322). Its Message-ID is made of the alerts' ids: a repeat has the same."""
    made, facts = EmailMessage(policy=SMTP), message.facts()
    made["From"], made["To"] = settings.sender, ", ".join(settings.to)
    made["Subject"] = _one_line(fill_text(settings.subject, facts))[:_LONGEST_SUBJECT]
    made["Date"] = format_datetime(datetime.fromtimestamp(now_ns // NS_PER_S, UTC))
    made["Message-ID"] = _message_id(message.id, message.at)
    thread = _message_id(message.first.alert.event, message.at)
    if len(message.items) == 1 and message.id != message.first.alert.event:
        made["In-Reply-To"] = made["References"] = thread
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's absence note answers it
    made["X-Holdfast-Id"] = _one_line(message.id)
    if message.severity == "critical":
        made["Importance"] = "high"
    made.set_content(fill_text(settings.text, facts) + "\n")
    return made


def make_way(
    settings: ChannelSettings, secrets: Secrets, path: Callable[[str], Path], clock: Clock
) -> "HttpWay | EmailWay":
    """The way of a channel; opens nothing."""

    def context(ca: str) -> ssl.SSLContext:
        return broker_context(path(ca) if ca else None, None, ())

    if settings.email is not None:
        return EmailWay(settings.email, secrets, context, settings.timeout, clock)
    http: HttpSettings = getattr(settings, settings.kind)
    return HttpWay(settings.kind, http, secrets, context, settings.timeout)


def _judge(answer: Response, host: str) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    said = "".join(c if c.isprintable() else " " for c in answer.body[:_SAID].decode(errors="replace")).strip()
    sentence = f"{host} answered {status}" + (f": {said}" if said else "")
    if status in REFUSALS:
        raise TellingRefused(sentence, "is `body` what it wants? Its documentation says")
    if 300 <= status < 400:
        raise TellingFailed(sentence, "it moved: write the new `url`, redirects aren't followed")
    hint = "check `url`, and the token or password" if status in (401, 403, 404, 405, 410) else ""
    raise TellingFailed(sentence, hint, answer.retry_after_s or 0.0)


def _message_id(number: str, node: str) -> str:
    local = "".join(c if c.isascii() and (c.isalnum() or c in "-_./") else "_" for c in number)
    return f"<{local}@{node}.holdfast>"


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
