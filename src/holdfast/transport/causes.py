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
_ERRNOS = {
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "the other end closed the connection",
    errno.EPIPE: "the other end closed the connection",
    errno.EHOSTUNREACH: "there is no way to that host",
    errno.ENETUNREACH: "this machine has no network",
    errno.ETIMEDOUT: "no answer in time",
    errno.EMFILE: "this process has no file descriptors left",
}
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
            return CallFailed(f"{host}: {_tls(cause.reason)}")
        if isinstance(cause, socket.gaierror):
            return CallFailed(f"{host}: the name can't be resolved")
        if isinstance(cause, OSError) and cause.errno in _ERRNOS:
            return CallFailed(f"{host}: {_ERRNOS[cause.errno]}")
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


def _lost(error: Exception) -> str:
    if type(error).__name__ == "RemoteProtocolError":
        return "the connection was cut in the middle, or it does not speak HTTP"
    return "the connection was lost"
