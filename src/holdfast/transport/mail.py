"""Hands a message to a mail server: SMTP (RFC 5321) with STARTTLS (RFC 3207) or TLS from the start (RFC 8314).

The standard library's client, in a thread. It's cut off by closing its socket, so nobody waits for a frozen server.
"""

import asyncio
import contextlib
import smtplib
import socket
import ssl
from dataclasses import dataclass
from email.message import EmailMessage

from holdfast.transport.addresses import MailTls
from holdfast.transport.causes import explain
from holdfast.transport.errors import CallFailed, MailRefused, TransportError


@dataclass(frozen=True, slots=True)
class MailServer:
    """Who takes the message, and how one introduces oneself there. ca: whom `context` trusts, for error messages."""

    host: str
    port: int
    tls: MailTls
    context: ssl.SSLContext | None
    ca: str
    user: str
    password: str
    timeout_s: float

    def __str__(self) -> str:
        return f"smtp://{self.host}:{self.port}"


async def send_mail(server: MailServer, message: EmailMessage, to: tuple[str, ...]) -> dict[str, str]:
    """Hand it over; returns the recipients that the server refused, with its words, when it took it for others.

    Raises:
        CallFailed: when the server can't be reached, is silent, wants another login or says "later" (4yz).
        MailRefused: when it says "never" to this message (5yz to sender, all recipients or the data).
        PeerUntrusted: when its certificate isn't trusted.
    """
    attempt = _Attempt(server)
    try:
        async with asyncio.timeout(server.timeout_s):
            return await asyncio.to_thread(attempt.send, message, to)
    except TimeoutError as error:
        raise CallFailed(f"{server}: no answer in time") from error
    finally:
        attempt.cut()


class _Attempt:
    """One session."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._session: smtplib.SMTP | None = None
        self._is_cut = False

    def cut(self) -> None:
        """End it, wherever it is; any thread."""
        self._is_cut = True
        session = self._session
        if session is not None and session.sock is not None:
            with contextlib.suppress(OSError):
                session.sock.shutdown(socket.SHUT_RDWR)

    def send(self, message: EmailMessage, to: tuple[str, ...]) -> dict[str, str]:
        """The whole session. Blocking."""
        try:
            return self._talk(message, to)
        except smtplib.SMTPException as error:
            raise _explained(error, self._server) from error
        except (OSError, ValueError) as error:  # ValueError: a socket that was cut
            raise explain(error, str(self._server), self._server.ca) from error

    def _talk(self, message: EmailMessage, to: tuple[str, ...]) -> dict[str, str]:
        server = self._server
        session = self._session = self._opened()
        code, text = session.connect(server.host, server.port)
        if self._is_cut:
            raise TimeoutError
        try:
            if code != 220:
                raise smtplib.SMTPConnectError(code, text)
            if server.tls == "starttls":
                session.starttls(context=server.context)
            if server.user:
                session.login(server.user, server.password)
            refused = session.send_message(message, to_addrs=to)
            with contextlib.suppress(smtplib.SMTPException, OSError):  # the server has it
                session.quit()
        finally:
            session.close()
        return {address: _words(code, text) for address, (code, text) in refused.items()}

    def _opened(self) -> smtplib.SMTP:
        server, name = self._server, socket.gethostname() or "localhost"  # without it smtplib asks the DNS
        if server.tls == "tls":
            session: smtplib.SMTP = smtplib.SMTP_SSL(
                local_hostname=name, timeout=server.timeout_s, context=server.context
            )
            session._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001  # whose certificate to expect
            return session
        session = smtplib.SMTP(local_hostname=name, timeout=server.timeout_s)
        session._host = server.host  # type: ignore[attr-defined]  # noqa: SLF001  # as above, for STARTTLS
        return session


def _explained(error: smtplib.SMTPException, server: MailServer) -> TransportError:
    match error:
        case smtplib.SMTPAuthenticationError():
            said = _words(error.smtp_code, error.smtp_error)
            return CallFailed(f"{server} refuses the login: {said}", "check `user` and `password` of the channel")
        case smtplib.SMTPRecipientsRefused():
            code = min((code for code, _ in error.recipients.values()), default=0)
            said = "; ".join(f"{to}: {_words(code, text)}" for to, (code, text) in error.recipients.items())
            return _by_code(code, f"{server} takes it for nobody: {said}")
        case smtplib.SMTPNotSupportedError() if server.tls == "starttls" and "STARTTLS" in str(error):
            return CallFailed(f"{server} doesn't offer STARTTLS", "write `tls: tls`, or another port")
        case smtplib.SMTPNotSupportedError():
            return CallFailed(f"{server}: {error}", "it may offer that only after TLS, or not at all")
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            return CallFailed(f"{server} won't talk: {_words(error.smtp_code, error.smtp_error)}")
        case smtplib.SMTPResponseException():
            return _by_code(error.smtp_code, f"{server} said {_words(error.smtp_code, error.smtp_error)}")
        case _:
            return CallFailed(f"{server}: the connection was cut, or it does not speak SMTP")


def _by_code(code: int, said: str) -> TransportError:
    return MailRefused(said) if 500 <= code < 600 else CallFailed(said)


def _words(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {said}"[:300]
