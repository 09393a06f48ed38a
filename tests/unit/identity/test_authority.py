import stat
from pathlib import Path

import pytest

from holdfast.crypto.errors import NameUnusable
from holdfast.identity.authority import create_authority, issue_certificate
from holdfast.identity.errors import KeyExists, KeyMissing
from holdfast.kernel.clock import ManualClock


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_authority_and_a_certificate_are_written_with_secret_keys(tmp_path: Path) -> None:
    authority = create_authority(tmp_path, clock=ManualClock())
    server = issue_certificate(tmp_path, "hub", ["127.0.0.1"], ManualClock())
    assert authority.certificate == tmp_path / "ca.pem"
    assert server.certificate == tmp_path / "hub.pem"
    assert (mode(authority.key), mode(server.key)) == (0o600, 0o600)
    assert b"PRIVATE" not in server.certificate.read_bytes()


def test_an_authority_is_never_overwritten(tmp_path: Path) -> None:
    files = create_authority(tmp_path)
    before = files.key.read_bytes()
    with pytest.raises(KeyExists, match="not overwritten"):
        create_authority(tmp_path)
    assert files.key.read_bytes() == before


def test_a_server_key_is_never_overwritten_even_when_its_certificate_is_gone(tmp_path: Path) -> None:
    create_authority(tmp_path)
    issue_certificate(tmp_path, "hub", ["127.0.0.1"]).certificate.unlink()
    with pytest.raises(KeyExists, match=r"hub\.key"):
        issue_certificate(tmp_path, "hub", ["127.0.0.1"])


def test_the_authoritys_own_name_is_taken(tmp_path: Path) -> None:
    create_authority(tmp_path)
    with pytest.raises(KeyExists):
        issue_certificate(tmp_path, "ca", ["127.0.0.1"])


def test_without_an_authority_nothing_is_issued(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="no certificate authority") as caught:
        issue_certificate(tmp_path, "hub", ["127.0.0.1"])
    assert "create_authority" in caught.value.hint


@pytest.mark.parametrize("name", ["../hub", "a/b", ".hidden", ""])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    create_authority(tmp_path)
    with pytest.raises(NameUnusable):
        issue_certificate(tmp_path, name, ["127.0.0.1"])
