"""TLS 1.3 between our own nodes, whose client trusts one CA file and nothing else; 1.2 and up to foreign brokers."""

import ssl
from collections.abc import Sequence
from pathlib import Path

from holdfast.transport.errors import TlsUnusable


def server_context(
    certificate: Path,
    key: Path,
    *,
    oldest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    alpn: Sequence[str] = ("http/1.1",),
) -> ssl.SSLContext:
    """What a server shows: its certificate chain and key, both PEM.

    Raises:
        TlsUnusable: when a file can't be read, isn't PEM, or the two don't belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = oldest
    _present(context, certificate, key)
    context.set_alpn_protocols(list(alpn))
    return context


def ask_for_client(context: ssl.SSLContext, ca: Path, *, required: bool) -> None:
    """Ask clients for a certificate that this CA signed; not required = one without any comes in, too.

    Raises:
        TlsUnusable: when the file can't be read or holds no certificate.
    """
    _trust(context, ca)
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL


def client_context(ca: Path) -> ssl.SSLContext:
    """What a client trusts: servers whose certificate this CA signed for the very name or address being called.

    Raises:
        TlsUnusable: when the file can't be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate and checks the host
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    _trust(context, ca)
    return context


def broker_context(ca: Path | None, pair: tuple[Path, Path] | None, alpn: Sequence[str]) -> ssl.SSLContext:
    """For a foreign broker: TLS 1.2 is enough, as Azure IoT Hub and older Mosquittos have nothing newer.

    ca:   whom to trust; None = the CAs of this system
    pair: this node's certificate chain and key, both PEM

    Raises:
        TlsUnusable: when a file can't be read, isn't PEM, or the pair doesn't belong together.
    """
    context = ssl.create_default_context() if ca is None else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        _trust(context, ca)
    if pair is not None:
        _present(context, *pair)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError as error:
        raise TlsUnusable(f"{ca} holds no PEM certificate") from error
    except OSError as error:
        raise TlsUnusable(f"{ca} can't be read: {error.strerror}") from error


def _present(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise TlsUnusable(f"{certificate} and {key} can't be used: {_plain(error)}") from error
    except OSError as error:
        raise TlsUnusable(f"{certificate} or {key} can't be read: {error.strerror}") from error


def _plain(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return "not a PEM certificate and an unencrypted PEM key"


def _no_password() -> bytes:
    """OpenSSL would otherwise ask on the terminal and block the start."""
    return b""
