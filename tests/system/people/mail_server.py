"""A mail server that we didn't write: aiosmtpd with STARTTLS and a login, as a process. Each mail is a file.

python -m tests.system.people.mail_server PORT FOLDER: FOLDER holds server.pem and server.key; mails go to FOLDER/mails.
"""

import asyncio
import ssl
import sys
import uuid
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = b"holdfast", b"let me in"


class Keeper:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's names
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if session.ssl is None or not session.authenticated:
            return "530 not without TLS and a login"
        content = envelope.content
        assert isinstance(content, bytes)
        (self.folder / f"{uuid.uuid4().hex}.eml").write_bytes(content)
        return "250 taken"


def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    return AuthResult(success=good)


async def serve(port: int, folder: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    keeper = Keeper(folder / "mails")

    def session() -> SMTP:
        return SMTP(
            keeper,
            hostname="mail.test",
            tls_context=context,
            require_starttls=True,
            authenticator=authenticate,
            auth_required=True,
        )

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
