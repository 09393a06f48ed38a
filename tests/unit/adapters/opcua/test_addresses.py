"""Node ids: as written, with what is wrong said; a namespace's URI finds its index at each connection."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.opcua.addresses import Address, parse

SPACES = ["http://opcfoundation.org/UA/", "urn:server", "urn:plant"]


@pytest.mark.parametrize(
    "text",
    ["i=2258", "ns=2;s=Press1.Force", "ns=2;s=with;semicolon=and more", "nsu=urn:plant;s=a", "ns=3;b=00ff",
     "ns=1;g=00000000-0000-0000-0000-00000000004d"],
)  # fmt: skip
def test_what_is_written_is_told_back(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Press1.Force", "is no node id: write it as ns=2;s="),
        ("ns=2;i=abc", "takes a number of 32 bits"),
        ("i=4294967296", "takes a number of 32 bits"),
        ("ns=70000;i=1", "at most 65535"),
        ("g=1", "takes a Guid"),
        ("b=xyz", "takes bytes in hex"),
        ("", "is no node id"),
    ],
)
def test_what_is_no_node_id_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_a_namespace_is_found_by_its_uri_wherever_the_server_has_it() -> None:
    assert parse("nsu=urn:plant;s=a").resolved(SPACES) == Address(2, "s", "a")
    assert parse("nsu=urn:plant;s=a").resolved(["x", "urn:plant"]) == Address(1, "s", "a")
    assert parse("nsu=urn:gone;s=a").resolved(SPACES) is None
    assert str(parse("ns=2;s=a").lasting(SPACES)) == "nsu=urn:plant;s=a"
    assert str(parse("i=5").lasting(SPACES)) == "i=5"


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse(str(parse(text))) == parse(text)
