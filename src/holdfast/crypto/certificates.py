"""A private CA and the server certificates it signs: ECDSA P-256, X.509 v3 as strict verifiers want it (RFC 5280).

Import this only where certificates are issued: a running gateway has no use for it and saves the memory.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from holdfast.crypto.errors import KeyUnusable, NameUnusable

AUTHORITY_DAYS = 3650
# The longest that the strictest common verifier (Apple's) takes from a private CA.
SERVER_DAYS = 825
# Edge machines without a battery-backed clock start in the past; a day forgives time zones and slow NTP.
_BACKDATE = timedelta(days=1)
# RFC 5280 ub-common-name.
_LONGEST_NAME = 64
_HOST = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM. The key never shows in a repr."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(certificate, key)"


def make_authority(name: str, now_s: float) -> Pair:
    """A self-signed CA that may sign server certificates only, no further CAs."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    public = key.public_key()
    certificate = (
        _builder(subject, subject, public, now_s, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def make_server_certificate(authority: Pair, name: str, hosts: Sequence[str], now_s: float) -> Pair:
    """A key and a certificate for `hosts` (DNS names or IP addresses), signed by the CA.

    Raises:
        KeyUnusable: when the CA's files are damaged or don't belong together.
        NameUnusable: when there is no host, or one is neither a DNS name nor an IP address.
    """
    signer, issuer = _signer(authority)
    if not hosts:
        raise NameUnusable("a server certificate needs at least one host name or IP address")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(name), issuer.subject, key.public_key(), now_s, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _pair(certificate, key)


def make_client_certificate(authority: Pair, name: str, now_s: float) -> Pair:
    """A key and a certificate for a client that is known as `name`, signed by the CA.

    Raises:
        KeyUnusable: when the CA's files are damaged or don't belong together.
        NameUnusable: when the name can't stand in a certificate.
    """
    signer, issuer = _signer(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(name), issuer.subject, key.public_key(), now_s, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _pair(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now_s: float, days: int
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(now_s, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    if not text or len(text) > _LONGEST_NAME or not text.isprintable():
        raise NameUnusable(f"a certificate's name has 1 to {_LONGEST_NAME} printable characters, not {text[:80]!r}")
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        if _HOST.fullmatch(text) is None:
            raise NameUnusable(f"{text[:80]!r} is neither a DNS name nor an IP address") from None
        return x509.DNSName(text)


def _signer(authority: Pair) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    certificate = _certificate(authority.certificate)
    try:
        key = serialization.load_pem_private_key(authority.key, password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnusable("the authority's key is not an unencrypted PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise KeyUnusable("the authority's key does not belong to its certificate")
    return key, certificate


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise KeyUnusable("the file is not a PEM certificate") from error


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Pair(certificate.public_bytes(pem), plain)
