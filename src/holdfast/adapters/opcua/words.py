"""What went wrong between us and an OPC UA server, in words. asyncua is imported where it's needed: it's an extra."""

from holdfast.adapters.errors import AdapterError, DeviceFaulted, DeviceUnreachable
from holdfast.adapters.opcua.errors import ServerSaid
from holdfast.adapters.supervised import in_words
from holdfast.kernel.errors import HoldfastError
from holdfast.transport.causes import explain

_TRUST = (
    "The server doesn't trust this node's certificate: let its administrator move it from the rejected to the trusted "
    "ones; the server's log says more"
)
_LOGIN = "Are `user` and `password_file` right, and may this user come in?"
_HINTS = {
    0x80130000: _TRUST,  # BadSecurityChecksFailed
    0x80120000: _TRUST,  # BadCertificateInvalid
    0x801A0000: _TRUST,  # BadCertificateUntrusted
    0x80140000: "This node's certificate, or the server's, isn't valid today: check both, and both clocks",
    0x80170000: "`certificate` doesn't hold this node's application URI: `holdfast opcua keys` makes one that does",
    0x80550000: "The server doesn't offer this `security`: `holdfast opcua trust URL` shows what it does",
    0x80540000: "The server doesn't offer this `mode`: `holdfast opcua trust URL` shows what it does",
    0x80200000: _LOGIN,  # BadIdentityTokenInvalid
    0x80210000: _LOGIN,  # BadIdentityTokenRejected
    0x801F0000: "This user may not do that; ask the server's administrator",
    0x80560000: "The server has no room for another session: raise its limit, or end old ones",
    0x80770000: "The server has no room for another subscription: raise its limit",
    0x80340000: "Is the node id right? `holdfast opcua browse URL` shows what there is",
    0x80330000: "Is the node id right? `holdfast opcua browse URL` shows what there is",
    0x80730000: "The server may only take a plain value: see its documentation",
    0x803B0000: "The server doesn't let anybody write it",
    0x803C0000: "The value is outside of what the server takes",
    0x80740000: "The value isn't of the node's type",
}
_CUT = "the connection was lost"
_PLAIN = ("", "Connection is closed", "connection lost", "Connection is not open")
NO_SESSION = frozenset((0x80250000, 0x80260000, 0x80270000))
"""BadSessionIdInvalid, …Closed, …NotActivated."""
NO_SUBSCRIPTION, TOO_MANY_PUBLISHES, TIMED_OUT = 0x80790000, 0x80780000, 0x800A0000
NOT_AVAILABLE = 0x807B0000
"""Of a message that the server has no more."""


def status_words(code: int) -> str:
    """A StatusCode's name, and what it means."""
    from asyncua.ua.status_codes import get_name_and_doc  # noqa: PLC0415  # of an extra

    name, said = get_name_and_doc(code & 0xFFFF0000)
    return f"{name} ({said.rstrip('.')})" if said and not said.startswith("Unknown") else f"{name} 0x{code:08X}"


def sound(text: str) -> str:
    """A text of the server as it can be shown: asyncua makes halves of surrogate pairs of what isn't UTF-8."""
    return "".join(c if c.isprintable() else "�" for c in text.encode("utf-8", "replace").decode())


def hint_of(code: int) -> str:
    """What to do about a StatusCode; empty where nothing is known."""
    return _HINTS.get(code & 0xFFFF0000, "")


def in_plain(error: BaseException, where: str, timeout_s: float) -> HoldfastError:
    """Our error for whatever the library, or the network, raised."""
    if isinstance(error, BaseExceptionGroup):
        return in_plain(error.exceptions[0], where, timeout_s)
    if isinstance(error, HoldfastError):
        return error
    code = getattr(error, "code", None)
    if isinstance(code, int) and code >> 30:
        return ServerSaid(f"{where}: the server says {status_words(code)}", hint_of(code), code)
    if isinstance(error, TimeoutError):
        said = f"{where} didn't answer within {timeout_s:g} s"
        return DeviceUnreachable(said, "Is it on, and does a firewall let it through?")
    if isinstance(error, ConnectionError) and error.errno is None:
        said = sound(str(error)[:300])
        return DeviceUnreachable(f"{where}: {_CUT if said in _PLAIN else said}")
    if isinstance(error, OSError):
        return DeviceUnreachable(*in_words(explain(error, where, "")))
    text = sound(str(error)[:300])
    if "No matching endpoints" in text:
        return DeviceFaulted(f"{where}: {text}", _HINTS[0x80550000])
    return AdapterError(f"{where}: {type(error).__name__}: {text}")
