import pytest

from holdfast.crypto.errors import TokenMalformed
from holdfast.crypto.tokens import digest, is_same, mint_token, parse_token


def test_a_minted_token_reads_back_as_itself() -> None:
    token = mint_token(expires_s=1_800_000_000)
    assert parse_token(token.text) == token


def test_two_tokens_differ() -> None:
    assert mint_token().text != mint_token().text


def test_a_token_never_shows_its_secret() -> None:
    token = mint_token()
    assert token.text not in repr(token)


def test_a_token_without_expiry_is_never_over() -> None:
    assert not mint_token().is_expired(1e12)


def test_a_token_is_over_from_its_expiry_on() -> None:
    token = mint_token(expires_s=1000)
    assert not token.is_expired(999.9)
    assert token.is_expired(1000.0)


def test_moving_the_expiry_changes_the_digest() -> None:
    token = mint_token(expires_s=1000)
    assert not is_same(digest(token.text), digest(token.text.replace("1000", "9000", 1)))
    assert is_same(digest(token.text), digest(token.text))


@pytest.mark.parametrize("text", ["", "hf1.0.short", "hf2.0." + "a" * 43, "hf1.x." + "a" * 43, "x" * 60])
def test_another_text_is_no_token_and_is_not_quoted(text: str) -> None:
    with pytest.raises(TokenMalformed) as caught:
        parse_token(text)
    assert not text or text not in str(caught.value)
