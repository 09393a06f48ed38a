"""Who a server is, and who we are to it: certificates before any session (Part 4 §5.4.4, Part 6 §6.2.2)."""

import datetime as dt
import hashlib
import os
import socket
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from holdfast.adapters.errors import DeviceFaulted
from holdfast.adapters.opcua.guards import BoundedClient, wait_closed
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.adapters.opcua.words import in_plain
from holdfast.kernel.clock import NS_PER_S, Clock

_TIMEOUT_S = 10.0
_YEARS = 10
_MODES = {1: "none", 2: "sign", 3: "sign-and-encrypt"}


class Way(NamedTuple):
    """How a server lets others come in."""

    policy: str
    mode: str


class Endpoints(NamedTuple):
    """What a server says of itself. certificate: DER, empty = none."""

    ways: tuple[Way, ...]
    certificate: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in pairs."""
        return hashlib.sha256(self.certificate).digest().hex(":").upper()


class Pair(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


async def endpoints(url: str) -> Endpoints:
    """Ask a server how it may be reached.

    Raises:
        HoldfastError: when it doesn't answer.
    """
    settings = OpcuaSettings(url=url, devices={})
    for where, said in settings.findings():
        if where == ("url",):
            raise DeviceFaulted(said)
    client = BoundedClient(settings.where, _TIMEOUT_S)
    try:
        found = await client.connect_and_get_server_endpoints()
    except Exception as error:
        raise in_plain(error, settings.where, _TIMEOUT_S) from error
    finally:
        await wait_closed(client)
    ways = tuple(
        Way((one.SecurityPolicyUri or "").rpartition("#")[2].replace("None", "none"), _MODES.get(one.SecurityMode, "?"))
        for one in found
    )
    certificate = next((one.ServerCertificate for one in found if one.ServerCertificate), b"")
    return Endpoints(ways, certificate)


def make_keys(folder: Path, node: str, clock: Clock) -> Pair:
    """A self-signed application certificate, as most servers expect it; nothing is overwritten.

    Raises:
        DeviceFaulted: when the files are there already, or can't be written.
    """
    pair = Pair(folder / "opcua.pem", folder / "opcua.key")
    if pair.certificate.exists() or pair.key.exists():
        raise DeviceFaulted(f"{pair.certificate} or {pair.key} is there already", "Delete them, or name another folder")
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            file.write(key.private_bytes(encoding, form, serialization.NoEncryption()))
        pair.certificate.write_bytes(_certificate(key, node, clock.wall_ns()).public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        raise DeviceFaulted(f"{folder}: {error.strerror}") from error
    return pair


def _certificate(key: rsa.RSAPrivateKey, node: str, now_ns: int) -> x509.Certificate:
    now = dt.datetime.fromtimestamp(now_ns / NS_PER_S, dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Holdfast {node}"[:64])])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True,
        key_agreement=False, key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:holdfast:{node}")]
    names.append(x509.DNSName(socket.gethostname()))
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
