"""What is sent to an instrument, and whether an answer is one."""

import re
from dataclasses import dataclass

from holdfast.adapters.serial.settings import BINARY, SendSettings, bytes_of
from holdfast.model.points import Scalar

_VALUE = re.compile(r"\{value(?::([^{}]{0,20}))?\}")
_EXACT = 1e15


class ValueUnfit(ValueError):
    """A value that can't be put into a command's text; the text says why."""


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that a command waits for."""

    pattern: re.Pattern[str]

    def match(self, payload: bytes) -> re.Match[str] | None:
        """The payload as the answer; None when it's something else."""
        try:
            return self.pattern.fullmatch(payload.decode())
        except UnicodeDecodeError:
            return None


def expected_of(settings: SendSettings) -> Expected | None:
    """What must come back; None = nothing is waited for."""
    return Expected(re.compile(settings.expect)) if settings.expect else None


def message_of(settings: SendSettings, value: Scalar, encoding: str) -> bytes:
    """The bytes to send.

    Raises:
        ValueUnfit: when the text wants a value of another kind, or the value has control characters: what could
            end this command and begin another is never sent.
    """
    spelled = "utf-8" if encoding == BINARY else encoding
    out, at = b"", 0
    try:
        for found in _VALUE.finditer(settings.text):
            out += bytes_of(settings.text[at : found.start()], spelled) + _shown(value, found[1] or "").encode(spelled)
            at = found.end()
        return out + bytes_of(settings.text[at:], spelled)
    except UnicodeError as error:
        raise ValueUnfit(f"`{encoding}` can't hold this value: {error}") from None


def read_back(value: Scalar, answer: re.Match[str] | None) -> Scalar:
    """What the instrument took: the answer's group, else what was sent."""
    if answer is None or not answer.re.groups or answer[1] is None:
        return value
    text = answer[1].strip()
    if isinstance(value, bool) and text in ("0", "1"):
        return text == "1"
    if isinstance(value, str):
        return text
    try:
        return float(text)
    except ValueError:
        return text


def _shown(value: Scalar, spec: str) -> str:
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, float) and not spec and value.is_integer() and abs(value) < _EXACT:
        value = int(value)
    try:
        text = format(value, spec)
    except ValueError as error:
        raise ValueUnfit(f"`{value}` can't be written as `{spec}`: {error}") from None
    if not text.isprintable():
        raise ValueUnfit("a value has no control characters")
    return text
