"""What an answer means, and what is sent with it: no server here, the system's tests have real ones."""

import asyncio
import smtplib
import ssl
from pathlib import Path

import pytest
from tests.unit.notify.test_payloads import message

from holdfast.kernel.clock import ManualClock
from holdfast.notify.errors import TellingFailed, TellingRefused
from holdfast.notify.settings import ChannelSettings, EmailSettings, HttpSettings, WebhookSettings
from holdfast.notify.ways import _judge, make_way
from holdfast.transport.errors import AddressInvalid, CallFailed, MailRefused, SecretUnusable
from holdfast.transport.https import Response
from holdfast.transport.mail import MailServer, _explained
from holdfast.transport.posting import host_of, require_web_address
from holdfast.transport.secrets import SecretRef, Secrets

SERVER = MailServer("mail", 587, "starttls", None, "this system", "u", "p", 5.0)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_is_told(status: int) -> None:
    _judge(Response(status, b"whatever"), "https://x")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_the_other_end_says_of_the_message_refuses_the_message(status: int) -> None:
    with pytest.raises(TellingRefused, match=f"https://x answered {status}: invalid_payload"):
        _judge(Response(status, b"invalid_payload\n\x1b[31m"), "https://x")


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (301, "it moved"),
        (401, "token"),
        (403, "token"),
        (404, "`url`"),
        (410, "`url`"),
        (429, ""),
        (500, ""),
        (503, ""),
    ],
)
def test_everything_else_may_pass_once_it_is_mended(status: int, hint: str) -> None:
    with pytest.raises(TellingFailed) as failed:
        _judge(Response(status, b"", 17.0), "https://x")
    assert hint in failed.value.hint
    assert failed.value.pause_s in (0.0, 17.0)
    assert (failed.value.pause_s == 17.0) == (status != 301)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no"), CallFailed, "refuses the login: 535 no"),
        (smtplib.SMTPRecipientsRefused({"a@b": (550, b"none such")}), MailRefused, "a@b: 550 none such"),
        (smtplib.SMTPRecipientsRefused({"a@b": (450, b"later"), "c@d": (550, b"no")}), CallFailed, "450 later"),
        (smtplib.SMTPSenderRefused(553, b"not you", "a@b"), MailRefused, "553 not you"),
        (smtplib.SMTPDataError(451, b"disk"), CallFailed, "said 451 disk"),
        (smtplib.SMTPDataError(552, b"too big"), MailRefused, "said 552 too big"),
        (smtplib.SMTPConnectError(554, b"go away"), CallFailed, "won't talk: 554 go away"),
        (smtplib.SMTPNotSupportedError("STARTTLS extension not supported by server."), CallFailed, "offer STARTTLS"),
        (smtplib.SMTPServerDisconnected("please run connect() first"), CallFailed, "was cut"),
    ],
)
def test_a_mail_server_may_say_later_or_never(error: smtplib.SMTPException, kind: type[Exception], said: str) -> None:
    found = _explained(error, SERVER)
    assert type(found) is kind
    assert said in str(found)


def test_a_secret_is_read_where_it_is_at_every_use(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    secrets = Secrets(tmp_path.joinpath, environment)
    with pytest.raises(SecretUnusable, match="can't be read: No such file"):
        secrets.read(SecretRef(file="token"))
    (tmp_path / "token").write_text(" abc\n")
    assert secrets.read(SecretRef(file="token")) == "abc"
    (tmp_path / "token").write_text("def")
    assert secrets.read(SecretRef(file="token")) == "def"
    with pytest.raises(SecretUnusable, match="variable WORD is empty"):
        secrets.read(SecretRef(env="WORD"))
    environment["WORD"] = "x"
    assert (secrets.read(SecretRef(env="WORD")), secrets.read("plain")) == ("x", "plain")


def test_the_path_of_a_url_is_shown_to_nobody() -> None:
    assert host_of("https://hooks.slack.com/services/T0/B0/secret") == "https://hooks.slack.com"
    with pytest.raises(AddressInvalid) as refused:
        require_web_address("http://chat.example/services/secret", may_be_plain=False)
    assert "secret" not in str(refused.value)
    assert require_web_address("http://127.0.0.1:9/x", may_be_plain=False)
    assert require_web_address("http://chat.example/x", may_be_plain=True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (ChannelSettings(slack=HttpSettings(url=SecretRef(file="gone"))), "can't be read: No such file"),
        (ChannelSettings(slack=HttpSettings(url=SecretRef(env="URL"))), "http:// to chat can be read on the way"),
        (
            ChannelSettings(webhook=WebhookSettings(url="https://x", headers={"A": SecretRef(env="TWO")})),
            "the value of header A can't be sent",
        ),
        (ChannelSettings(slack=HttpSettings(url="https://x", ca="gone.pem")), "gone.pem can't be read"),
        (
            ChannelSettings(email=EmailSettings(host="m", sender="a@b", to=("a@b",), ca="gone.pem")),
            "gone.pem can't be read",
        ),
    ],
)
def test_what_only_shows_when_it_is_used_fails_that_message_and_says_why(
    tmp_path: Path, settings: ChannelSettings, said: str
) -> None:
    environment = {"URL": "http://chat/secret", "TWO": "a\nb"}
    way = make_way(settings, Secrets(tmp_path.joinpath, environment), tmp_path.joinpath, ManualClock())

    async def tell() -> None:
        try:
            await way.tell(message("raised"))
        finally:
            await way.close()

    with pytest.raises(TellingFailed, match=said):
        asyncio.run(tell())


def test_the_systems_own_cas_are_trusted_where_none_is_named(tmp_path: Path) -> None:
    way = make_way(
        ChannelSettings(slack=HttpSettings(url="https://x")),
        Secrets(tmp_path.joinpath, {}),
        tmp_path.joinpath,
        ManualClock(),
    )
    context = way._context("")
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
