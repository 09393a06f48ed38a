"""Scalars with units say what they expect."""

import pytest

from holdfast.kernel.scalars import parse_share


@pytest.mark.parametrize(("text", "share"), [("80%", 0.8), (" 12.5 % ", 0.125), ("100%", 1.0)])
def test_a_share_is_a_percentage(text: str, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["", "80", "-1%", "eighty", "80 percent"])
def test_anything_else_is_told_what_a_share_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="a share such as 80%"):
        parse_share(text)
