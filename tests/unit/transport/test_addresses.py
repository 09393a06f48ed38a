import pytest

from holdfast.transport.addresses import Address, is_loopback, parse_listen, require_https
from holdfast.transport.errors import AddressInvalid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("[::1]:0", Address("::1", 0)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_an_address_reads_and_writes_back(text: str, expected: Address) -> None:
    assert parse_listen(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["", "8080", ":8080", "host:", "host:x", "::1:80", "host:-1", "host:٣", "host:65536"])
def test_a_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(AddressInvalid):
        parse_listen(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("hub", False)],
)
def test_loopback_is_known(host: str, expected: bool) -> None:  # noqa: FBT001  # a table's column
    assert is_loopback(host) is expected


def test_an_https_url_is_taken_without_its_trailing_slash() -> None:
    assert require_https("https://hub.example:8443/site/") == "https://hub.example:8443/site"


def test_plain_http_is_refused_with_the_reason() -> None:
    with pytest.raises(AddressInvalid, match="plain HTTP"):
        require_https("http://hub.example")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hub:8443",
        "ftp://hub",
        "https://",
        "https://hub:0",
        "https://hub:99999",
        "https://u:p@hub",
        "https://h/?a=1",
    ],
)
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(AddressInvalid):
        require_https(url)
