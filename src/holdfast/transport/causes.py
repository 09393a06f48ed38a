"""Foreign network errors in plain words. Pure: error in, our error out.

httpx's errors are known by their names: a node that calls nobody doesn't load it.
"""

import errno
import socket
import ssl

from holdfast.transport.errors import CallFailed, PeerUntrusted, TransportError

# OpenSSL verify codes (x509_vfy.h).
_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAMES = (62, 64)
_CLOSED = ("the other end closed the connection", "its log says why")
_ERRNOS = {
    errno.ECONNREFUSED: ("nothing listens there", "is the program started there, and is this its port?"),
    errno.ECONNRESET: _CLOSED,
    errno.EPIPE: _CLOSED,
    errno.EHOSTUNREACH: ("there is no way to that host", "is it on, and in this network? `ip route get ADDRESS`"),
    errno.ENETUNREACH: ("this machine has no network", "`ip route` shows whether it has a way out"),
    errno.ETIMEDOUT: ("no answer in time", "is it on? A firewall that drops packets looks like this, too"),
    errno.EMFILE: ("this process has no file descriptors left", "raise its limit: `LimitNOFILE` of the service"),
}
_UNRESOLVED = "check how the host is written, and this machine's DNS: `getent hosts NAME`"
_TIMEOUTS = {
    "ConnectTimeout": "no connection in time",
    "WriteTimeout": "the other end takes nothing any more",
    "ReadTimeout": "no answer in time",
    "PoolTimeout": "no free connection in time",
}
_NOT_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")


def explain(error: Exception, host: str, ca: str) -> TransportError:
    """Our error for a failed call to `host`, whose certificate should be signed by the CA in file `ca`."""
    for cause in _chain(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, host, ca)
        if isinstance(cause, ssl.SSLError) and cause.reason:
            return CallFailed(f"{host}: {_tls(cause.reason)}", _tls_hint(cause.reason))
        if isinstance(cause, socket.gaierror):
            return CallFailed(f"{host}: the name can't be resolved", _UNRESOLVED)
        if isinstance(cause, OSError) and cause.errno in _ERRNOS:
            said, hint = _ERRNOS[cause.errno]
            return CallFailed(f"{host}: {said}", hint)
    return CallFailed(f"{host}: {_TIMEOUTS.get(type(error).__name__) or _lost(error)}")


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and what it came from, innermost first: that one knows most."""
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        group = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
        error = error.__cause__ or error.__context__ or (group[0] if group else None)
    return chain[::-1]


def _untrusted(error: ssl.SSLCertVerificationError, host: str, ca: str) -> PeerUntrusted:
    if error.verify_code == _EXPIRED:
        return PeerUntrusted(f"{host}: its certificate is over", "issue a new one there; check this machine's clock")
    if error.verify_code == _NOT_YET_VALID:
        return PeerUntrusted(f"{host}: its certificate is not valid yet", "this machine's clock is probably behind")
    if error.verify_code in _OTHER_NAMES:
        return PeerUntrusted(
            f"{host}: its certificate is for another name", "issue one for the host in the URL, or call it by its name"
        )
    return PeerUntrusted(
        f"{host}: its certificate is not signed by the CA in {ca}", f"copy the other end's ca.pem to {ca}"
    )


def _tls(reason: str) -> str:
    if reason in _NOT_TLS:
        return "it does not speak TLS"
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return "it does not speak TLS 1.3"
    if "EOF" in reason:
        return "it closed the connection in the middle of TLS; it may not speak TLS 1.3"
    return f"TLS failed ({reason.lower().replace('_', ' ')})"


def _tls_hint(reason: str) -> str:
    if reason in _NOT_TLS:
        return "is this the port for TLS? Others speak in plain"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "it probably wants a certificate of this node: name `certificate` and `key`"
    return "its log says more"


def _lost(error: Exception) -> str:
    if type(error).__name__ == "RemoteProtocolError":
        return "the connection was cut in the middle, or it does not speak HTTP"
    return "the connection was lost"
