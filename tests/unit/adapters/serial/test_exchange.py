"""What is sent to an instrument: never more than one command, and only what its answer proves."""

import re

import pytest

from holdfast.adapters.serial.exchange import ValueUnfit, expected_of, message_of, read_back
from holdfast.adapters.serial.settings import SendSettings


@pytest.mark.parametrize(
    ("text", "value", "sent"),
    [
        ("SP {value}\\r\\n", 21.0, b"SP 21\r\n"),
        ("SP {value}\\r\\n", 21.5, b"SP 21.5\r\n"),
        ("SP {value:.2f}\\n", 21, b"SP 21.00\n"),
        ("OUT {value}\\n", True, b"OUT 1\n"),
        ("NAME {value}\\n", "pump\\n2", b"NAME pump\\n2\n"),  # a backslash stays one
        ('{"set": {value}}\\n', 3, b'{"set": 3}\n'),
        ("\\x02STOP\\x03", True, b"\x02STOP\x03"),
        ("T {value}°\\n", 20, b"T 20\xb0\n"),
    ],
)
def test_a_command_is_its_text_with_the_value_in_it(text: str, value: float | str, sent: bytes) -> None:
    assert message_of(SendSettings(text=text), value, "latin-1") == sent


@pytest.mark.parametrize("value", ["1\nRESET", "a\rb", "\x03", "", "☃"])
def test_a_value_that_could_end_the_command_is_never_sent(value: str) -> None:
    text = "SP {value}\\n" if value != "" else "SP {value:d}\\n"
    with pytest.raises(ValueUnfit):
        message_of(SendSettings(text=text), value, "latin-1")


def test_an_answer_is_the_whole_frame_and_its_group_is_what_was_taken() -> None:
    expected = expected_of(SendSettings(text="SP {value}", expect="SP=([0-9.]+)"))
    assert expected is not None
    assert expected.match(b"SP=21.5 and more") is None
    assert expected.match(b"\xff") is None
    assert read_back(21.4, expected.match(b"SP=21.5")) == 21.5
    assert read_back("x", re.fullmatch("(.*)", " run ")) == "run"
    assert read_back(True, re.fullmatch("(.)", "0")) is False
    assert read_back(3, re.fullmatch("OK", "OK")) == 3
    assert expected_of(SendSettings(text="STOP")) is None
