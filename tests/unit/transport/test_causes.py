import errno
import socket
import ssl

import httpx
import pytest

from holdfast.transport.causes import explain
from holdfast.transport.errors import CallFailed, PeerUntrusted


def caused(error: Exception, by: BaseException) -> Exception:
    error.__cause__ = by
    return error


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def unverified(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "verify failed")
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (caused(httpx.ConnectError("x"), OSError(errno.ECONNREFUSED, "x")), "nothing listens there"),
        (caused(httpx.ConnectError("x"), socket.gaierror(-2, "x")), "name can't be resolved"),
        (caused(httpx.ConnectError("x"), ExceptionGroup("x", [OSError(errno.ENETUNREACH, "x")])), "no network"),
        (caused(httpx.ConnectError("x"), tls("WRONG_VERSION_NUMBER")), "does not speak TLS"),
        (caused(httpx.ConnectError("x"), tls("TLSV1_ALERT_PROTOCOL_VERSION")), "TLS 1.3"),
        (caused(httpx.ConnectError("x"), tls("BAD_EXTENSION")), "TLS failed (bad extension)"),
        (caused(httpx.ConnectError("x"), tls("UNEXPECTED_EOF_WHILE_READING")), "middle of TLS"),
        (httpx.ConnectTimeout("x"), "no connection in time"),
        (httpx.ReadTimeout("x"), "no answer in time"),
        (httpx.RemoteProtocolError("x"), "cut in the middle"),
        (httpx.ReadError("x"), "connection was lost"),
        (OSError(9999, "x"), "connection was lost"),
    ],
)
def test_a_lost_call_says_why_in_plain_words(error: Exception, said: str) -> None:
    mine = explain(error, "hub:8443", "ca.pem")
    assert isinstance(mine, CallFailed)
    assert str(mine).startswith("hub:8443: ")
    assert said in str(mine)


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        (10, "is over", "clock"),
        (9, "not valid yet", "clock"),
        (62, "another name", "URL"),
        (64, "another name", "URL"),
        (20, "not signed by the CA in ca.pem", "copy the other end's ca.pem"),
    ],
)
def test_a_certificate_problem_says_what_to_do(code: int, said: str, hint: str) -> None:
    mine = explain(caused(httpx.ConnectError("x"), unverified(code)), "hub:8443", "ca.pem")
    assert isinstance(mine, PeerUntrusted)
    assert said in str(mine)
    assert hint in mine.hint
