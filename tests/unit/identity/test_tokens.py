import stat
from pathlib import Path

import pytest

from holdfast.crypto.tokens import digest, mint_token
from holdfast.identity.errors import KeyExists, TokenUnusable
from holdfast.identity.tokens import TokenBook, issue_token, read_token
from holdfast.storage.errors import StorageUnusable


def test_a_token_file_is_secret_and_its_digest_lies_beside_it(tmp_path: Path) -> None:
    beside = issue_token(tmp_path / "token")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert beside.read_text() == f"sha256:{digest(read_token(tmp_path / 'token').text).hex()}\n"


def test_a_token_is_never_overwritten(tmp_path: Path) -> None:
    issue_token(tmp_path / "token")
    with pytest.raises(KeyExists, match="not overwritten"):
        issue_token(tmp_path / "token")


@pytest.mark.parametrize("kept", ["token", "token.sha256"])
def test_the_book_knows_a_child_by_token_or_digest_file(tmp_path: Path, kept: str) -> None:
    issue_token(tmp_path / "token")
    book = TokenBook.load({"gateway-1": tmp_path / kept})
    assert book.names() == ["gateway-1"]
    assert book.who(read_token(tmp_path / "token").text, now_s=0.0) == "gateway-1"


def test_a_wrong_token_stands_for_nobody(tmp_path: Path) -> None:
    issue_token(tmp_path / "token")
    book = TokenBook.load({"gateway-1": tmp_path / "token"})
    assert book.who(mint_token().text, now_s=0.0) is None
    assert book.who("", now_s=0.0) is None


def test_a_token_whose_time_is_over_stands_for_nobody(tmp_path: Path) -> None:
    issue_token(tmp_path / "token", expires_s=1000)
    book = TokenBook.load({"gateway-1": tmp_path / "token.sha256"})
    text = read_token(tmp_path / "token").text
    assert book.who(text, now_s=999.0) == "gateway-1"
    assert book.who(text, now_s=1000.0) is None


def test_two_children_with_one_token_are_refused(tmp_path: Path) -> None:
    issue_token(tmp_path / "token")
    with pytest.raises(TokenUnusable, match="share one token"):
        TokenBook.load({"a": tmp_path / "token", "b": tmp_path / "token.sha256"})


@pytest.mark.parametrize("content", ["", "secret", "sha256:zz", "sha256:abcd", "\xff\xfe"])
def test_a_file_with_neither_token_nor_digest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_bytes(content.encode("latin-1"))
    with pytest.raises(TokenUnusable, match="holds"):
        TokenBook.load({"a": tmp_path / "token"})


def test_a_file_without_a_token_cant_be_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sha256:00")
    with pytest.raises(TokenUnusable, match="holds no Holdfast"):
        read_token(tmp_path / "token")
    with pytest.raises(StorageUnusable):
        read_token(tmp_path / "absent")
