import ssl
from pathlib import Path

import pytest

from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.transport.errors import TlsUnusable
from holdfast.transport.tls import client_context, server_context


def test_both_ends_demand_tls_1_3_and_the_client_checks_the_host(tmp_path: Path) -> None:
    ca = create_authority(tmp_path)
    files = issue_certificate(tmp_path, "hub", ["127.0.0.1"])
    client = client_context(ca.certificate)
    assert server_context(files.certificate, files.key).minimum_version == ssl.TLSVersion.TLSv1_3
    assert client.minimum_version == ssl.TLSVersion.TLSv1_3
    assert client.check_hostname
    assert client.verify_mode == ssl.CERT_REQUIRED


def test_a_client_trusts_its_ca_file_only(tmp_path: Path) -> None:
    client = client_context(create_authority(tmp_path, name="only me").certificate)
    assert [ca["subject"] for ca in client.get_ca_certs()] == [((("commonName", "only me"),),)]


def test_files_that_cant_be_used_are_named(tmp_path: Path) -> None:
    create_authority(tmp_path)
    files = issue_certificate(tmp_path, "hub", ["127.0.0.1"])
    other = issue_certificate(tmp_path, "other", ["127.0.0.1"])
    (tmp_path / "rubbish").write_text("rubbish")
    with pytest.raises(TlsUnusable, match=r"hub\.pem.*does not belong"):
        server_context(files.certificate, other.key)
    with pytest.raises(TlsUnusable, match="not a PEM certificate"):
        server_context(tmp_path / "rubbish", files.key)
    with pytest.raises(TlsUnusable, match="can't be read"):
        server_context(tmp_path / "absent", files.key)
    with pytest.raises(TlsUnusable, match="holds no PEM"):
        client_context(tmp_path / "rubbish")
    with pytest.raises(TlsUnusable, match="can't be read"):
        client_context(tmp_path / "absent")
