import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from holdfast.crypto.certificates import AUTHORITY_DAYS, Pair, make_authority, make_server_certificate
from holdfast.crypto.errors import KeyUnusable, NameUnusable

NOW = 1_790_000_000.0


def load(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate)


def test_the_authority_may_sign_servers_but_no_further_authority() -> None:
    limits = load(make_authority("site", NOW)).extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert (limits.value.ca, limits.value.path_length) == (True, 0)


def test_the_authority_is_valid_from_a_day_ago_for_its_years() -> None:
    authority = make_authority("site", NOW)
    assert load(authority).not_valid_before_utc == datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)
    assert load(authority).not_valid_after_utc == datetime.fromtimestamp(NOW, UTC) + timedelta(days=AUTHORITY_DAYS)


def test_a_server_certificate_names_its_hosts_and_is_signed_by_the_authority() -> None:
    authority = make_authority("site", NOW)
    server = load(make_server_certificate(authority, "hub", ["hub.example", "127.0.0.1", "[::1]"], NOW))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hub.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    server.verify_directly_issued_by(load(authority))
    usage = server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_openssl_takes_the_authority_as_a_trust_root() -> None:
    context = ssl.create_default_context(cadata=make_authority("site", NOW).certificate.decode())
    assert len(context.get_ca_certs()) == 1


def test_keys_never_show_in_a_repr() -> None:
    assert "PRIVATE" not in repr(make_authority("site", NOW))


@pytest.mark.parametrize("host", ["", "not a host", "-dash.example", "a..b", "a" * 300, "*.example", "hub:8443"])
def test_a_host_that_is_neither_name_nor_address_is_refused(host: str) -> None:
    with pytest.raises(NameUnusable, match="neither a DNS name nor an IP"):
        make_server_certificate(make_authority("site", NOW), "hub", [host], NOW)


def test_a_certificate_for_no_host_is_refused() -> None:
    with pytest.raises(NameUnusable, match="at least one host"):
        make_server_certificate(make_authority("site", NOW), "hub", [], NOW)


@pytest.mark.parametrize("name", ["", "n" * 65, "a\nb"])
def test_an_unusable_certificate_name_is_refused(name: str) -> None:
    with pytest.raises(NameUnusable, match="1 to 64"):
        make_authority(name, NOW)


def test_damaged_or_mixed_authority_files_are_refused() -> None:
    one, other = make_authority("one", NOW), make_authority("other", NOW)
    with pytest.raises(KeyUnusable, match="does not belong"):
        make_server_certificate(Pair(one.certificate, other.key), "hub", ["h"], NOW)
    with pytest.raises(KeyUnusable, match="not an unencrypted PEM"):
        make_server_certificate(Pair(one.certificate, b"rubbish"), "hub", ["h"], NOW)
    with pytest.raises(KeyUnusable, match="not a PEM certificate"):
        make_server_certificate(Pair(b"rubbish", one.key), "hub", ["h"], NOW)
